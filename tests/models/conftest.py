import pytest
import torch

from models.interface import FitRequest


@pytest.fixture(scope="session")
def smooth_images():
    """Forty uint8 images (40, 1, 28, 28) of blurred noise: easy to learn, all different."""
    rng = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(40, 1, 4, 4, generator=rng), size=(28, 28))
    return (smooth * 255).to(torch.uint8)


@pytest.fixture(scope="session")
def make_request(smooth_images):
    """A function that makes a request of a few steps; changes go by name."""

    def make(**changes):
        content = {
            "architecture": "mnist/16",  # a sixteenth of Table 1's channels: no promise here is about size
            "latent_dim": 5,
            "images": smooth_images,
            "visible": None,
            "sigma": 0.3,
            "seed": 1,
            "budget": 800,
            "minibatch": 20,
            "learning_rate": 1e-3,
            "precision": torch.float32,
        }
        return FitRequest(**{**content, **changes})

    return make
