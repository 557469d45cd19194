"""A user's pictures in own_images/ are kept out of commits, and DVC still finds what is added there."""

from pathlib import Path

from scmrepo.git import Git

ROOT = Path(__file__).parents[2]


def test_git_ignores_own_pictures_and_dvc_still_looks_into_their_folder():
    """By DVC's own reading of .gitignore, which takes ``own_images/*`` for the folder itself."""
    repository = Git(ROOT)
    try:
        ignored = {
            name: repository.is_ignored(f"{ROOT}/own_images{name}")
            for name in ("/", "/digit.png", "/mine/", "/mine/digit.png", "/mine.dvc", "/README.md")
        }
    finally:
        repository.close()
    kept = {"/", "/mine.dvc", "/README.md"}
    assert {name for name, is_ignored in ignored.items() if not is_ignored} == kept
