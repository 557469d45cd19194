"""The main method where the answer is known: data of a linear Gaussian model (`rivals.factor_analysis`)."""

import pytest
import torch
from torch import nn

from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings, InferenceEngine, NoiseAddress
from models.langevin.noise import Stream
from models.rivals.factor_analysis import LinearGaussian
from models.short_run.algorithm import TrainingPlan, start_training, train

D, P, N, SIGMA = 3, 12, 600, 0.4


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class LinearGenerator(nn.Module):
    """g(z) = W z + b as an image of 3 x 4 pixels."""

    def __init__(self):
        super().__init__()
        self.latent_dim = D
        self.layers = nn.Sequential(nn.Linear(D, P), nn.Unflatten(1, (1, 3, 4)))
        self.layers[0].weight.data = 0.3 * draw(P, D, seed=1)
        self.layers[0].bias.data.zero_()

    def forward(self, z):
        return self.layers(z)

    def as_model(self):
        linear = self.layers[0]
        variances = torch.full((P,), SIGMA**2, dtype=torch.float64)
        return LinearGaussian(linear.weight.detach().double(), linear.bias.detach().double(), variances)


IMAGES = draw(N, D, seed=3) @ (0.7 * draw(P, D, seed=2)).T + 0.5 + SIGMA * draw(N, P, seed=4)


def evaluate(model):
    return model.evaluate_log_likelihood(IMAGES.double()).mean().item()


def find_best():
    """The maximum of the likelihood with sigma known: Tipping and Bishop's loadings with that sigma."""
    x = IMAGES.double()
    _, singular, axes = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    scales = (singular[:D].square() / N - SIGMA**2).clamp(min=0).sqrt()
    variances = torch.full((P,), SIGMA**2, dtype=torch.float64)
    return LinearGaussian(axes[:D].mT * scales, x.mean(0), variances)


def learn(steps, alpha, initialisation):
    plan = TrainingPlan(
        rounds=4,
        passes=30,
        adam_steps=1,
        regression_passes=0,
        batch_size=N,
        minibatch=N,
        learning_rate=0.04,
        alpha=alpha,
        sigma=SIGMA,
        seed=1,
        chain=ChainSettings(step_size=0.1, steps=steps),
        solver="exact",
        initialisation=initialisation,
    )
    generator = LinearGenerator()
    state = start_training(generator, N, plan)
    train(state, IMAGES.view(N, 1, 3, 4), None, plan, EngineSettings(compile="never"))
    return generator


def test_short_runs_reach_the_closed_form_likelihood_as_k_grows():
    best = evaluate(find_best())
    found = [evaluate(learn(steps, 0.3, "noise").as_model()) for steps in (2, 8, 32)]
    assert found == sorted(found) and found[0] < best - 5
    assert best - 0.03 < found[-1] <= best


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_persistent_chains_reach_it_with_few_steps_and_the_correction_does_not_spoil_it(alpha):
    assert evaluate(learn(4, alpha, "persistent").as_model()) == pytest.approx(
        evaluate(find_best()), abs=0.05
    )


def test_the_chains_mean_and_covariance_are_the_posteriors():
    generator = learn(4, 0.3, "persistent")
    engine = InferenceEngine(generator, SIGMA, EngineSettings(compile="never"))
    n, step_size = 1500, 0.07
    image = IMAGES[:1].expand(n, -1).reshape(n, 1, 3, 4)
    address = NoiseAddress(1, Stream.TEST_CHAIN, 0)
    chain = ChainSettings(step_size=step_size, steps=750)
    z = engine.infer(torch.zeros(n, D), image, None, torch.arange(n), chain, address)
    mean, covariance = generator.as_model().infer(IMAGES[:1].double())
    torch.testing.assert_close(z.double().mean(0), mean[0], atol=0.02, rtol=0)
    torch.testing.assert_close(z.double().T.cov(), covariance[0], atol=0.01, rtol=0)
