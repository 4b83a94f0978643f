"""Random numbers that depend on where they are used, not on what was drawn before.

Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
SC11) turns a counter and a key into four random words.  The counter is (block of
columns, row, read, attempt) and the key is that of the effect, so that a pixel of
a read has the same numbers whatever tiles and threads make the exposure.  Normal
deviates follow the ziggurat of Marsaglia & Tsang (2000, J. Stat. Soft. 5, 8), with
the layer and the magnitude from different bits of a word (Doornik 2005).
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numba import int32, njit, uint32, uint64
from numpy.typing import NDArray

Key = tuple[np.uint32, np.uint32]
"""Key of Philox."""

WORD = 2.0**-32
"""Step of a uniform deviate made from one word."""

_M0, _M1 = uint64(0xD2511F53), uint64(0xCD9E8D57)
_W0, _W1 = uint32(0x9E3779B9), uint32(0xBB67AE85)
_ROUNDS = 10

_LAYERS = 256
_TAIL, _AREA = 3.6541528853610088, 0.00492867323399
"""Where the tail begins, and the area of each layer (Marsaglia & Tsang 2000)."""
_MAGNITUDES = 2**23


def seeds(seed: int, *words: str) -> np.random.SeedSequence:
    """The seed for the purpose that ``words`` name."""
    return np.random.SeedSequence([seed, *(zlib.crc32(word.encode()) for word in words)])


def key(seed: int, *words: str) -> Key:
    """A key for the purpose that ``words`` name."""
    first, second = seeds(seed, *words).generate_state(2)
    return first, second


@njit(nogil=True, cache=True)
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Four random words of a counter and a key, all uint32."""
    for _ in range(_ROUNDS):
        first, second = _M0 * uint64(c0), _M1 * uint64(c2)
        c0, c1, c2, c3 = (
            uint32(second >> uint64(32)) ^ c1 ^ k0,
            uint32(second),
            uint32(first >> uint64(32)) ^ c3 ^ k1,
            uint32(first),
        )
        k0, k1 = uint32(k0 + _W0), uint32(k1 + _W1)
    return c0, c1, c2, c3


@njit(nogil=True, cache=True)
def fill_words(words: Any, row: int, read: int, attempt: int, k0: Any, k1: Any) -> None:
    """Fill an array with one random word a column; its size is a multiple of 4."""
    blocks = words.size // 4
    c1, c2, c3 = uint32(row), uint32(read), uint32(attempt)
    for block in range(blocks):
        w0, w1, w2, w3 = philox(uint32(block), c1, c2, c3, k0, k1)
        words[block] = w0
        words[blocks + block] = w1
        words[2 * blocks + block] = w2
        words[3 * blocks + block] = w3


@njit(nogil=True, cache=True)
def more_words(column: int, row: int, read: int, attempt: int, k0: Any, k1: Any) -> Any:
    """Four more words for one pixel; ``attempt`` counts from 1."""
    return philox(uint32(column), uint32(row), uint32(read), uint32(attempt), k0, k1)


def words_for(columns: int) -> NDArray[np.uint32]:
    """Memory for the words of a row."""
    return np.empty(4 * -(-columns // 4), np.uint32)


def _ziggurat() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges of the layers, from the widest to 0, and the density there."""
    edges = np.zeros(_LAYERS + 1)
    edges[0], edges[1] = _AREA / np.exp(-0.5 * _TAIL**2), _TAIL
    for layer in range(1, _LAYERS - 1):
        height = _AREA / edges[layer] + np.exp(-0.5 * edges[layer] ** 2)
        edges[layer + 1] = np.sqrt(-2 * np.log(height))
    return edges, np.exp(-0.5 * edges**2)


_EDGES, _DENSITY = _ziggurat()
_WIDTH = (_EDGES[:-1] / _MAGNITUDES).astype(np.float32)
_INSIDE = (_EDGES[1:] / _EDGES[:-1] * _MAGNITUDES).astype(np.float32)


@njit(nogil=True, cache=True)
def _rare_normal(word: Any, column: int, row: int, read: int, k0: Any, k1: Any) -> float:
    """The normal deviate of a word outside the rectangles of the ziggurat."""
    attempt = 0
    while True:
        attempt += 1
        w0, w1, w2, _ = more_words(column, row, read, attempt, k0, k1)
        layer = word & uint32(_LAYERS - 1)
        size = ((word >> uint32(9)) + 0.5) * (_EDGES[layer] / _MAGNITUDES)
        sign = 1.0 if word & uint32(_LAYERS) else -1.0
        first, second = (w0 + 0.5) * WORD, (w1 + 0.5) * WORD
        if size < _EDGES[layer + 1]:
            return sign * size
        if layer == 0:
            beyond = -np.log(first) / _TAIL
            if -2 * np.log(second) > beyond * beyond:
                return sign * (_TAIL + beyond)
        else:
            low, high = _DENSITY[layer], _DENSITY[layer + 1]
            if low + first * (high - low) < np.exp(-0.5 * size * size):
                return sign * size
        if layer != 0:
            word = w2


@njit(nogil=True, cache=True)
def add_normals(
    image: Any, sigma: Any, first_row: int, read: int, k0: Any, k1: Any, words: Any
) -> None:
    """Add normal noise to rows of an image.

    Parameters
    ----------
    image, sigma
        ``(rows, columns)`` float32.
    first_row, read
        Row of the detector at which the image begins, and number of the read.
    k0, k1
        Key.
    words
        Memory from :func:`words_for`.
    """
    deviates = np.empty(image.shape[1], np.float32)
    for r in range(image.shape[0]):
        row = first_row + r
        fill_words(words, row, read, 0, k0, k1)
        for c in range(deviates.size):
            layer = words[c] & uint32(_LAYERS - 1)
            sign = np.float32(1) if words[c] & uint32(_LAYERS) else np.float32(-1)
            magnitude = np.float32(int32(words[c] >> uint32(9)))
            deviate = (magnitude + np.float32(0.5)) * (_WIDTH[layer] * sign)
            deviates[c] = deviate if magnitude < _INSIDE[layer] else np.float32(np.nan)
        for c in range(deviates.size):
            if np.isnan(deviates[c]):
                deviates[c] = np.float32(_rare_normal(words[c], c, row, read, k0, k1))
        for c in range(deviates.size):
            image[r, c] += deviates[c] * sigma[r, c]
