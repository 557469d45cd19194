"""What each table of the paper, and each of ours beside them, prints."""

from __future__ import annotations

from dataclasses import dataclass


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
        """Split the quantities among the study's files, by the file's name."""
        return {
            f"{study}_{prefix}".rstrip("_"): tuple(
                one for one in self.quantities if one.key.startswith(prefix)
            )
            for prefix in self.files
        }


MSE = Quantity("mse_train", "MSE of training images, [0, 1]")
TRAIN_POINT = Quantity("mse_train_point", "MSE of training images, point, [0, 1]")
TEST_MSES = (
    Quantity("mse_test_point", "MSE of test images, point, [0, 1]"),
    Quantity("mse_test_draw", "MSE of test images, draw, [0, 1]"),
)
WAYS = (
    "A draw is one sample of a method's posterior of z, a point a chain's mode or an encoder's mean: errors "
    "compare within one way."
)
AS_SOURCE = (
    "The error without a word is as the method's source infers: of Ours and ABP a draw, of the VAE and PPCA "
    "a point."
)
ERRORS = (MSE, Quantity("mse_after", "MSE of training images as training left z, [0, 1]"), *TEST_MSES)
GONE_ON = (
    "The first error is of chains that go K steps further than training, the second of z as training left it."
)
FRECHET = Quantity("frechet_distance", "Frechet distance", extractor=True)
AREAS = (
    Quantity("tenth_mean", "AUPRC, tenth, mean"),
    Quantity("tenth_std", "AUPRC, tenth, std over test chains", in_page=False),
    Quantity("tenth_base_rate", "base rate, tenth", in_page=False),
    Quantity("tenth_minimum", "smallest possible AUPRC, tenth", in_page=False),
    Quantity("pooled_mean", "AUPRC, pooled, mean"),
    Quantity("pooled_std", "AUPRC, pooled, std over test chains", in_page=False),
    Quantity("pooled_base_rate", "base rate, pooled", in_page=False),
    Quantity("pooled_minimum", "smallest possible AUPRC, pooled", in_page=False),
)
OF_PRIOR = (
    "Frechet distances are of samples whose z are of N(0, I), as in the paper; what becomes of the order of "
    "methods with a density fitted to z after training is in `docs/results/fitted_prior.md`."
)
LAYOUTS = {
    "table2": TableLayout(
        "Table 2: reconstruction and generation",
        "Published numbers stand beside MNIST's MSE alone: a stand-in is another data set, and the Frechet "
        f"distance is another extractor's. {WAYS} {AS_SOURCE}",
        (
            MSE,
            TRAIN_POINT,
            *TEST_MSES,
            FRECHET,
        ),
    ),
    "table3": TableLayout(
        "Table 3: anomaly detection, AUPRC",
        "Two protocols that never share a row: `tenth` has the data set's natural share of the held-out "
        "digit, as the paper's own numbers must have; `pooled` has all of its images. The paper's were made "
        "by a script whose chain is not Eq. (8)'s (the study `authors`); its ABP is near the base rate, as "
        "chance is.",
        AREAS,
        files=("tenth", "pooled"),
    ),
    "table4": TableLayout(
        "Table 4: dimension of the latent space",
        f"The paper's is of SVHN, this of stand-ins, so no published number is comparable. {WAYS}",
        (MSE, *TEST_MSES, FRECHET),
    ),
    "table5": TableLayout(
        "Table 5: step size, before and after the correction of the last round",
        "s in the units of Eq. (8); the paper's row .003 to .06 is a tenth of it (conventions, section 1). "
        "At s = .03 a chain hardly moves (a step is a time of s^2/2 = .0005), so that the error before the "
        "correction, of persistent chains, says what they remember; that of test images, of new chains, "
        f"says how they infer. {WAYS}",
        (
            Quantity("mse_before", "MSE before the correction"),
            Quantity("mse_after", "MSE at the end of the round"),
            Quantity("frechet_before", "Frechet distance before the correction", extractor=True),
            Quantity("frechet_distance", "Frechet distance at the end of the round", extractor=True),
            *TEST_MSES,
        ),
    ),
    "table6": TableLayout("Table 6: Langevin steps K", f"{GONE_ON} {WAYS}", (*ERRORS, FRECHET)),
    "table7": TableLayout("Table 7: learning steps L2", f"{GONE_ON} {WAYS}", (*ERRORS, FRECHET)),
    "table8": TableLayout(
        "Table 8: recovery of occluded images",
        "Errors on hidden pixels. The paper's are CelebA's; the masks are the same, scaled to the images. "
        f"{WAYS} {AS_SOURCE}",
        (
            Quantity("absolute_error", "mean absolute error, [0, 1]"),
            Quantity("absolute_error_point", "mean absolute error, point, [0, 1]"),
            Quantity("absolute_error_draw", "mean absolute error, draw, [0, 1]"),
            Quantity("squared_error_point", "mean squared error, point, [0, 1]"),
            Quantity("squared_error_draw", "mean squared error, draw, [0, 1]", in_page=False),
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
        "The transport's solver: how much each matches is in the last table.",
        (
            MSE,
            FRECHET,
            Quantity("ot_cost", "transport cost of the last round's correction"),
            Quantity("matched_share", "matched share of the last round's correction"),
        ),
    ),
    "table3_all": TableLayout(
        "Table 3 on 4,000 digits: anomaly detection, AUPRC",
        "All of mnist5k but the 1,000 digits that tuned the learning rates, at the profile recorded: twice "
        "as many anomalies as Table 3 has there, and twice as many updates in as many rounds.",
        AREAS,
        files=("tenth", "pooled"),
    ),
    "authors": TableLayout(
        "Table 3 by the settings of the authors' script",
        "The chain of the authors' MNIST script (drift of the energy's mean over a batch, noise s, batch "
        "statistics) beside that of Eq. (8), with the script's ten latent numbers, alpha, K, L, L2, learning "
        "rate, Adam steps a round, regression passes and 500 test steps. Its temperature is the size of the "
        "batch, so that the data hardly moves z: the chain is close to a random walk, whose variance grows "
        "by s^2 a step. The batch is all 720 images, where the script's is 2,000 and its chain freer still; "
        "all 280 test images are one batch, for `tenth` too. The round is the first of its thirty. Its chain "
        "scores by draws, as the script does, Eq. (8)'s by modes, as Table 3. The area is average precision, "
        "the script's the trapezoidal one.",
        (
            Quantity("tenth_mean", "AUPRC, tenth, mean"),
            Quantity("tenth_std", "AUPRC, tenth, std over test chains", in_page=False),
            Quantity("tenth_base_rate", "base rate, tenth"),
            Quantity("pooled_mean", "AUPRC, pooled, mean"),
            Quantity("pooled_base_rate", "base rate, pooled"),
        ),
        files=("tenth", "pooled"),
    ),
    "convergence": TableLayout(
        "Length of training: does the correction's gain stay, with more images too?",
        "Rounds of Algorithm 1; the rivals have as many sample-gradients. A column a number of images and "
        f"rounds, each trained from the start. {WAYS}",
        (FRECHET, *TEST_MSES),
    ),
    "alphas": TableLayout(
        "The share alpha of the correction, judged on validation images",
        "alpha = 0 is ABP. Trained on two thirds of the images and judged by the last third, by which no "
        "learning rate was tuned; no test image takes part.",
        (FRECHET, Quantity("mse", "MSE of validation images, point, [0, 1]")),
    ),
    "fashion": TableLayout(
        "All 60,000 images of Fashion-MNIST",
        "Table 2's row; the paper has none for this data set. A round is one pass, of the paper's 500. "
        f"{WAYS} {AS_SOURCE}",
        (MSE, TRAIN_POINT, *TEST_MSES, FRECHET),
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
        "alpha = 0 is ABP. Values at the end of training, the error of chains that have gone on from there "
        "as in Table 2; the figure's is of a round's own pairs, on which the generator has just learned. "
        f"{WAYS}",
        (MSE, *TEST_MSES, FRECHET, Quantity("ot_cost", "transport cost of the last round's correction")),
    ),
}


def name_study(study: str) -> str:
    """A study's name in a list, its title up to the colon: ``Table 2``."""
    return LAYOUTS[study].title.partition(":")[0]
