"""A project that was moved or copied writes its pictures into its own folder.

MLflow stores where artifacts lie as absolute addresses, so a copied database still names the original's
folder. There is no call of MLflow's to change that; the columns are corrected in the SQLite file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

OF_EXPERIMENT = " AND experiment_id = ?"
COLUMNS = (  # table, column, and whose rows
    ("experiments", "artifact_location", OF_EXPERIMENT),
    ("runs", "artifact_uri", OF_EXPERIMENT),
    ("logged_models", "artifact_location", OF_EXPERIMENT),
    ("model_versions", "storage_location", ""),  # of the registry, which knows no experiments
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
        for table, column, whose in COLUMNS:
            if table in tables:
                values = [folder.as_uri(), len(row[1]) + 1, len(row[1]), row[1]]
                changed += connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?{whose}",
                    [*values, row[0]] if whose else values,
                ).rowcount
        return changed
