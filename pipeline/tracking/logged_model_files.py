"""A trained model as a folder of MLflow's, with two flavours, and back.

``pytorch`` is the generator g as torch.export writes it (pt2): a program and tensors, no pickled code.
``python_function`` does the five tasks of pipeline/inference (pyfunc_model.py, logged as a file of code), by
the same weights. The packages that it imports lie beside it, so that the folder works without this project.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from models.langevin.noise import Stream, draw_normal
from pipeline.inference.portable import PortableModel, parse_settings
from pipeline.storage.files import project_root
from pipeline.tracking.store import (
    find_or_create_experiment,
    hide_password,
    open_client,
    quieten_mlflow,
    tracking_uri,
)

GENERATOR, SETTINGS = "generator", "settings"  # artifacts of the folder, by MLflow's name of them
SETTINGS_FILE = "settings.json"
ROOT = Path(__file__).parents[2]
PACKAGES = ("models", "pipeline")
# What those packages import when they load and run; exact, as MLflow itself would pin them.
REQUIREMENTS = ("mlflow", "torch", "numpy", "scipy", "pillow", "pyyaml", "ruamel.yaml", "tqdm", "filelock")
N_EXAMPLES = 2


def write_logged_model(folder: Path, model: PortableModel, mlflow_model: Any = None) -> None:
    """Write ``model`` to a new ``folder`` that MLflow can load, serve and log.

    ``mlflow_model``: what MLflow knows of it already (an mlflow.models.Model), such as its id.
    """
    quieten_mlflow()
    import mlflow.pyfunc
    import mlflow.pytorch
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    float32 = torch.zeros(0).numpy().dtype
    settings, generator = model.settings, model.build_generator()
    examples = torch.arange(N_EXAMPLES)
    z = draw_normal(0, Stream.GENERATION, examples, 0, 1, settings.latent_dim)[0]
    with torch.no_grad():
        images = generator(z)
    pins = [f"{name}=={version(name)}" for name in REQUIREMENTS]
    outer = Model() if mlflow_model is None else mlflow_model
    with tempfile.TemporaryDirectory() as scratch:
        inner, settings_file = Path(scratch, GENERATOR), Path(scratch, SETTINGS_FILE)
        mlflow.pytorch.save_model(
            generator,
            str(inner),
            serialization_format="pt2",
            signature=ModelSignature(
                Schema([TensorSpec(float32, (-1, settings.latent_dim))]),
                Schema([TensorSpec(float32, (-1, *settings.image_shape))]),
            ),
            input_example=z.numpy(),
            pip_requirements=pins,
        )
        settings_file.write_text(json.dumps(dataclasses.asdict(settings), indent=2) + "\n")
        outer.add_flavor(
            mlflow.pytorch.FLAVOR_NAME,
            model_data=f"artifacts/{GENERATOR}/data",
            pytorch_version=str(torch.__version__),
            code=None,
        )
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={GENERATOR: str(inner), SETTINGS: str(settings_file)},
            code_paths=[str(ROOT / package) for package in PACKAGES],
            # No schema of inputs: MLflow would answer a wrong image itself, with a page that holds the image,
            # and would cast bytes to floats. The model says in one line what is wrong.
            signature=ModelSignature(
                params=ParamSchema(
                    [
                        ParamSpec("task", "string", "reconstruct"),
                        ParamSpec("seed", "long", 0),
                        ParamSpec("steps", "long", 0),  # 0: the stored K
                        ParamSpec("n", "long", 16),
                    ]
                )
            ),
            input_example=(images.numpy(), {"task": "reconstruct", "seed": 0}),
            pip_requirements=pins,
            mlflow_model=outer,
        )
    # MLflow writes where these files were on this machine, and reads them by their places in the folder.
    flavour = outer.flavors[mlflow.pyfunc.FLAVOR_NAME]
    flavour["model_code_path"] = Path(flavour["model_code_path"]).name
    for artifact in flavour["artifacts"].values():
        artifact["uri"] = artifact["path"]
    outer.save(str(folder / "MLmodel"))


def read_logged_model(folder: Path) -> PortableModel:
    """Read the folder that ``write_logged_model`` wrote; raises ValueError where it is another's."""
    return read_parts(folder / "artifacts" / GENERATOR, folder / "artifacts" / SETTINGS_FILE)


def read_parts(generator: Path, settings_file: Path) -> PortableModel:
    """Read the weights from the exported generator, pickled code refused, and the settings beside it."""
    if not settings_file.exists():
        raise ValueError(f"{settings_file}: not found; should be a model that `make publish` logged")
    settings = parse_settings(settings_file, settings_file.read_text())
    quieten_mlflow()
    import mlflow.pytorch

    try:
        with _set_variable("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false"):
            exported = mlflow.pytorch.load_model(str(generator))
    except Exception as error:  # torch and MLflow raise a dozen types for damaged files
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{generator}: not a readable model ({reason}); log it again") from error
    return PortableModel(settings, {name: value.detach() for name, value in exported.state_dict().items()})


def is_address(source: str) -> bool:
    """Whether ``source`` is an address such as ``models:/name@champion``, and no path."""
    return re.match(r"[a-z0-9+-]{2,}:/", source) is not None


def fetch_folder(address: str) -> Path:
    """Find, and bring here where it is elsewhere, the folder of a model in MLflow.

    Raises ValueError with one line where there is none at this address.
    """
    uri = tracking_uri()
    database = project_root() / "mlflow.db"
    if uri == f"sqlite:///{database}" and not database.exists():
        raise ValueError(
            f"{address}: no {database.name} in {database.parent}; run this in the project's folder, or set "
            "MLFLOW_TRACKING_URI"
        )
    client = open_client()
    find_or_create_experiment(client)  # of a project that was moved, its files are here
    from mlflow.artifacts import download_artifacts

    try:
        with use_our_store():
            return Path(download_artifacts(artifact_uri=address))
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        where = f"{hide_password(uri)} ({hide_password(reason)})"
        raise ValueError(f"{address}: not found in {where}; {_advise(client, address)}") from error


def _advise(client: Any, address: str) -> str:
    """What to do about an address that leads nowhere: a model may be there without what it is asked by.

    A run whose distance was refused has a model and no champion.
    """
    name = re.match(r"models:/([^/@]+)[/@]", address)
    try:
        found = client.search_model_versions(f"name = '{name[1]}'") if name else []
    except Exception:  # the store fails: what was said before tells it
        found = []
    if not found or name is None:
        return "`make publish` logs the models of a run whose stage `report` has ended"
    numbers = sorted(int(one.version) for one in found)
    versions = ", ".join(f"models:/{name[1]}/{number}" for number in numbers[-3:])
    return f"{name[1]} is there, and has no such version or alias; use {versions}"


@contextmanager
def use_our_store() -> Iterator[None]:
    """Let MLflow's functions that ask for no address work on this project's store."""
    with _set_variable("MLFLOW_TRACKING_URI", tracking_uri()):
        yield


@contextmanager
def _set_variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
