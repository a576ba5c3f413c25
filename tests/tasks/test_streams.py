"""Random streams: a published function of the seed, pinned so that it can never change unseen."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from asrnn.errors import ConfigError
from asrnn.tasks.streams import Stream, permutation, random_bits, standard_normal

WORD = 2**64


def philox4x64(counter: list[int], key: list[int]) -> list[int]:
    """Ten rounds, written down from the paper of Salmon et al. (2011)."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c0, WORD)
        high1, low1 = divmod(0xCA5A826395121157 * c2, WORD)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) % WORD, (k1 + 0xBB67AE8584CAA73B) % WORD
    return [c0, c1, c2, c3]


def test_the_reference_agrees_with_the_authors_test_vector() -> None:
    known = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox4x64([0, 0, 0, 0], [0, 0]) == known


@pytest.mark.parametrize(("seed", "index"), [(0, 0), (7, 3), (2**64 - 1, 10**6)])
def test_bits_are_philox_of_key_seed_stream_and_counter_block_index(seed: int, index: int) -> None:
    expected = []
    for block in (1, 2):
        expected += philox4x64([block, index, 0, 0], [seed, Stream.EPOCH_ORDER])
    assert random_bits(seed, Stream.EPOCH_ORDER, index, 8).tolist() == expected


def test_a_permutation_sorts_its_bits() -> None:
    order = permutation(5, Stream.EPOCH_ORDER, 2, 1000)
    bits = random_bits(5, Stream.EPOCH_ORDER, 2, 1000).tolist()
    assert order.tolist() == sorted(range(1000), key=bits.__getitem__)
    assert order.dtype == np.int32


def test_a_permutation_is_pinned() -> None:
    order = permutation(0, Stream.PIXEL_PERMUTATION, 0, 784)
    assert order[:8].tolist() == [338, 261, 724, 333, 497, 17, 614, 639]
    digest = hashlib.sha256(order.astype("<i4").tobytes()).hexdigest()
    assert digest == "a5cd8f0af80f5b6ba6991033ee7441f00eaba6a376d3d9e3e129c7f20b36cfe7"


def test_seed_stream_and_index_each_give_another_permutation() -> None:
    drawn = [
        permutation(0, Stream.EPOCH_ORDER, 0, 100),
        permutation(1, Stream.EPOCH_ORDER, 0, 100),
        permutation(0, Stream.VALIDATION_SPLIT, 0, 100),
        permutation(0, Stream.EPOCH_ORDER, 1, 100),
    ]
    assert len({order.tobytes() for order in drawn}) == 4


def test_every_place_is_equally_likely_to_come_first() -> None:
    first = [permutation(seed, Stream.EPOCH_ORDER, 0, 5)[0] for seed in range(2000)]
    counts = np.bincount(first, minlength=5)
    chi_squared = ((counts - 400) ** 2 / 400).sum()
    assert chi_squared < 18.5  # 99.9 % of true uniform draws, 4 degrees of freedom


def test_normal_numbers_have_the_moments_of_the_normal_distribution() -> None:
    drawn = standard_normal(0, Stream.FIXED_NOISE, (968, 96)).astype(np.float64)
    assert drawn.shape == (968, 96)
    assert abs(drawn.mean()) < 4 / drawn.size**0.5
    assert abs(drawn.var() - 1) < 4 * (2 / drawn.size) ** 0.5
    assert abs((drawn**4).mean() - 3) < 4 * (96 / drawn.size) ** 0.5
    assert abs((drawn[1:] * drawn[:-1]).mean()) < 4 / drawn.size**0.5


def test_normal_numbers_are_pinned() -> None:
    drawn = standard_normal(0, Stream.FIXED_NOISE, (968, 96))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(
        drawn[0, :4], [0.5129920, 0.5518203, 1.1239331, 0.1731296], rtol=1e-6
    )


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_outside_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match=f"found {seed}"):
        permutation(seed, Stream.EPOCH_ORDER, 0, 3)
