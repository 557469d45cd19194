"""The device that these tests run on: CUDA where there is one, as `make test-gpu` asks, else the CPU."""

import dataclasses

import pytest
import torch

from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings
from models.short_run.algorithm import TrainingPlan
from models.short_run.method import TrainingRequest, count_sample_gradients
from models.short_run.scores import Scoring

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
N, DIM = 40, 5
# Where the CPU stands in, a sixteenth of Table 1's channels.
ARCHITECTURE = "mnist" if DEVICE == "cuda" else "mnist/16"


@pytest.fixture
def device():
    return DEVICE


@pytest.fixture(scope="session")
def smooth_images():
    """Forty uint8 images (40, 1, 28, 28) of blurred noise: easy to learn, all different."""
    rng = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(N, 1, 4, 4, generator=rng), size=(28, 28))
    return (smooth * 255).to(torch.uint8)


@pytest.fixture
def make_request(smooth_images):
    """A function that makes a request for any method on a device; changes of the plan go by name."""

    def make(device=DEVICE, precision=torch.float32, visible=None, **changes):
        plan = TrainingPlan(
            rounds=2,
            passes=2,
            adam_steps=1,
            regression_passes=1,
            batch_size=20,
            minibatch=10,
            learning_rate=1e-3,
            alpha=0.5,
            sigma=0.3,
            seed=3,
            chain=ChainSettings(0.3, 3),
        )
        plan = dataclasses.replace(plan, **changes)
        return TrainingRequest(
            architecture=ARCHITECTURE,
            latent_dim=DIM,
            images=smooth_images.to(device),
            visible=None if visible is None else visible.to(device),
            sigma=plan.sigma,
            seed=plan.seed,
            budget=count_sample_gradients(plan, N),
            minibatch=plan.minibatch,
            learning_rate=plan.learning_rate,
            precision=precision,
            plan=plan,
            settings=EngineSettings(device, precision, "never"),
            scoring=Scoring(plan.chain, "joint"),
        )

    return make
