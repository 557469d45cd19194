"""Tables 2 to 8 from measured cells, the paper's numbers beside ours where they are of the same quantity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.grid import describe
from reports.published import COLUMN_OF, name_method
from reports.tables import ResultRow

STAND_IN_FOR = {"colour_digits": "SVHN", "photo_patches": "CelebA"}
SWEEPS = {
    "table6": ("table6_langevin_steps_mnist", "K"),
    "table7": ("table7_learning_iterations_mnist", "L2"),
}
Published = dict[str, Any]


@dataclass(frozen=True)
class Quantity:
    """A number that a table prints: its key among a cell's numbers, its words, its unit's comparability."""

    key: str
    title: str
    extractor: bool = False  # measured in an extractor's features, so never comparable with Inception's


@dataclass(frozen=True)
class TableLayout:
    """What a table of the paper is about."""

    title: str
    note: str
    quantities: tuple[Quantity, ...]


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
            Quantity("tenth_std", "AUPRC, tenth, std over test chains"),
            Quantity("tenth_base_rate", "base rate, tenth"),
            Quantity("tenth_minimum", "smallest possible AUPRC, tenth"),
            Quantity("pooled_mean", "AUPRC, pooled, mean"),
            Quantity("pooled_std", "AUPRC, pooled, std over test chains"),
            Quantity("pooled_base_rate", "base rate, pooled"),
            Quantity("pooled_minimum", "smallest possible AUPRC, pooled"),
        ),
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
            FRECHET,
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
}


def build_rows(table: str, cells: list[dict[str, Any]], published: Published) -> list[ResultRow]:
    """A row for each cell and quantity; a failed cell is one row that says why."""
    rows = []
    for cell in cells:
        dataset = cell["dataset"]
        shown = (
            f"{dataset} (stand-in for {STAND_IN_FOR[dataset].upper()})"
            if dataset in STAND_IN_FOR
            else dataset
        )
        axes = {key: value for key, value in cell["axes"].items() if key not in ("dataset", "alpha")}
        method = name_row(cell)
        place = ", ".join(f"{key} = {describe(value)}" for key, value in axes.items())
        prefix = f"{place}: " if place else ""
        if cell["error"]:
            rows.append(ResultRow(shown, method, f"{prefix}{cell['error']}", None, seed=cell["seed"]))
            continue
        for quantity in LAYOUTS[table].quantities:
            if quantity.key not in cell["numbers"]:
                continue
            printed = find_published(table, cell, quantity, published)
            extractor = f"{dataset} classifier" if quantity.extractor else None
            value = float(cell["numbers"][quantity.key])
            n = int(cell["numbers"]["n"])
            rows.append(
                ResultRow(shown, method, prefix + quantity.title, value, printed, n, cell["seed"], extractor)
            )
    return rows


def name_row(cell: dict[str, Any]) -> str:
    """The method as Table 3 names it: `VAE`, `ABP`, `Ours (alpha=0.3)`."""
    return name_method(cell["alpha"]) if cell["method"] == "Ours" else cell["method"]


def find_published(
    table: str, cell: dict[str, Any], quantity: Quantity, published: Published
) -> float | None:
    """The paper's number for the same quantity on the same data; None where it prints none, or another's."""
    column, axes = COLUMN_OF.get(cell["dataset"]), cell["axes"]
    if quantity.extractor or column is None:
        return None
    if table == "table2" and quantity is MSE:
        found = published["table2_reconstruction_generation"]
        return found[column]["mse"][found["columns"].index(cell["method"])]
    if table == "table3" and column == "mnist" and quantity.key in ("tenth_mean", "tenth_std"):
        found = published["table3_anomaly_auprc"]
        row = found.get(name_row(cell), {}).get(quantity.key.removeprefix("tenth_"))
        return row[found["digits"].index(axes["held_out"])] if row else None
    if table == "table5" and quantity.key in ("mse_before", "mse_after"):
        found = published["table5_step_size_mnist"]
        printed_s = [round(10 * s, 6) for s in found["s"]]
        return found[quantity.key][printed_s.index(axes["s"])] if axes["s"] in printed_s else None
    for name, key, axis in (
        ("table6", "table6_langevin_steps_mnist", "K"),
        ("table7", "table7_learning_iterations_mnist", "L2"),
    ):
        if table == name and quantity is MSE and axes[axis] in published[key][axis]:
            return published[key]["mse"][published[key][axis].index(axes[axis])]
    return None
