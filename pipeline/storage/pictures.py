"""The PNG and JPEG files of a user's folder, by class where it has class folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".png", ".jpg", ".jpeg")


def list_classes(folder: Path) -> dict[str, list[Path]]:
    """List a folder's pictures by class, both in the order of their names.

    As torchvision's ImageFolder has them: each folder in it is a class, whatever lies deeper in it. Without
    such folders all pictures are of the one class "". Raises ValueError, one line, for a folder that is not
    there or empty, and for pictures beside class folders.
    """
    if not folder.is_dir():
        raise ValueError(f"data.images: found {str(folder)!r}, expected a folder of PNG or JPEG files")
    loose = list(_list_pictures(folder, deep=False))
    inside = {
        entry.name: list(_list_pictures(entry, deep=True))
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and not entry.name.startswith(".")
    }
    classes = {name: pictures for name, pictures in inside.items() if pictures}
    if loose and classes:
        raise ValueError(
            f"data.images: {folder} has {len(loose)} pictures beside {len(classes)} class folders; expected "
            "all in class folders, or none"
        )
    if not loose and not classes:
        raise ValueError(f"data.images: no {', '.join(SUFFIXES)} file in {folder}; put yours there")
    return classes or {"": loose}


def _list_pictures(folder: Path, deep: bool) -> Iterator[Path]:
    paths = folder.rglob("*") if deep else folder.iterdir()
    return (
        path
        for path in sorted(paths)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
