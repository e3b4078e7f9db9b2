"""The normal numbers that `torch.randn` draws on an NVIDIA GPU, computed with NumPy: A1111's random source "NV".

CUDA's generator is Philox-4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), a keyed
scramble of a counter: thread i of call number k reads the block at counter (k, 0, i, 0) under the seed as key, and
turns its first two words into a normal number (Box and Muller 1958). A GPU departs from this once a tensor has more
numbers than that GPU runs threads at a time; we do not, nor does A1111.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_LOW_WORD, _WORD_BITS = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox_4x32(counter: NDArray[np.uint32], key: tuple[int, int], rounds: int = 10) -> NDArray[np.uint32]:
    """Scramble counters (4, n) of 32-bit words, lowest word first, under two 32-bit key words; returns (4, n)."""
    a, b, c, d = counter.astype(np.uint64)
    key_a, key_b = key
    for _ in range(rounds):
        product_a, product_c = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]  # 64 bits: high and low word at once
        a, b, c, d = (
            (product_c >> _WORD_BITS) ^ b ^ np.uint64(key_a),
            product_c & _LOW_WORD,
            (product_a >> _WORD_BITS) ^ d ^ np.uint64(key_b),
            product_a & _LOW_WORD,
        )
        key_a, key_b = (key_a + _KEY_STEPS[0]) % 2**32, (key_b + _KEY_STEPS[1]) % 2**32
    return np.stack([a, b, c, d]).astype(np.uint32)


class PhiloxGenerator:
    """The normal numbers of `torch.randn(..., device="cuda")` after `torch.manual_seed(seed)`, up to float32 rounding.

    `seed` is in [0, 2**64). Each call to `randn` moves on by one counter step, as CUDA's does, whatever the shape.
    """

    def __init__(self, seed: int) -> None:
        self._key = seed % 2**32, seed >> 32
        self._calls = 0

    def randn(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The next standard normal draw: sqrt(-2 ln u) sin(v), u in (0, 1) and v in (0, 2 pi) from two words."""
        size = math.prod(shape)
        counter = np.zeros((4, size), np.uint32)
        counter[0], counter[2] = self._calls, np.arange(size)
        self._calls += 1
        # The middle of each of 2**32 equal bins, in float64, which A1111's numbers agree with; a GPU's own float32
        # logarithm and sine differ from this by about 1e-6
        u, v = (philox_4x32(counter, self._key)[:2] + 0.5) / 2**32
        v *= 2 * math.pi
        return (np.sqrt(-2 * np.log(u)) * np.sin(v)).astype(np.float32).reshape(shape)
