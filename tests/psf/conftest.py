from functools import cache

import numpy as np
import pytest

from roman_dms.psf import optics
from roman_dms.psf.pupil import Pupil
from tests.psf import galsim_truth


class GalsimPupil(Pupil):
    """A pupil whose origin is the bin right of the middle, as GalSim's is for any mask."""

    @property
    def origin(self):
        return len(self.transmission) / 2


@pytest.fixture
def galsim_pupil(monkeypatch):
    """The pupil that GalSim makes of a coarsely binned mask, with which it draws in a second.

    A bin is lit or not, and the pupil is fatter by half a bin than it should be; both
    codes get the same.
    """

    @cache
    def pupil(detector, long_wave, _):
        name, binning = "F184" if long_wave else "skinny", galsim_truth.BINNING
        aperture = galsim_truth.aperture(int(detector[3:]), name, binning)
        middle, half = len(aperture.illuminated) // 2, 1024 // binning
        lit = aperture.illuminated[middle - half : middle + half, middle - half : middle + half]
        return GalsimPupil(
            binning, aperture.pupil_plane_scale, lit.astype(np.float32), float(lit.sum())
        )

    monkeypatch.setattr(optics, "pupil", pupil)
