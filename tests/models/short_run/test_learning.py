import pytest
import torch

from models.langevin.energy import compute_learning_loss
from models.networks.generator import build_generator
from models.short_run.learning import build_optimiser, learning_step


def test_the_loss_gradient_is_equation_17():
    rng = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 6, generator=rng, requires_grad=True)  # g(z) = z W
    z, images = torch.randn(5, 3, generator=rng), torch.rand(5, 6, generator=rng)
    visible = (torch.rand(5, 6, generator=rng) > 0.3).float()
    compute_learning_loss(z @ weight, images, visible, sigma=0.3).backward()
    expected = -(z.T @ (visible * (images - z @ weight))) / 0.3**2 / 5
    torch.testing.assert_close(weight.grad, expected)


def test_hidden_pixels_teach_nothing():
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(8, 30, generator=rng)
    images = torch.rand(8, 1, 28, 28, generator=rng)
    visible = (torch.rand(8, 1, 28, 28, generator=rng) > 0.5).to(torch.uint8)
    learned = []
    for fill in (0.0, 1.0):
        generator = build_generator("mnist/16", None, torch.Generator().manual_seed(1))
        shown = torch.where(visible.bool(), images, fill)
        learning_step(generator, build_optimiser(generator, 1e-3), z, shown, visible, 0.3)
        learned.append(generator.state_dict())
    assert all(torch.equal(learned[0][name], learned[1][name]) for name in learned[0])


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_steps_bring_the_loss_down(precision):
    rng = torch.Generator().manual_seed(0)
    generator = build_generator("mnist/16", None, rng)
    optimiser = build_optimiser(generator, 1e-3)
    z, images = torch.randn(50, 30, generator=rng), torch.rand(50, 1, 28, 28, generator=rng)
    losses = [float(learning_step(generator, optimiser, z, images, None, 0.3, precision)) for _ in range(15)]
    assert losses[-1] < 0.8 * losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in generator.parameters())


def test_adam_has_the_papers_betas():
    generator = build_generator("mnist/16", None, torch.Generator().manual_seed(0))
    assert build_optimiser(generator, 1e-3).param_groups[0]["betas"] == (0.5, 0.99)
