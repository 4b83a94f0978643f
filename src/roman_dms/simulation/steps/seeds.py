"""Seeds: each exposure, detector and purpose has its own, whatever is made before it."""

from __future__ import annotations

import zlib

import numpy as np


def exposure_seed(seed: int, visit_id: str, exposure: int, detector: str, word: str) -> int:
    """Seed of one thing that is random in one detector of one exposure.

    It depends on its arguments alone, so that a visit comes out the same whatever
    the order, the number of processes and the detectors that are made.

    Parameters
    ----------
    seed
        Of the whole simulation, from 0.
    visit_id
        Program to visit, 19 digits.
    exposure
        Number of the exposure in its visit.
    detector
        ``WFI01`` to ``WFI18``.
    word
        What the seed is for, for instance ``"cosmic rays"``.

    Returns
    -------
    int
        From 0 to 2^63 - 1.

    Examples
    --------
    >>> exposure_seed(1, "0000101001001001001", 1, "WFI01", "photons")
    6287309953907533025
    """
    words = [zlib.crc32(text.encode()) for text in (detector, word)]
    entropy = np.random.SeedSequence([seed, int(visit_id), exposure, *words])
    return int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))
