"""How much arithmetic each study takes: ``python -m reports.tools.budget --profile paper --tflops 300``.

Counted from the plans, not measured: a Langevin step costs a forward and a gradient in z, a learning step
half as much again, and so does each gradient of a rival. Transport, metrics and data are left out.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable

import torch

from models.catalogue import METHODS
from models.networks.generator import build_generator
from models.networks.lowering import count_flops
from models.short_run.method import count_sample_gradients
from pipeline.data.anomaly_split import TRAIN_SHARE
from pipeline.settings.plan import build_plan
from pipeline.settings.yaml_files import read_yaml
from pipeline.studies.grid import PAPER_STUDIES, Cell, list_cells, list_methods, read_grid
from pipeline.studies.request import TRAINING_OF

N_IMAGES = {  # training and test images of the data sets whose profile takes all
    "mnist": (60_000, 10_000),
    "fashion_mnist": (60_000, 10_000),
    "svhn": (73_257, 26_032),
    "celeba": (162_770, 19_962),
}
INFERS_BY_STEPS = ("SRI", "SRI-L5", "LEBM", "GLO", "PGD", "DAMC")
LEARNING = 1.5  # in units of a Langevin step


def count_cell(cell: Cell) -> float:
    """Count the floating-point operations of a cell's training and of its test chains."""
    params = cell.params
    profile = params.profile_settings
    all_images = N_IMAGES.get(params.dataset, (0, 0))
    n_train, n_test = (
        given or every
        for given, every in zip((profile.prepare.n_train, profile.prepare.n_test), all_images, strict=True)
    )
    plan = build_plan(params, TRAINING_OF.get(cell.task, "complete"))
    tests = {
        "complete": n_train * profile.train.K + n_test * profile.evaluate.reconstruct_steps,
        "anomaly": (1 - TRAIN_SHARE)
        * (n_train + n_test)
        * profile.evaluate.anomaly_steps
        * params.anomaly.chains,
        "occluded": n_train * profile.evaluate.recover_steps,
        "latent": n_train * profile.train.K,
    }[cell.task]
    if cell.task == "anomaly":
        n_train = int(TRAIN_SHARE * (n_train + n_test))
    if not METHODS[cell.method].uses_engine:
        units = LEARNING * count_sample_gradients(plan, n_train) + tests * (cell.method in INFERS_BY_STEPS)
    else:
        inferred = n_train * plan.rounds * plan.passes * plan.chain.steps
        units = inferred + LEARNING * (count_sample_gradients(plan, n_train) - inferred) + tests
    generator = build_generator(params.architecture, params.resolved_latent_dim, torch.Generator())
    return units * count_flops(generator.layers)


def count_studies(profile: str, is_there: Callable[[str], bool] = lambda name: False) -> dict[str, float]:
    """Count the floating-point operations of each study at ``profile``."""
    params_content = read_yaml("params.yaml") | {"profile": profile}
    grid = read_grid()
    flops_of: dict[str, float] = defaultdict(float)
    for study in PAPER_STUDIES:
        for method in list_methods(study, grid):
            for cell in list_cells(study, method, params_content, grid, is_there):
                flops_of[study] += count_cell(cell)
    return dict(flops_of)


def render_budget(profile: str, tflops: float) -> str:
    """Render a line a study: its arithmetic, and the hours that takes at ``tflops`` TFLOP/s."""
    lines = [f"| study | TFLOP | hours at {tflops:g} TFLOP/s |", "|---|---|---|"]
    flops_of = count_studies(profile)
    for study, flops in [*flops_of.items(), ("all", sum(flops_of.values()))]:
        lines.append(f"| {study} | {flops / 1e12:,.0f} | {flops / tflops / 1e12 / 3600:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="paper", choices=["smoke", "embedded", "paper"])
    parser.add_argument("--tflops", type=float, default=300.0, help="what the machine reaches, all told")
    arguments = parser.parse_args()
    print(render_budget(arguments.profile, arguments.tflops))


if __name__ == "__main__":
    main()
