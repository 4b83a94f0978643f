"""Random numbers against published answers and their distribution."""

import numpy as np
import pytest
from scipy import stats

from roman_dms.simulation.signatures.randomness import (
    add_normals,
    fill_words,
    key,
    philox,
    words_for,
)


@pytest.mark.parametrize(
    ("counter", "secret", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(counter, secret, answer):
    """The known-answer test of Random123 for philox4x32-10."""
    words = philox(*(np.uint32(part) for part in (*counter, *secret)))
    assert tuple(int(word) for word in words) == answer


def test_words_do_not_depend_on_what_was_drawn_before():
    k0, k1 = key(3, "test")
    alone, after = words_for(100), words_for(100)
    fill_words(alone, 7, 5, 0, k0, k1)
    for row in range(8):
        fill_words(after, row, 5, 0, k0, k1)
    assert np.array_equal(alone, after)
    assert len(set(alone.tolist())) == 100


def test_normals_are_normal():
    k0, k1 = key(1, "test")
    image = np.zeros((256, 4096), np.float32)
    add_normals(image, np.full_like(image, 2), 0, 1, k0, k1, words_for(4096))
    drawn = image.ravel() / 2
    count = drawn.size
    assert abs(drawn.mean()) < 4 / np.sqrt(count)
    assert drawn.std() == pytest.approx(1, abs=4 / np.sqrt(2 * count))
    assert stats.kurtosis(drawn) == pytest.approx(0, abs=4 * np.sqrt(24 / count))
    assert stats.kstest(drawn[::8], "norm").pvalue > 1e-3
    edges = np.linspace(-4, 4, 161)  # the layers of the ziggurat leave no steps
    expected = count * np.diff(stats.norm.cdf(edges))
    found = np.histogram(drawn, edges)[0]
    assert stats.chi2.sf(np.sum((found - expected) ** 2 / expected), 159) > 1e-3
    tail = np.count_nonzero(np.abs(drawn) > 3.8)
    assert tail == pytest.approx(2 * stats.norm.sf(3.8) * count, rel=0.3)


def test_pixels_reads_and_keys_are_independent():
    streams = []
    for seed, read in ((1, 1), (1, 2), (2, 1)):
        image = np.zeros((64, 4096), np.float32)
        add_normals(image, np.ones_like(image), 0, read, *key(seed, "test"), words_for(4096))
        streams.append(image.ravel())
    first = streams[0]
    others = [*streams[1:], np.roll(first, 1), np.roll(first, 4096), np.roll(first, 1024)]
    for other in others:
        assert abs(np.mean(first * other)) < 4 / np.sqrt(first.size)
