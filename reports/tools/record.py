"""Copy the own run's pictures, tables and page to where they are committed: ``make record``.

Results of the working folder (artifacts/run) belong to the last experiment; README.md shows recorded ones.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
from pathlib import Path

from pipeline.settings.params import load_params
from pipeline.storage import places
from pipeline.storage.files import write_bytes, write_json, write_text
from pipeline.tracking.run_record import describe_origin

SECONDS = places.OWN_RUN / "seconds.csv"
PROVENANCE = places.OWN_RUN / "provenance.json"
RECORDED_PROFILE = "embedded"


def record_run(force: bool = False) -> list[Path]:
    """Copy the own run's files, note where they come from and how long stages took; returns what was written.

    Raises ValueError for a run of another profile than the recorded one, unless ``force``.
    """
    params = load_params()
    if params.profile != RECORDED_PROFILE and not force:
        raise ValueError(
            f"profile: found {params.profile}, expected {RECORDED_PROFILE}, the one that README.md shows "
            "(--force records it all the same)"
        )
    if not places.RUN_PAGE.exists():
        raise ValueError(f"{places.RUN_PAGE}: not there; `make main` makes it")
    written = []
    for folder in (places.FIGURES, places.TABLES):
        target = places.OWN_RUN / folder.name
        shutil.rmtree(target, ignore_errors=True)
        for path in sorted(folder.iterdir()):
            write_bytes(target / path.name, path.read_bytes())
            written.append(target / path.name)
    write_bytes(places.OWN_RUN / places.RUN_PAGE.name, places.RUN_PAGE.read_bytes())
    write_text(SECONDS, merge_seconds(read_recorded_seconds(), places.SECONDS))
    write_json(PROVENANCE, describe_origin())
    return [*written, SECONDS, PROVENANCE]


def read_recorded_seconds() -> dict[str, float]:
    """Read the seconds of each stage when it was last recorded."""
    if not SECONDS.exists():
        return {}
    with open(SECONDS, newline="", encoding="utf-8") as file:
        return {row["stage"]: float(row["seconds"]) for row in csv.DictReader(file)}


def merge_seconds(recorded: dict[str, float], folder: Path) -> str:
    """Merge the recorded seconds with those of the stages that ran since, as CSV."""
    measured = {path.stem: json.loads(path.read_text())["seconds"] for path in folder.glob("*.json")}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["stage", "seconds"])
    writer.writerows(sorted((recorded | measured).items()))
    return text.getvalue()


def main() -> None:
    """Record, and say what to do next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="a run of another profile, too")
    try:
        written = record_run(parser.parse_args().force)
    except ValueError as error:
        raise SystemExit(f"record: {error}") from None
    print(f"{len(written)} files in {places.OWN_RUN}; `make docs` brings README.md and docs/ up to date")


if __name__ == "__main__":
    main()
