import numpy as np
import pytest
import torch
from scipy import stats

from models.langevin.noise import Stream, draw_normal, philox


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # the known-answer tests of Random123 (Salmon et al. 2011), philox4x32 with 10 rounds
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter, key, expected):
    words = philox(tuple(torch.tensor(value) for value in counter), key)
    assert tuple(int(word) for word in words) == expected


def test_noise_of_a_sample_depends_on_its_index_alone():
    everyone = draw_normal(5, Stream.TRAIN_CHAIN, torch.arange(100), 3, 4, 30)
    some = draw_normal(5, Stream.TRAIN_CHAIN, torch.tensor([77, 3]), 3, 4, 30)
    torch.testing.assert_close(some, everyone[:, [77, 3]], atol=1e-6, rtol=0)
    shorter = draw_normal(5, Stream.TRAIN_CHAIN, torch.arange(100), 3, 2, 30)
    torch.testing.assert_close(shorter, everyone[:2], atol=1e-6, rtol=0)


def test_every_part_of_the_address_changes_the_noise():
    def draw(seed=5, stream=Stream.TRAIN_CHAIN, index=0, draw=0):
        return draw_normal(seed, stream, torch.tensor([index]), draw, 2, 8)

    draws = [draw(), draw(seed=6), draw(stream=Stream.TEST_CHAIN), draw(index=1), draw(draw=1)]
    for one in range(len(draws)):
        for other in range(one):
            assert not torch.isclose(draws[one], draws[other]).any()
        assert not torch.isclose(draws[one][0], draws[one][1]).any()  # two steps


def test_noise_is_standard_normal():
    noise = draw_normal(1, Stream.TARGETS, torch.arange(20_000), 0, 1, 10)[0].double().numpy()
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    correlation = np.corrcoef(noise.T) - np.eye(10)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(noise))
