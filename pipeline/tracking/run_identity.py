"""Which experiment a run belongs to, and how it is called: ``alpha 0.3, K 5, seed 1``."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import subprocess
from collections.abc import Iterable
from typing import Any

import yaml

from pipeline.settings.params import Params
from pipeline.settings.yaml_files import ParamError, read_yaml
from pipeline.storage.files import flatten

DESCRIBED_BY = {  # pictures of a run's description, with their words
    "fid_samples.png": "Samples from the prior",
    "reconstruct_images.png": "Reconstructions of training and test images",
    "recover_images.png": "Occluded training images, and what was recovered",
}
OWN_RUN = "own run"  # the study, as MLflow has it, of what belongs to no study
NAMED = ("alpha", "K", "seed")  # what every name says
RESOLVED_ELSEWHERE = tuple(f"profile_settings.train.{key}" for key in ("K", "L", "L2", "learning_rate"))


def list_params(params: Params) -> dict[str, str]:
    """The settings in force by dotted name, each once."""
    return {key: str(value) for key, value in params.flat().items() if key not in RESOLVED_ELSEWHERE}


def name_experiment(params: Params) -> str:
    """A key of the experiment at hand: DVC's name of it, or ``workspace``, and a digest of its parameters."""
    digest = hashlib.sha256(json.dumps(list_params(params), sort_keys=True).encode()).hexdigest()[:8]
    return f"{os.environ.get('DVC_EXP_NAME') or 'workspace'}-{digest}"


def name_run(params: Params) -> str:
    """What a run is called: alpha, K and seed, then what else differs from the committed params.yaml."""
    flat = params.flat()
    parts = [f"{key} {_show(flat[key])}" for key in NAMED]
    return ", ".join(parts + [f"{key} {_show(value)}" for key, value in find_changes().items()])


def find_changes() -> dict[str, Any]:
    """What params.yaml says otherwise than the committed one, without what every name says anyway."""
    try:
        present = dict(flatten(read_yaml("params.yaml")))
    except ParamError:
        return {}
    committed = dict(flatten(_read_committed()))
    if not committed:
        return {}
    return {
        key: value
        for key, value in present.items()
        if key not in NAMED and key in committed and committed[key] != value
    }


def describe_run(params: Params) -> str:
    """A run's description in MLflow, as Markdown."""
    flat = params.flat()
    lines = [
        f"**{name_run(params)}**",
        "",
        f"Data set `{flat['dataset']}`, profile `{flat['profile']}`: "
        f"{flat['profile_settings.prepare.n_train']} training images, {flat['latent_dim']} latent "
        f"dimensions, sigma {flat['sigma']:g}, s {flat['s']:g}.",
    ]
    if experiment := os.environ.get("DVC_EXP_NAME"):
        lines += [
            "",
            f"`dvc exp apply {experiment}` brings its files into the working folder, "
            "once the experiment has ended. One that broke off is not there to bring.",
        ]
    return "\n".join(lines)


def show_pictures(run_id: str, names: Iterable[str]) -> str:
    """The pictures of a run's description, as MLflow's server serves them from its folder ``pictures``."""
    logged = set(names)
    return "".join(
        f"\n\n{title}\n\n![{title}](get-artifact?path=pictures/{name}&run_uuid={run_id})"
        for name, title in DESCRIBED_BY.items()
        if name in logged
    )


def describe_kind(params: Params) -> dict[str, str]:
    """Tags of the own run that the tables' runs have too, so that one filter finds both."""
    method = "ABP" if params.alpha == 0 else "Ours"
    return {"study": OWN_RUN, "method": method, "profile": params.profile, "dataset": params.dataset}


def describe_source(stage: str) -> dict[str, str]:
    """Tags that MLflow's table shows as Source, User and Version."""
    command = stage.replace("-", " ", 2)  # not more: ``cells leaderboard SRI-L5``
    tags = {
        "mlflow.source.name": f"python -m stages.{command}",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _find_user(),
        "mlflow.source.git.commit": read_git("rev-parse", "HEAD"),
    }
    return {key: value for key, value in tags.items() if value}


def read_git(*arguments: str) -> str:
    """What a git command prints; empty where it fails or there is no git."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _read_committed() -> dict[str, Any]:
    try:
        content = yaml.safe_load(read_git("show", "HEAD:params.yaml"))
    except yaml.YAMLError:
        return {}
    return content if isinstance(content, dict) else {}


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
