"""A project that was moved or copied writes its pictures into its own folder.

MLflow stores where artifacts lie as absolute addresses, so a copied database still names the original's
folder. There is no call of MLflow's to change that; the three columns are corrected in the SQLite file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

COLUMNS = (  # table, column
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


def relocate_artifacts(database: Path, experiment: str, folder: Path) -> int:
    """Let all that an experiment keeps lie in ``folder``; returns how many addresses changed.

    ``experiment``: its name. Files are not moved: a copied project has them already.
    """
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        row = connection.execute(
            "SELECT experiment_id, artifact_location FROM experiments WHERE name = ?", (experiment,)
        ).fetchone()
        if row is None or row[1] == folder.as_uri():
            return 0
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        changed = 0
        for table, column in COLUMNS:
            if table in tables:
                changed += connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE experiment_id = ? AND substr({column}, 1, ?) = ?",
                    (folder.as_uri(), len(row[1]) + 1, row[0], len(row[1]), row[1]),
                ).rowcount
        return changed
