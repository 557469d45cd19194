"""The code that MLflow runs for a logged model: the five tasks, chosen by the parameter ``task``.

MLflow copies this file into the model and runs it there (models from code), so no object is pickled. Input is
images (N, C, H, W), or a dict of ``images`` and, to inpaint, ``visible``; ``sample`` takes none. Output is an
array of floats: images (N, C, H, W), latents (N, d) or scores (N,).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from pipeline.inference.checks import check_number
from pipeline.inference.image_tasks import ModelInUse
from pipeline.tracking.logged_model_files import GENERATOR, SETTINGS, read_parts

KEYS = ("images", "visible")


class ImageTasksModel(PythonModel):
    """The five tasks behind MLflow's interface; one request is worked on at a time."""

    def load_context(self, context: Any) -> None:
        """Read weights and settings from the model's folder."""
        paths = {name: Path(path) for name, path in context.artifacts.items()}
        self._model = ModelInUse(read_parts(paths[GENERATOR], paths[SETTINGS]))
        self._lock = threading.Lock()  # memory, and threads of torch, for one request

    # MLflow leaves an input alone whose type hint is an array; a dict, and None, come as well.
    def predict(
        self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Do ``params["task"]``; what is wrong raises MlflowException, one line, status 400."""
        given = params or {}
        try:
            images, visible = _split_input(model_input)
            steps = check_number("steps", given.get("steps", 0), 0, 10_000) or None
            with self._lock:
                made = self._model.run(
                    given.get("task", "reconstruct"),
                    images,
                    visible,
                    given.get("n", 16),
                    given.get("seed", 0),
                    steps,
                )
        except ValueError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return made.numpy()


def _split_input(given: Any) -> tuple[Any, Any]:
    """The images and the mask of a request; None for what is absent or empty."""
    if isinstance(given, dict):
        unknown = [str(key) for key in given if key not in KEYS]
        if unknown:
            raise ValueError(f"inputs: {unknown[0]!r} found; should be images and, to inpaint, visible")
        return given.get("images"), given.get("visible")
    if given is None or (isinstance(given, (list, np.ndarray)) and np.size(given) == 0):
        return None, None
    return given, None


set_model(ImageTasksModel())
