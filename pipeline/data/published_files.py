"""Where each data set's files are, what their published checksums are, and how they are downloaded."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.data.image_folder import DataError
from pipeline.data.readers import one_line

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
DEBIAN_SHA256 = {  # Debian compresses the files anew, so torchvision's md5 do not apply
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
CELEBA_FILES = ("img_align_celeba.zip", "list_eval_partition.txt", "list_attr_celeba.txt")


@dataclass(frozen=True)
class PublishedFile:
    """A file of a data set: its place below the data folder, checksum (md5), ways to download it.

    Each of ``downloads`` takes the folder to write into and tries one mirror.
    """

    place: Path
    md5: str
    downloads: tuple[Callable[[str], None], ...]


def list_published_files(name: str) -> list[PublishedFile]:
    """List the files of mnist, fashion_mnist, svhn or celeba in torchvision's layout, with its checksums."""
    from torchvision.datasets import MNIST, SVHN, CelebA, FashionMNIST  # slow to load
    from torchvision.datasets.utils import download_file_from_google_drive, download_url

    if name == "svhn":
        published = [SVHN.split_list[split] for split in ("train", "test")]
        return [
            PublishedFile(Path(file), md5, (partial(download_url, url, filename=file, md5=md5),))
            for url, file, md5 in published
        ]
    if name == "celeba":
        return [
            PublishedFile(
                Path("celeba", file),
                md5,
                (partial(download_file_from_google_drive, file_id, filename=file, md5=md5),),
            )
            for file_id, md5, file in CelebA.file_list
            if file in CELEBA_FILES
        ]
    dataset = {"mnist": MNIST, "fashion_mnist": FashionMNIST}[name]
    return [
        PublishedFile(
            Path(dataset.__name__, "raw", file),
            md5,
            tuple(partial(download_url, mirror + file, filename=file, md5=md5) for mirror in dataset.mirrors),
        )
        for file, md5 in dataset.resources
    ]


def find_files(
    name: str, folder: Path, download: bool, checksums: Mapping[str, str] | None = None
) -> dict[str, Path]:
    """Find a data set's files, checksums verified: path by file name.

    Looks in the data folder (torchvision's layout), for fashion_mnist then in Debian's package folder, and
    only then downloads what is missing, if ``download``. ``checksums`` (md5 or sha256 by file name) replace
    the published ones; a file they do not name is not checked. A CelebA folder img_align_celeba/ stands for
    its archive and has no published checksum. Raises DataError for files that are missing, damaged or cannot
    be downloaded; damaged files are never replaced in silence.
    """
    published = list_published_files(name)
    if (folder / "celeba" / "img_align_celeba").is_dir():
        published = [file for file in published if file.place.suffix != ".zip"]
    expected = {file.place.name: file.md5 for file in published}
    missing = [file for file in published if not (folder / file.place).is_file()]
    paths = {file.place.name: folder / file.place for file in published}
    if missing and name == "fashion_mnist" and all((DEBIAN_FOLDER / file).is_file() for file in paths):
        paths = {file: DEBIAN_FOLDER / file for file in paths}
        expected = DEBIAN_SHA256
        missing = []
    advice = _advise(name, folder, published)
    for file in missing:
        if not download:
            raise DataError(f"{folder / file.place}: file is missing; {advice}, or set data.download: true")
        try:
            _download(file, folder)
        except Exception as error:  # whatever the network, the mirrors or gdown raise
            raise DataError(
                f"{folder / file.place}: download failed ({one_line(error)}); {advice}"
            ) from error
    _verify(paths, expected if checksums is None else checksums)
    return paths


def is_there(name: str, folder: Path) -> bool:
    """Whether a data set's files are in the data folder or in Debian's; nothing is read."""
    places = [file.place for file in list_published_files(name)]
    in_debian = name == "fashion_mnist" and all((DEBIAN_FOLDER / place.name).is_file() for place in places)
    return in_debian or all((folder / place).is_file() for place in places)


def _advise(name: str, folder: Path, published: list[PublishedFile]) -> str:
    files = ", ".join(file.place.name for file in published)
    place = folder / published[0].place.parent
    debian = f", or install Debian's package that fills {DEBIAN_FOLDER}" if name == "fashion_mnist" else ""
    return f"put {files} into {place}{debian}"


def _download(file: PublishedFile, folder: Path) -> None:
    """Download one file into a temporary folder, then move it into place: no half file is ever left."""
    place = folder / file.place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".download-") as temporary:
        for number, download in enumerate(file.downloads, start=1):
            try:
                download(temporary)
                break
            except Exception:
                if number == len(file.downloads):
                    raise
        os.replace(Path(temporary, place.name), place)


def _verify(paths: Mapping[str, Path], expected: Mapping[str, str]) -> None:
    for name, path in paths.items():
        if name not in expected:
            continue
        algorithm = "md5" if len(expected[name]) == 32 else "sha256"
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, algorithm).hexdigest()
        if digest == expected[name]:
            continue
        owner = next((other for other, known in expected.items() if known == digest), None)
        hint = f"this is the content of {owner}, are the two swapped?" if owner else "fetch it again"
        size = path.stat().st_size
        raise DataError(
            f"{path}: {algorithm} {digest} found ({size} bytes); should be {expected[name]}; {hint}"
        )
