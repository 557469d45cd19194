"""What stands around the leaderboard in words: what its columns and marks are, and what its rows are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.studies.measured import MeasuredCell
from reports.beyond.counted import Updates, find_positives
from reports.beyond.standings import CHANGING
from reports.paper.layouts import WAYS
from reports.paper.names import show_method

OWN_GENERATOR = "RealNVP, GLOW, PPCA and FA have their own"
REMARKS = {  # on rows whose name alone would promise more
    "SRI": "the step size of its authors' script; the paper learns s by a bound, which no row here does "
    "(docs/methods.md says why)",
    "EBM-VAE": "stands in the place of EBM-VAE, of which no code was published, and has not its objective "
    "but a VAE's bound with .1 of the divergence triangle; no number of the paper's stands beside it",
}
REASONS = {  # what cells say that a method lacks, where it is the measurement that is missing
    ("Ladder-VAE", "draws no posterior"): "draws a posterior, by which its errors are not measured",
}


def tell_lacks(method: str, reasons: Mapping[str, str]) -> dict[str, str]:
    """Why a cell of ``method`` has no number, by quantity, in words that are true of the method."""
    return {key: REASONS.get((method, reason), reason) for key, reason in reasons.items()}


def explain_columns(tuned: str, lengths: Sequence[int]) -> str:
    """Say what the columns and the marks are; ``tuned``: the study whose page has the learning rates."""
    return (
        "Every method has the same data, minibatch and budget of sample-gradients, and the same generator: "
        f"only {OWN_GENERATOR}. Seconds are of one thread. An empty cell: the method lacks it, as PPCA and "
        "FA do a rate and gradients. Rate: what the method's learning rate was multiplied by, chosen on a "
        f"validation split ({tuned}.md), with an asterisk at the edge of what was tried. {WAYS} Recovery: "
        "the mean absolute error of hidden pixels. Updates: how many steps of the generator's weights the "
        "budget pays for, of a flow's for the flows. A chain's evaluations come with a gradient. "
        f"{explain_marks(lengths)} Sources and settings are in methods.md."
    )


def explain_marks(lengths: Sequence[int]) -> str:
    """Say what the words in the last column mean."""
    change = (
        f"Not converged: the Frechet distance still falls by more than {100 * CHANGING:.0f} % over the last "
        "factor of four in length; worse when longer: it rises by more than that."
        if len(lengths) != 1
        else "Whether a distance still falls is not known: there are trainings of one length."
    )
    return (
        f"{change} Behind PPCA: in so many seeds PPCA has both the lower Frechet distance and the lower "
        "error of test images at a point, or the lower distance where a method infers nothing; a network "
        "that principal components beat has not learned what it is for."
    )


def list_notes(cells: Sequence[MeasuredCell], updates: Mapping[str, Updates]) -> list[str]:
    """List what must be known of rows and columns below the tables."""
    methods = dict.fromkeys(cell.method for cell in cells)
    notes = [f"- {show_method(method)}: {REMARKS[method]}" for method in methods if method in REMARKS]
    return [*notes, *_describe_costs(updates), *_describe_areas(cells)]


def _describe_costs(updates: Mapping[str, Updates]) -> list[str]:
    """What an update costs where that is counted from networks which do not shrink with the generator."""
    costs = [
        f"{show_method(method)} {one.cost:.3g}"
        for method, one in updates.items()
        if one.cost is not None and not float(one.cost).is_integer()
    ]
    if not costs:
        return []
    return [
        f"- Cost of an update for an image, in gradients of this table's generator: {', '.join(costs)}. "
        "Their own layers keep their width where the generator's channels are divided, so that they get "
        "fewer updates here than beside the whole generator"
    ]


def _describe_areas(cells: Sequence[MeasuredCell]) -> list[str]:
    """How many anomalies the AUPRCs rest on, and what their verdicts leave out."""
    found = [find_positives(cell) for cell in cells if "pooled_base_rate" in cell.numbers]
    counts = {(one.tenth, one.pooled) for one in found if one is not None}
    if len(counts) != 1:
        return []
    ((tenth, pooled),) = counts
    return [
        f"- AUPRC rests on {tenth} images of the held-out class (tenth) and {pooled} (pooled), the same for "
        "all methods of a seed, and in part for all seeds. Better and worse are judged over seeds alone, "
        "without the bootstrap over images that Table 3's claims have: what the images share is in no "
        "interval here"
    ]
