"""Speed, memory and cost of the transport solvers against well-known rivals, measured in the same run.

    python -m benchmarks.assignment --json --sizes 1000,5000

Each solver runs in a process of its own, so that its peak memory is its own. The source is an anisotropic
two-cluster population, the target a Gaussian sample (conventions, section 3). ``optimum_gap`` is relative to
the best lower bound proven in the run: the exact solver's cost, or the sparse solver's duals.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.timing import report
from models.transport.solve import SOLVERS, solve_transport

OURS = ("sparse", "exact", "bsp", "dual")
FULL_MATRIX_LIMIT = 10_000  # rivals that hold n x n float64 costs take 8 n^2 bytes
SLOW_LIMIT = 5_000  # scipy, POT emd and the dual take minutes above


def make_populations(n: int, d: int) -> tuple[Tensor, Tensor]:
    """Source and target, (n, d) float32 each."""
    rng = torch.Generator().manual_seed(0)
    cluster = torch.where(torch.rand(n, 1, generator=rng) > 0.5, 1.0, -1.0) * torch.eye(d)[0]
    source = torch.randn(n, d, generator=rng) * torch.linspace(0.5, 1.5, d) + cluster
    return source, torch.randn(n, d, generator=rng)


def solve_lap(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    import lap
    from scipy.spatial.distance import cdist

    return lap.lapjv(cdist(source, target, "sqeuclidean"))[1]


def solve_scipy(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    return linear_sum_assignment(cdist(source, target, "sqeuclidean"))[1]


def solve_emd(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    import ot
    from scipy.spatial.distance import cdist

    plan = ot.emd([], [], cdist(source, target, "sqeuclidean"), numItermax=10_000_000)
    return plan.argmax(1)


def solve_lapjvs(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    import lap
    from scipy.spatial.distance import cdist

    return lap.lapjvs(cdist(source, target, "sqeuclidean"), prefer_float32=False)[2]


def solve_hiref(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Hierarchical refinement (Halmos and others, ICML 2025) by its authors' code, as its README calls it."""
    from HR_OT import HierarchicalRefinementOT
    from rank_annealing import optimal_rank_schedule

    n = len(source)
    ranks = optimal_rank_schedule(n=n, hierarchy_depth=6, max_Q=64, max_rank=16)
    torch.manual_seed(0)  # in a process of its own: it has no generator to be given
    points, goals = torch.from_numpy(source), torch.from_numpy(target)
    refinement = HierarchicalRefinementOT.init_from_point_clouds(
        points, goals, ranks, base_rank=1, sq_Euclidean=True
    )
    plan = np.empty(n, dtype=np.int64)
    for rows, columns in refinement.run(return_as_coupling=False):
        plan[rows.numpy()] = columns.numpy()
    return plan


def solve_pot_bsp(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    from ot.bsp import compute_bspot_bijection

    return np.asarray(compute_bspot_bijection(source, target, n_plans=64)[1])


RIVALS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], int]] = {
    "lap.lapjv": (solve_lap, FULL_MATRIX_LIMIT),
    "lap.lapjvs": (solve_lapjvs, FULL_MATRIX_LIMIT),
    "scipy": (solve_scipy, SLOW_LIMIT),
    "POT emd": (solve_emd, SLOW_LIMIT),
    "POT bsp": (solve_pot_bsp, 10**9),
    "HiRef": (solve_hiref, SLOW_LIMIT),
}
NO_HIREF = (
    "HiRef is left out: its code has no licence and is no dependency. To measure it, clone "
    "https://github.com/raphael-group/HiRef and put its src on PYTHONPATH"
)


def run_one(name: str, n: int, d: int) -> dict[str, float | None]:
    """Solve once in this process: seconds, peak memory above what was held before, cost, matched, bound."""
    source, target = make_populations(n, d)
    bound = None
    if name in RIVALS:
        points, goals = source.double().numpy(), target.double().numpy()
        RIVALS[name][0](points[:50], goals[:50])  # imports and first-call work are not the solver's
        before, start = _peak_mb(), time.perf_counter()
        plan = RIVALS[name][0](points, goals)
        seconds = time.perf_counter() - start
        cost = float(np.square(points - goals[plan]).sum(1).mean())
        matched = len(np.unique(plan)) / n
    else:
        rng = torch.Generator().manual_seed(0)
        solve_transport(source[:50], target[:50], name, generator=rng)
        before, start = _peak_mb(), time.perf_counter()
        found = solve_transport(source, target, name, generator=rng)
        seconds = time.perf_counter() - start
        cost, matched = found.cost, found.matched_share
        bound = None if found.gap is None else found.cost * (1 - found.gap)
    return {
        "seconds": seconds,
        "peak_mb": _peak_mb() - before,
        "cost": cost,
        "matched": matched,
        "bound": bound,
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def benchmark(n: int, d: int) -> dict[str, dict[str, float | None]]:
    """Every solver that n allows, each in a fresh process."""
    names = [name for name in OURS if name in SOLVERS and n <= _limit(name)]
    names += [name for name, (_, limit) in RIVALS.items() if n <= limit and (name != "HiRef" or has_hiref())]
    results = {}
    for name in names:
        command = [
            sys.executable,
            "-m",
            "benchmarks.assignment",
            "--one",
            name,
            "--sizes",
            str(n),
            "--dims",
            str(d),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        results[name] = json.loads(done.stdout.splitlines()[-1])
    bound = max(found["bound"] for found in results.values() if found["bound"] is not None)
    for found in results.values():
        whole = found["matched"] == 1
        found["optimum_gap"] = (found["cost"] - bound) / bound if whole else None
        del found["bound"]
    return results


def has_hiref() -> bool:
    """Whether HiRef's own modules can be imported here."""
    return all(importlib.util.find_spec(name) for name in ("HR_OT", "rank_annealing"))


def _limit(name: str) -> float:
    return {"exact": FULL_MATRIX_LIMIT, "dual": SLOW_LIMIT}.get(name, math.inf)


def measure_growth(results: dict[int, dict[str, dict[str, float | None]]], name: str) -> float | None:
    """Exponent of n in the solver's seconds from 5,000 (or the least size) to the largest size."""
    sizes = sorted(
        size for size, found in results.items() if name in found and size >= min(5000, max(results))
    )
    if len(sizes) < 2:
        return None
    first, last = (results[size][name]["seconds"] for size in (sizes[0], sizes[-1]))
    assert first is not None and last is not None  # whatever ran took time
    return math.log(last / first) / math.log(sizes[-1] / sizes[0])


def save_plot(everything: dict[str, dict], path: Path) -> None:
    """Draw seconds and memory against n, a row of two pictures for each d, a line a solver."""
    figure = Figure(figsize=(10, 3.6 * len(everything)), layout="constrained")
    rows = figure.subplots(len(everything), 2, squeeze=False)
    for row, (about, part) in zip(rows, everything.items(), strict=True):
        results = part["n"]
        for axes, key in zip(row, ("seconds", "peak_mb"), strict=True):
            for name in dict.fromkeys(name for found in results.values() for name in found):
                sizes = sorted(size for size in results if name in results[size])
                style = "o-" if name in OURS else "s--"
                axes.loglog(sizes, [max(results[size][name][key], 1e-2) for size in sizes], style, label=name)
            axes.set(title=f"{key}, {about}", xlabel="n")
            axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def main() -> None:
    """Print one JSON object, or a line for each solver and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", default="1000,5000")
    parser.add_argument("--dims", default="30")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--output", type=Path, help="write the JSON object to this file as well")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    dims = [int(d) for d in arguments.dims.split(",")]
    if arguments.one:
        print(json.dumps(run_one(arguments.one, sizes[0], dims[0])))
        return
    if not has_hiref():
        print(NO_HIREF, file=sys.stderr)
    everything = {}
    for d in dims:
        results = {n: benchmark(n, d) for n in sizes}
        everything[f"d={d}"] = {"n": results, "growth_exponent_sparse": measure_growth(results, "sparse")}
        if not arguments.json:
            for n, found in results.items():
                for name, one in found.items():
                    gap = "-" if one["optimum_gap"] is None else f"{one['optimum_gap']:.2%}"
                    print(
                        f"d={d} n={n} {name}: {one['seconds']:.2f} s, {one['peak_mb']:.0f} MB, "
                        f"cost {one['cost']:.4f}, gap {gap}, matched {one['matched']:.1%}"
                    )
    if arguments.plot:
        save_plot(everything, arguments.plot)
    report(arguments, everything)


if __name__ == "__main__":
    main()
