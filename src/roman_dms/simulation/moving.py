"""Light of objects that move while the detector counts, read by read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.grid import PsfGrid
from roman_dms.simulation.signatures.deposits import Deposits
from roman_dms.simulation.sources import PixelSources

STEP = 0.2
"""Largest distance that an object moves between two drawings of it [pixel]."""

FAINTEST = 1e-3
"""Electrons in a read below which nothing is kept."""

HALF = 16
"""Half width of what is drawn of an object [pixel]."""


def moving_light(
    sources: PixelSources,
    velocity: NDArray[np.float64],
    psf: PsfGrid,
    shape: tuple[int, int],
    frame_time: float,
    reads: int,
) -> Deposits:
    """Electrons that are expected from moving points in each read.

    Parameters
    ----------
    sources
        Where the objects are in the middle of the exposure.
    velocity
        ``(n, 2)`` in x and y [pixel / s].
    psf
        Effective PSFs, in the pixels of the image.
    shape
        (rows, columns) of the image.
    frame_time, reads
        Time of a read [s], and how many there are from the reset.
    """
    middle = (np.arange(reads) + 0.5 - reads / 2) * frame_time
    parts = []
    for number, speed in enumerate(velocity):
        one = sources[number : number + 1]
        steps = max(1, int(np.ceil(np.hypot(*speed) * frame_time / STEP)))
        stamp = psf.at(one.x.item(), one.y.item(), one.wavelength.item())
        for read, time in enumerate(middle, start=1):
            times = time + ((np.arange(steps) + 0.5) / steps - 0.5) * frame_time
            places = np.stack([one.x + speed[0] * times, one.y + speed[1] * times], axis=1)
            electrons = one.rate.item() * frame_time / steps
            parts += [_stamp(stamp, psf.oversample, place, electrons, shape, read)
                      for place in places]  # fmt: skip
    return Deposits.joined(parts)


def _stamp(
    psf: NDArray[np.float32],
    oversample: int,
    place: NDArray[np.float64],
    electrons: float,
    shape: tuple[int, int],
    read: int,
) -> Deposits:
    """What one point puts into the pixels around it."""
    from scipy.ndimage import map_coordinates  # noqa: PLC0415 - slow to import

    x0, y0 = np.round(place).astype(int) - HALF
    row, column = (
        axis.ravel() for axis in np.mgrid[y0 : y0 + 2 * HALF + 1, x0 : x0 + 2 * HALF + 1]
    )
    centre = (psf.shape[0] - 1) / 2
    offsets = [(row - place[1]) * oversample + centre, (column - place[0]) * oversample + centre]
    light = electrons * map_coordinates(psf, offsets, order=3)
    inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    kept = inside & (light > FAINTEST)
    return Deposits.of(np.full(kept.sum(), read), row[kept], column[kept], light[kept])
