import pytest
import torch

from models.langevin.dynamics import ChainSettings
from models.langevin.energy import compute_energy
from models.langevin.engine import EngineSettings, InferenceEngine, NoiseAddress, choose_engine
from models.langevin.noise import Stream, draw_normal
from models.networks.generator import build_generator

CHAIN = ChainSettings(0.3, 3)
ADDRESS = NoiseAddress(1, Stream.TEST_CHAIN, 0)
N = 24


@pytest.fixture(scope="module")
def setting():
    """A generator with settled statistics, images and start latents."""
    rng = torch.Generator().manual_seed(0)
    generator = build_generator("mnist/16", 10, rng)
    generator.train()
    with torch.no_grad():
        generator(torch.randn(64, 10, generator=rng))
    images = torch.randint(0, 256, (N, 1, 28, 28), generator=rng, dtype=torch.uint8)
    z = draw_normal(1, Stream.TARGETS, torch.arange(N), 0, 1, 10)[0]
    return generator, images, z


def infer(setting, rows=slice(None), visible=None, batch_norm="frozen", **settings):
    generator, images, z = setting
    engine = InferenceEngine(generator, 0.3, EngineSettings(**settings), batch_norm=batch_norm)
    return engine.infer(z[rows], images[rows], visible, torch.arange(N)[rows], CHAIN, ADDRESS)


@pytest.mark.parametrize("chunk", [1, 7, 24, 1000])
def test_another_chunk_changes_rounding_and_nothing_else(setting, chunk):
    torch.testing.assert_close(infer(setting, chunk=chunk), infer(setting), atol=1e-4, rtol=0)


def test_a_chain_depends_on_its_sample_alone(setting):
    alone = infer(setting, rows=slice(5, 6))
    torch.testing.assert_close(alone, infer(setting)[5:6], atol=1e-4, rtol=0)


def test_the_same_run_is_bit_identical(setting):
    assert torch.equal(infer(setting), infer(setting))


def test_bfloat16_follows_the_float32_chain(setting):
    exact = infer(setting)
    moved = (exact - setting[2]).square().mean().sqrt()
    error = (infer(setting, precision=torch.bfloat16) - exact).square().mean().sqrt()
    assert 0 < error < 0.1 * moved


def test_the_compiled_step_is_the_same_step(setting):
    torch.testing.assert_close(infer(setting, compile="always"), infer(setting), atol=1e-3, rtol=0)


def test_inference_leaves_the_generator_alone(setting):
    generator = setting[0]
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    infer(setting)
    infer(setting, batch_norm="batch")
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_batch_statistics_tie_the_samples_of_a_batch_together(setting):
    alone = infer(setting, rows=slice(0, 4), batch_norm="batch")
    together = infer(setting, batch_norm="batch")[:4]
    assert (alone - together).abs().max() > 1e-3


def test_visible_pixels_alone_decide(setting):
    generator, images, z = setting
    visible = torch.ones(N, 1, 28, 28, dtype=torch.uint8)
    visible[..., 10:20] = 0
    changed = images.clone()
    changed[..., 10:20] = 255 - changed[..., 10:20]
    first = infer((generator, images, z), visible=visible)
    assert torch.equal(first, infer((generator, changed, z), visible=visible))
    assert not torch.equal(first, infer((generator, images, z)))


def test_energy_and_images_agree_with_the_generator(setting):
    generator, images, z = setting
    engine = InferenceEngine(generator, 0.3, EngineSettings(chunk=5))
    generator.eval()
    with torch.no_grad():
        generated = generator(z)
    torch.testing.assert_close(engine.generate(z), generated, atol=2e-6, rtol=0)
    expected = compute_energy(generated, images.float() / 255, z, 0.3)
    torch.testing.assert_close(engine.evaluate_energy(z, images), expected)


def test_a_missing_device_is_named():
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ValueError, match=r"engine.device: found cuda.*use cpu or auto"):
        choose_engine("cuda", "auto", "auto", "auto")
