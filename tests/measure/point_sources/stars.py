"""Stars drawn by GalSim from a Moffat effective PSF, and the same PSF for the fits.

An effective PSF is any smooth profile, sampled where pixels are: GalSim draws it at the
pixels' centres (``no_pixel``), so that the truth never passes through our own sampling.
"""

from functools import cache

import galsim
import numpy as np

from roman_dms.psf.evaluation import PsfField
from roman_dms.psf.grid import PsfGrid

FWHM = 1.7
OVERSAMPLE = 4
HALF = 12


def profile():
    return galsim.Moffat(beta=3.5, fwhm=FWHM).shear(g1=0.04, g2=-0.03)


@cache
def psf():
    """The field of a single node."""
    size = 2 * HALF * OVERSAMPLE + 1
    fine = profile().drawImage(nx=size, ny=size, scale=1 / OVERSAMPLE, method="sb").array
    wings = profile().drawImage(nx=81, ny=81, scale=1.0, method="sb").array
    samples = np.array([fine, fine], np.float32)[:, None, None]
    grid = PsfGrid(
        "WFI01", "F158", OVERSAMPLE, np.zeros(1), np.zeros(1), np.array([1.5, 1.6]), samples,
        wings.astype(np.float32),
    )  # fmt: skip
    return PsfField.of(grid)


def drawn(shape, x, y, flux, half=16):
    """Noiseless image of stars."""
    image = galsim.ImageD(shape[1], shape[0], xmin=0, ymin=0, scale=1)
    star = profile()
    for column, row, light in zip(x, y, flux, strict=True):
        near = galsim.BoundsI(
            round(column) - half, round(column) + half, round(row) - half, round(row) + half
        )
        bounds = near & image.bounds
        if bounds.isDefined():
            centre = galsim.PositionD(column, row)
            image[bounds] += (star * light).drawImage(
                bounds=bounds, scale=1, method="sb", center=centre
            )
    return image.array


def noise_equivalent():
    """Flux of a star with S/N 1 in unit noise of the sky."""
    stamp = profile().drawImage(nx=31, ny=31, scale=1.0, method="sb").array
    return 1 / np.sqrt(np.sum(stamp**2))
