"""The methods that stand in the tables; a further one is a module of models/ and an entry in METHODS.

Nothing that measures a cell imports this file: an entry that is added leaves what the others measured valid.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.interface import FitRequest, FittedMethod

RIVAL = (
    "alpha",
    "s",
    "langevin",
    "transport",
    "anomaly.score",
    "anomaly.inference",
)  # parameters that reach short-run inference alone

Fit = Callable[[FitRequest], FittedMethod]


@dataclass(frozen=True)
class Method:
    """How a row of the tables is trained.

    ``module`` and ``function``: a function from FitRequest to FittedMethod; ``source``: who proposed it;
    ``ignores``: the parameters, by prefix, that do not reach it.
    """

    module: str
    source: str
    function: str = "fit"
    ignores: tuple[str, ...] = RIVAL

    def load(self) -> Fit:
        """Import the function that trains it."""
        return getattr(importlib.import_module(self.module), self.function)

    def find_file(self, root: Path) -> Path:
        """The file that it is written in, below ``root``."""
        return root.joinpath(*self.module.split(".")).with_suffix(".py")


METHODS: dict[str, Method] = {
    "VAE": Method("models.vae", "Kingma and Welling 2014"),
    "2sVAE": Method("models.two_stage_vae", "Dai and Wipf 2019"),
    "RAE": Method("models.rae", "Ghosh et al. 2020, RAE-L2", "fit_l2"),
    "RAE-GP": Method("models.rae", "Ghosh et al. 2020", "fit_gp"),
    "Ladder-VAE": Method("models.ladder_vae", "Soenderby et al. 2016"),
    "RealNVP": Method("models.flows", "Dinh et al. 2017", "fit_realnvp"),
    "GLOW": Method("models.flows", "Kingma and Dhariwal 2018", "fit_glow"),
    "ABP": Method("pipeline.short_run", "Han et al. 2017", "fit_abp", ignores=("alpha",)),
    "SRI": Method("models.sri", "Nijkamp et al. 2020", "fit_one"),
    "SRI-L5": Method("models.sri", "Nijkamp et al. 2020, five layers", "fit_five"),
    "LEBM": Method("models.lebm", "Pang et al. 2020"),
    "MEG": Method("models.meg", "Kumar et al. 2019, cited a second time as EnGAN"),
    "BiGAN-sigma": Method("models.bigan", "Donahue et al. 2017, Zenati et al. 2018", "fit_bigan"),
    "EBM-VAE": Method("models.ebm_vae", "Han et al. 2020"),
    "WGAN-GP": Method("models.gan", "Gulrajani et al. 2017", "fit_wgan_gp"),
    "DCGAN": Method("models.gan", "Radford et al. 2016", "fit_dcgan"),
    "ALI": Method("models.bigan", "Dumoulin et al. 2017", "fit_ali"),
    "WAE-MMD": Method("models.wae", "Tolstikhin et al. 2018", "fit_mmd"),
    "WAE-GAN": Method("models.wae", "Tolstikhin et al. 2018", "fit_gan"),
    "iWGAN": Method("models.iwgan", "Chen, Gao and Wang 2021"),
    "GLO": Method("models.glo", "Bojanowski et al. 2018"),
    "PPCA": Method("models.factor_analysis", "Tipping and Bishop 1999", "fit_principal_components"),
    "FA": Method("models.factor_analysis", "Rubin and Thayer 1982", "fit_factors"),
    "PGD": Method("models.pgd", "Kuntz, Lim and Johansen 2023"),
    "DAMC": Method("models.damc", "Yu et al. 2023"),
    "Ours": Method("pipeline.short_run", "An, Xie and Li 2021", "fit_short_run", ignores=()),
    "Ours-sliced": Method(
        "pipeline.short_run", "An, Xie and Li 2021, sliced transport", "fit_sliced", ignores=()
    ),
    "Ours-dual": Method(
        "pipeline.short_run", "An, Xie and Li 2021, Algorithm 2 as printed", "fit_dual", ignores=()
    ),
}
