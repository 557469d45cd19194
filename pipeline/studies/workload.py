"""How much arithmetic a cell takes, and so about how long and how much memory: counted from its plan.

A Langevin step costs a forward and a gradient in z, a learning step half as much again, and so does each
gradient of a rival. Transport, metrics and data are left out.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import torch

from models.catalogue import METHODS
from models.networks.architectures import find_architecture
from models.networks.generator import build_generator
from models.networks.lowering import count_flops
from models.short_run.algorithm import TrainingPlan
from models.short_run.method import count_sample_gradients
from pipeline.data.anomaly_split import TRAIN_SHARE
from pipeline.settings.params import Params
from pipeline.settings.plan import build_plan
from pipeline.studies.grid import Cell
from pipeline.studies.request import TRAINING_OF
from pipeline.studies.tuning import VALIDATION_SHARE

N_IMAGES = {  # training and test images of the data sets whose profile takes all
    "mnist": (60_000, 10_000),
    "fashion_mnist": (60_000, 10_000),
    "svhn": (73_257, 26_032),
    "celeba": (162_770, 19_962),
}
INFERS_BY_STEPS = ("SRI", "SRI-learned", "SRI-L5", "LEBM", "GLO", "PGD", "DAMC")
CLOSED_FORM = ("PPCA", "FA")
LEARNING = 1.5  # in units of a Langevin step
ENGINE_RATE, RIVAL_RATE = 60e9, 20e9  # floating-point operations a second of a core: short runs, autograd
OVERHEAD = 0.5  # seconds of a cell without a training
PROCESS_BYTES = 1_000_000_000  # of one with all libraries and a small cell
BYTES_A_PIXEL = 12  # an image as read, in floats, and a result of it in floats
TRANSPORT_BYTES = 30_000  # a sample, by the sparse solver
# Measured in float64: x, centred, the factors and the workspace of a decomposition; of EM what is seen, what
# is filled in, and second moments of each image's z.
DECOMPOSED, FILLED, MOMENTS = 4.5, 3, 4
PARTS_OF_ALL = ("complete", "anomaly", "occluded")  # the trainings of the task ``all``


def count_images(params: Params) -> tuple[int, int]:
    """How many training and test images a cell's profile takes."""
    given = params.profile_settings.prepare
    every = N_IMAGES.get(params.dataset, (0, 0))
    return given.n_train or every[0], given.n_test or every[1]


def count_cell(cell: Cell) -> float:
    """Count the floating-point operations of a cell's training and of its test chains."""
    if cell.task == "all":
        return sum(count_cell(replace(cell, task=task)) for task in PARTS_OF_ALL)
    params = cell.params
    profile = params.profile_settings
    n_train, n_test = count_images(params)
    if cell.task == "anomaly":
        n_test = round((1 - TRAIN_SHARE) * (n_train + n_test))
        n_train = int(TRAIN_SHARE * sum(count_images(params)))
    elif cell.task == "validation":
        n_test = int(VALIDATION_SHARE * n_train)
        n_train -= n_test
    plan = build_plan(params, TRAINING_OF.get(cell.task, "complete"))
    tests = {
        "complete": n_train * profile.train.K + n_test * profile.evaluate.reconstruct_steps,
        "anomaly": n_test * profile.evaluate.anomaly_steps * params.anomaly.chains,
        "occluded": n_train * profile.evaluate.recover_steps,
        "latent": n_train * profile.train.K,
        "validation": n_test * profile.evaluate.reconstruct_steps,
    }[cell.task]
    if not METHODS[cell.method].uses_engine:
        units = LEARNING * count_sample_gradients(plan, n_train) + tests * (cell.method in INFERS_BY_STEPS)
    else:
        units = n_train * plan.rounds * _count_round(plan) + tests
    return units * _count_step(params.architecture, params.resolved_latent_dim)


def count_round(cell: Cell) -> float:
    """Count a round of Algorithm 1 for one image in units of a Langevin step, learning counted in them."""
    return _count_round(build_plan(cell.params, TRAINING_OF.get(cell.task, "complete")))


def count_learning(cell: Cell) -> int:
    """Count a round's learning steps on one image: L2 in each pass, and one in each regression pass."""
    plan = build_plan(cell.params, TRAINING_OF.get(cell.task, "complete"))
    return plan.passes * plan.adam_steps + plan.regression_passes


def _count_round(plan: TrainingPlan) -> float:
    inferred = plan.passes * plan.chain.steps
    return inferred + LEARNING * (count_sample_gradients(replace(plan, rounds=1), 1) - inferred)


def count_evaluations(cell: Cell) -> int:
    """Count how often a method of latent vectors evaluates its network to infer one image's.

    That is each step of a chain or a descent, with its gradient: on a test image, or of the task ``occluded``
    on a training image, whose chain goes on. An encoder is one, a closed form none.
    """
    evaluate = cell.params.profile_settings.evaluate
    if METHODS[cell.method].uses_engine or cell.method in INFERS_BY_STEPS:
        return evaluate.recover_steps if cell.task == "occluded" else evaluate.reconstruct_steps
    return 0 if cell.method in CLOSED_FORM else 1


@functools.cache
def _count_step(architecture: str, latent_dim: int) -> int:
    """Floating-point operations of a Langevin step of one sample."""
    return count_flops(build_generator(architecture, latent_dim, torch.Generator()).layers)


def estimate_seconds(cell: Cell) -> float:
    """Estimate the seconds of a cell on one core, to hand out long cells first and to say what is left.

    Off by a factor of three either way between machines and methods, for a rate is all that is assumed.
    """
    lowered = METHODS[cell.method].uses_engine and cell.params.resolve_langevin().batch_norm == "frozen"
    rate = ENGINE_RATE if lowered else RIVAL_RATE  # batch statistics: float32, uncompiled
    training = 0.0 if cell.method in CLOSED_FORM else count_cell(cell) / rate
    return training + OVERHEAD


def estimate_memory(cell: Cell) -> int:
    """Estimate the bytes that a process takes for a cell, rather too high: images, what becomes of them."""
    pixels = math.prod(find_architecture(cell.params.architecture).image_shape)
    n_train, n_test = count_images(cell.params)
    images = (n_train + n_test) * (pixels * BYTES_A_PIXEL + TRANSPORT_BYTES)
    return PROCESS_BYTES + images + n_train * _count_linear_bytes(cell, pixels)


def _count_linear_bytes(cell: Cell, pixels: int) -> int:
    """Bytes for each training image of what a linear model decomposes, all images at once."""
    if cell.method not in CLOSED_FORM:
        return 0
    values = DECOMPOSED * pixels
    if cell.method == "FA" or cell.task in ("occluded", "all"):  # by EM
        values += FILLED * pixels + MOMENTS * (cell.params.resolved_latent_dim + 1) ** 2
    return int(values * torch.float64.itemsize)
