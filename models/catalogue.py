"""The methods that stand in the tables; a further one is a module of models/rivals/ and an entry in METHODS.

Nothing that measures a cell imports this file: an entry that is added leaves what the others measured valid.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it imports torch, which the check of names has no need of
    from models.interface import FitRequest, FittedMethod


RIVAL = (
    "alpha",
    "s",
    "langevin",
    "transport",
    "anomaly.score",
)  # parameters that reach short-run inference alone


@dataclass(frozen=True)
class Method:
    """How a row of the tables is trained.

    ``module`` and ``function``: a function from FitRequest to FittedMethod; ``source``: who proposed it;
    ``settings``: its hyper-parameters and where they are from, apart from what all methods share (generator,
    sigma, minibatch, budget, and the profile's learning rate where none is named); ``ignores``: the
    parameters, by prefix, that do not reach it; ``uses_engine``: it infers by short runs of our engine, with
    persistent chains; ``named_by_alpha``: its rows say which alpha they have.
    """

    module: str
    source: str
    settings: str
    function: str = "fit"
    ignores: tuple[str, ...] = RIVAL
    uses_engine: bool = False
    named_by_alpha: bool = False

    def load(self) -> Callable[[FitRequest], FittedMethod]:
        """Import the function that trains it."""
        return getattr(importlib.import_module(self.module), self.function)

    def find_file(self, root: Path) -> Path:
        """The file that it is written in, below ``root``."""
        return root.joinpath(*self.module.split(".")).with_suffix(".py")


METHODS: dict[str, Method] = {
    "VAE": Method(
        "models.rivals.vae", "Kingma and Welling 2014", "encoder mirrors the generator; no weight on the KL"
    ),
    "VAE-sigma": Method(
        "models.rivals.calibrated_vae",
        "Rybkin, Daniilidis and Levine 2021",
        "the VAE with its own sigma, the root mean square residual of each minibatch (optimal sigma-VAE)",
    ),
    "2sVAE": Method(
        "models.rivals.two_stage_vae",
        "Dai and Wipf 2019",
        "learned gamma; second stage of three layers of 1,024, twice the steps (authors' code)",
    ),
    "RAE": Method(
        "models.rivals.rae",
        "Ghosh et al. 2020, RAE-L2",
        "beta 1e-4, penalty 1e-7 on transposed convolutions, ten Gaussians (authors' code, MNIST)",
        "fit_l2",
    ),
    "RAE-GP": Method(
        "models.rivals.rae",
        "Ghosh et al. 2020",
        "beta 1e-4, gradient penalty .5e-7, ten Gaussians (authors' configurations/config.py, MNIST)",
        "fit_gp",
    ),
    "Ladder-VAE": Method(
        "models.rivals.ladder_vae",
        "Soenderby et al. 2016",
        "two layers; beta rises to 1 over the first tenth (authors' experiments); width 512 between is ours",
    ),
    "RealNVP": Method(
        "models.rivals.flows",
        "Dinh et al. 2017",
        "logit with alpha .05; 3 checkerboards, 3 couplings of channels, 4 checkerboards (section 3.6); "
        "actnorm for batch norm and one residual block of 16 or 32 channels are ours",
        "fit_realnvp",
    ),
    "GLOW": Method(
        "models.rivals.flows",
        "Kingma and Dhariwal 2018",
        "actnorm, 1x1 convolutions, learned split priors (section 3, authors' code); "
        "two levels of eight steps of width 64, and scales above .5, are ours",
        "fit_glow",
    ),
    "ABP": Method(
        "models.short_run.method",
        "Han et al. 2017",
        "s, K and L2 are ours: the comparison is with and without the correction",
        "fit_abp",
        uses_engine=True,
        ignores=("alpha",),
    ),
    "SRI": Method(
        "models.rivals.sri",
        "Nijkamp et al. 2020",
        "25 steps, s .05 at sigma .15 on [-1, 1] (authors' script)",
        "fit_one",
    ),
    "SRI-learned": Method(
        "models.rivals.sri",
        "Nijkamp et al. 2020, s learned",
        "as SRI; s adjusted three to ten times by the variational bound, less often where the budget pays "
        "less (step_size_adjustments)",
        "fit_learned",
    ),
    "SRI-L5": Method(
        "models.rivals.sri",
        "Nijkamp et al. 2020, five layers",
        "as SRI; Gaussian layers of 16 numbers (authors' code) at the generator's ReLUs, of which MNIST's "
        "has three: four layers",
        "fit_five",
    ),
    "LEBM": Method(
        "models.rivals.lebm",
        "Pang et al. 2020",
        "60 prior steps of .4, 20 posterior steps of .1; prior's rate a fifth of the generator's (section 4)",
    ),
    "MEG": Method(
        "models.rivals.meg",
        "Kumar et al. 2019, cited a second time as EnGAN",
        "Adam 1e-4, betas .5 and .9, five energy steps, information times .5 (authors' code); penalty 100 on "
        "a pixel in [-1, 1] (their anomaly_mnist)",
    ),
    "BiGAN-sigma": Method(
        "models.rivals.bigan",
        "Donahue et al. 2017, Zenati et al. 2018",
        "Adam 1e-4 (ALI's; Zenati et al.'s code 1e-5, Donahue et al. 2e-4), betas .5 and .999; score .9 and "
        ".1 (Zenati et al., section 3)",
        "fit_bigan",
    ),
    "EBM-VAE": Method(
        "models.rivals.ebm_vae",
        "after Han et al. 2020: VAE with .1 of the divergence triangle",
        "the VAE's bound kept, f's terms times .1, |f|^2 1e-3: ours, and not the paper's objective; energy's "
        "rate a tenth of the generator's, betas .5 and .999",
    ),
    "WGAN-GP": Method(
        "models.rivals.gan",
        "Gulrajani et al. 2017",
        "Adam 1e-4, betas 0 and .9, five critic steps, penalty 10 (Algorithm 1)",
        "fit_wgan_gp",
    ),
    "DCGAN": Method(
        "models.rivals.gan", "Radford et al. 2016", "Adam 2e-4, betas .5 and .999 (section 4)", "fit_dcgan"
    ),
    "ALI": Method(
        "models.rivals.bigan", "Dumoulin et al. 2017", "Adam 1e-4, betas .5 and .999 (appendix A)", "fit_ali"
    ),
    "WAE-MMD": Method(
        "models.rivals.wae",
        "Tolstikhin et al. 2018",
        "lambda 10, error times .05, seven scales, betas .5 and .999 (authors' code, MNIST)",
        "fit_mmd",
    ),
    "WAE-GAN": Method(
        "models.rivals.wae",
        "Tolstikhin et al. 2018",
        "lambda 10, error times .05, discriminator of four layers of 512 at its own rate, 5e-4, which is not "
        "tuned (authors' code)",
        "fit_gan",
    ),
    "iWGAN": Method(
        "models.rivals.iwgan",
        "Chen, Gao and Wang 2021",
        "five critic steps, penalty 10; Adam 1e-4, betas .5 and .9, and MMD's weight 10 are ours",
    ),
    "GLO": Method(
        "models.rivals.glo",
        "Bojanowski et al. 2018",
        "latents' rate 10 by plain steps in the unit ball (section 3); Adam for the weights is ours",
    ),
    "PPCA": Method(
        "models.rivals.factor_analysis",
        "Tipping and Bishop 1999",
        "closed form; EM where pixels are hidden",
        "fit_principal_components",
    ),
    "FA": Method(
        "models.rivals.factor_analysis",
        "Rubin and Thayer 1982",
        "EM from the principal components",
        "fit_factors",
    ),
    "PGD": Method(
        "models.rivals.pgd",
        "Kuntz, Lim and Johansen 2023",
        "ten particles an image (section 3), frozen statistics in their moves (authors' code); Adam, and "
        "h = .5 sigma^2, the main method's s .3, are ours",
    ),
    "DAMC": Method(
        "models.rivals.damc",
        "Yu et al. 2023",
        "LEBM's; 30 steps from an averaged diffusion model of 100, six updates, beta .5, gradients up to 100 "
        "(authors' code); a denoiser of three layers is ours",
    ),
    "Ours": Method(
        "models.short_run.method",
        "An, Xie and Li 2021",
        "s .3 (section 7.1); alpha, K, L and L2 are params.yaml's; each correction is a complete bijection",
        "fit_short_run",
        uses_engine=True,
        named_by_alpha=True,
        ignores=(),
    ),
    "Ours-sliced": Method(
        "models.short_run.method",
        "An, Xie and Li 2021, sliced transport",
        "as Ours; the correction by sliced quantile matching",
        "fit_sliced",
        uses_engine=True,
        ignores=(),
    ),
    "Ours-dual": Method(
        "models.short_run.method",
        "An, Xie and Li 2021, Algorithm 2",
        "as Ours; the dual by Adam as the authors' scripts have it, epsilon .05",
        "fit_dual",
        uses_engine=True,
        ignores=(),
    ),
    "Ours-mixture": Method(
        "models.short_run.method",
        "An, Xie and Li 2021, sampled as RAE",
        "as Ours; samples from ten Gaussians fitted to the latent vectors instead of the prior",
        "fit_mixture",
        uses_engine=True,
        ignores=(),
    ),
}
