"""Leave out of dvc.lock what only this machine has: ``make portable``, before it is committed.

A lock entry whose outputs are in DVC's cache can be checked out where the cache or a remote holds them, and
makes ``dvc checkout``, ``dvc exp apply`` and ``dvc pull`` fail for all others. Those in Git stay.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from pipeline.settings.yaml_files import read_yaml
from pipeline.storage.files import write_text

LOCKS = (Path("dvc.lock"), Path("beyond/dvc.lock"))
VALID_ONCE = "validate"  # its output is neither in Git nor worth keeping: it takes a second


def list_cached(dag: dict[str, Any]) -> set[str]:
    """The stages of a dvc.yaml that have an output in DVC's cache, or are better run than looked up."""
    cached = {VALID_ONCE}
    for name, stage in dag["stages"].items():
        outputs = [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
        flags = [next(iter(out.values())) if isinstance(out, dict) else {} for out in outputs]
        if any(one.get("cache", True) for one in flags):
            cached.add(name)
    return cached


def drop_cached(lock: dict[str, Any], dag: dict[str, Any]) -> dict[str, Any]:
    """The lock without the entries of those stages, nor of their instances such as ``train@normal``."""
    cached = list_cached(dag)
    stages = {name: stage for name, stage in lock["stages"].items() if name.partition("@")[0] not in cached}
    return {**lock, "stages": stages}


def main() -> None:
    """Rewrite the lock files."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for path in LOCKS:
        if path.exists():
            lock, dag = read_yaml(path), read_yaml(path.with_suffix(".yaml"))
            portable = drop_cached(lock, dag)
            write_text(path, yaml.safe_dump(portable, sort_keys=False, width=1000))
            print(f"{path}: {len(portable['stages'])} of {len(lock['stages'])} stages are in Git")


if __name__ == "__main__":
    main()
