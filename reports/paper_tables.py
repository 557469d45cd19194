"""The paper's tables from measured cells, its numbers beside ours where they are of the same quantity."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from pipeline.grid import describe
from reports.published import COLUMN_OF, find_table8, name_method
from reports.study_cells import Cell
from reports.tables import ResultRow

STAND_IN_FOR = {"colour_digits": "SVHN", "photo_patches": "CelebA"}
PRINTED_AS = {"SRI-L5": "SRI (L=5)"}
SWEEPS = {
    "table4": ("table4_latent_dim_svhn", "latent_dim", "svhn"),
    "table6": ("table6_langevin_steps_mnist", "K", "mnist"),
    "table7": ("table7_learning_iterations_mnist", "L2", "mnist"),
}
Published = dict[str, Any]


@dataclass(frozen=True)
class Quantity:
    """A number that a table prints: its key among a cell's numbers, its words, its unit's comparability."""

    key: str
    title: str
    extractor: bool = False  # measured in an extractor's features, so comparable within one extractor alone
    in_page: bool = True  # shown on the page; the CSV has all of them


@dataclass(frozen=True)
class TableLayout:
    """What a table of the paper is about."""

    title: str
    note: str
    quantities: tuple[Quantity, ...]
    files: tuple[str, ...] = ("",)  # a file for each prefix of its quantities' keys

    def split(self, study: str) -> dict[str, tuple[Quantity, ...]]:
        """The quantities of each of the study's files, by the file's name."""
        return {
            f"{study}_{prefix}".rstrip("_"): tuple(
                one for one in self.quantities if one.key.startswith(prefix)
            )
            for prefix in self.files
        }


MSE = Quantity("mse_train", "MSE of training images, [0, 1]")
FRECHET = Quantity("frechet_distance", "Frechet distance", extractor=True)
LAYOUTS = {
    "table2": TableLayout(
        "Table 2: reconstruction and generation",
        "Published numbers stand beside MNIST's MSE alone: a stand-in is another data set, and the Frechet "
        "distance is another extractor's.",
        (MSE, Quantity("mse_test", "MSE of test images, [0, 1]"), FRECHET),
    ),
    "table3": TableLayout(
        "Table 3: anomaly detection, AUPRC",
        "Two protocols that never share a row: `tenth` has the data set's natural share of the held-out "
        "digit, as the paper's own numbers must have; `pooled` has all of its images.",
        (
            Quantity("tenth_mean", "AUPRC, tenth, mean"),
            Quantity("tenth_std", "AUPRC, tenth, std over test chains", in_page=False),
            Quantity("tenth_base_rate", "base rate, tenth", in_page=False),
            Quantity("tenth_minimum", "smallest possible AUPRC, tenth", in_page=False),
            Quantity("pooled_mean", "AUPRC, pooled, mean"),
            Quantity("pooled_std", "AUPRC, pooled, std over test chains", in_page=False),
            Quantity("pooled_base_rate", "base rate, pooled", in_page=False),
            Quantity("pooled_minimum", "smallest possible AUPRC, pooled", in_page=False),
        ),
        files=("tenth", "pooled"),
    ),
    "table4": TableLayout(
        "Table 4: dimension of the latent space",
        "On the stand-in for SVHN, so no published number is comparable.",
        (MSE, FRECHET),
    ),
    "table5": TableLayout(
        "Table 5: step size, before and after the correction of the last round",
        "s in the units of Eq. (8); the paper's row .003 to .06 is a tenth of it (conventions, section 1).",
        (
            Quantity("mse_before", "MSE before the correction"),
            Quantity("mse_after", "MSE at the end of the round"),
            Quantity("frechet_before", "Frechet distance before the correction", extractor=True),
            Quantity("frechet_distance", "Frechet distance at the end of the round", extractor=True),
        ),
    ),
    "table6": TableLayout("Table 6: Langevin steps K", "", (MSE, FRECHET)),
    "table7": TableLayout("Table 7: learning steps L2", "", (MSE, FRECHET)),
    "table8": TableLayout(
        "Table 8: recovery of occluded images",
        "Errors on hidden pixels. The paper's are CelebA's; the masks are the same, scaled to the images.",
        (
            Quantity("absolute_error", "mean absolute error, [0, 1]"),
            Quantity("squared_error", "mean squared error, [0, 1]"),
        ),
    ),
    "figure3": TableLayout(
        "Figures 2 and 3 in numbers: distance of the aggregated posterior to the prior",
        "Mean squared distance of an optimal assignment between one draw of z for each training image and as "
        "large a sample of the prior; the floor is that of a second sample of the prior.",
        (Quantity("to_prior", "transport cost to the prior"), Quantity("floor", "floor")),
    ),
    "solvers": TableLayout(
        "Does a better map give a better model?",
        "The transport's solver, from about 72 % matched to proven optimal.",
        (
            MSE,
            FRECHET,
            Quantity("ot_cost", "transport cost of the last round's correction"),
            Quantity("matched_share", "matched share of the last round's correction"),
        ),
    ),
    "fashion": TableLayout(
        "All 60,000 images of Fashion-MNIST",
        "Table 2's row; the paper has none for this data set. A few passes, not its 500.",
        (MSE, Quantity("mse_test", "MSE of test images, [0, 1]"), FRECHET),
    ),
    "figure5": TableLayout(
        "Figure 5 in numbers: SRI and LEBM",
        "On the two stand-ins, trained with Table 2's number of sample-gradients.",
        (MSE, FRECHET),
    ),
    "latents": TableLayout(
        "Figure 3, every method: distance of the aggregated posterior to the prior",
        "Mean squared distance of an optimal assignment between one draw of z for each training image and as "
        "large a sample of the prior; the floor is that of a second sample of the prior. Methods without a "
        "vector of two latent numbers for an image are left out. Steps of .3 leave so narrow a posterior: "
        "ours and ABP take .05, SRI, LEBM, DAMC and PGD their sources'.",
        (Quantity("to_prior", "transport cost to the prior"), Quantity("floor", "floor")),
    ),
    "figure8": TableLayout(
        "Figure 8 in numbers: the share alpha of the correction",
        "alpha = 0 is ABP. Values at the end of training; the figure has them by round.",
        (MSE, FRECHET, Quantity("ot_cost", "transport cost of the last round's correction")),
    ),
}


def build_rows(
    study: str, cells: list[Cell], published: Published, quantities: tuple[Quantity, ...] | None = None
) -> list[ResultRow]:
    """A row for each place and quantity, mean and std where there are several seeds; why a cell failed."""
    rows = []
    for group in group_by_seed(cells):
        cell = group[0]
        place = describe_place(cell)
        prefix = f"{place}: " if place else ""
        dataset, method = name_dataset(cell["dataset"]), name_row(cell)
        for failed in (one for one in group if one["error"]):
            rows.append(ResultRow(dataset, method, f"{prefix}{failed['error']}", None, seed=failed["seed"]))
        for quantity in quantities or LAYOUTS[study].quantities:
            if quantity.key in cell["lacks"]:
                reason = f"{prefix}{quantity.title}: {method} {cell['lacks'][quantity.key]}"
                rows.append(ResultRow(dataset, method, reason, None, seed=cell["seed"]))
            values = [one["numbers"][quantity.key] for one in group if quantity.key in one["numbers"]]
            if not values:
                continue
            printed = find_published(study, cell, quantity, published)
            extractor = cell["extractor"] if quantity.extractor else None
            n = next(int(one["numbers"]["n"]) for one in group if one["numbers"])
            seed = cell["seed"] if len(group) == 1 else None
            title, several = prefix + quantity.title, len(values) > 1
            mean_title = f"{title}, mean over {len(values)} seeds" if several else title
            mean = statistics.fmean(values)
            rows.append(ResultRow(dataset, method, mean_title, mean, printed, n, seed, extractor))
            if several:
                spread, std_title = statistics.stdev(values), f"{title}, std over {len(values)} seeds"
                rows.append(ResultRow(dataset, method, std_title, spread, None, n, None, extractor))
    return rows


def group_by_seed(cells: list[Cell]) -> list[list[Cell]]:
    """Bring cells together that differ in their seed alone, in the order in which they come."""
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell["dataset"], name_row(cell), describe_place(cell)), []).append(cell)
    return list(groups.values())


def name_dataset(dataset: str) -> str:
    """A data set's name, with what it stands for where it is not the paper's."""
    return f"{dataset} (stand-in for {STAND_IN_FOR[dataset]})" if dataset in STAND_IN_FOR else dataset


def describe_place(cell: Cell) -> str:
    """The axes that neither the data set nor the method's name tell: `held_out = 4`, `mask = region 15`."""
    if "space" in cell["axes"]:
        space = cell["axes"]["space"]
        return f"{cell['dataset']} {describe(space['classes'])}, d = {space['latent_dim']}"
    axes = {key: value for key, value in cell["axes"].items() if key not in ("dataset", "alpha", "seed")}
    return ", ".join(f"{key} = {describe(value)}" for key, value in axes.items())


def name_row(cell: Cell) -> str:
    """The method as Table 3 names it: `VAE`, `ABP`, `Ours (alpha=0.3)`."""
    return name_method(cell["alpha"]) if cell["method"] == "Ours" else cell["method"]


def find_published(study: str, cell: Cell, quantity: Quantity, published: Published) -> float | None:
    """The paper's number for the same quantity on the same data; None where it prints none, or another's.

    A Frechet distance is the same quantity in Inception's features alone.
    """
    column, axes = COLUMN_OF.get(cell["dataset"]), cell["axes"]
    if column is None or (quantity.extractor and cell["extractor"] != "inception"):
        return None
    name = {MSE: "mse", FRECHET: "fid"}.get(quantity)
    method = PRINTED_AS.get(cell["method"], cell["method"])
    if study == "table2" and name:
        found = published["table2_reconstruction_generation"]
        columns = found["columns"]
        return found[column][name][columns.index(method)] if method in columns else None
    if study == "table3" and column == "mnist" and quantity.key in ("tenth_mean", "tenth_std"):
        found = published["table3_anomaly_auprc"]
        row = found.get(name_row(cell), {}).get(quantity.key.removeprefix("tenth_"))
        return row[found["digits"].index(axes["held_out"])] if row else None
    if study == "table5":
        found = published["table5_step_size_mnist"]
        printed_s = [round(10 * s, 6) for s in found["s"]]
        keys = {"frechet_before": "fid_before", "frechet_distance": "fid_after"}
        key = keys.get(quantity.key, quantity.key)
        return found[key][printed_s.index(axes["s"])] if axes["s"] in printed_s else None
    if study == "table8" and column == "celeba" and quantity.key == "absolute_error":
        return find_table8(published, axes["mask"], cell["method"])
    if study in SWEEPS and name:
        key, axis, data = SWEEPS[study]
        found = published[key]
        if column == data and axes[axis] in found[axis]:
            return found[name][found[axis].index(axes[axis])]
    return None
