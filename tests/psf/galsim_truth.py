"""Effective PSFs of the Wide Field Instrument drawn by GalSim: the truth of these tests.

``galsim.roman.getPSF`` of GalSim 2.8.5 is no truth by itself.  It flips the pupil's image,
which forgets its scale, and then takes the mask's farthest pixel to lie on a circle of 2.36 m:
pupils are 0.2 to 5 per cent too small.  And it interpolates critically sampled light with a
quintic, which errs by 1 to 2 per cent of the peak.  So the same GalSim objects are made here
with the scale of the file and Lanczos' interpolation.
"""

from functools import lru_cache
from pathlib import Path

import galsim
import galsim.roman
import numpy as np
from galsim import meta_data
from galsim.roman import roman_psfs

BINNING = 4
"""Of the pupil by default."""

ACCURATE = galsim.GSParams(
    folding_threshold=5e-4,
    maxk_threshold=1e-4,
    kvalue_accuracy=1e-6,
    xvalue_accuracy=1e-6,
    maximum_fft_size=16384,
)


@lru_cache(maxsize=4)
def aperture(number: int, name: str, binning: int) -> galsim.Aperture:
    """The pupil; a bin is lit where any of its pixels is."""
    path = Path(meta_data.share_dir) / "roman" / f"RST_WIM_Filter_{name}_SCA_{number}.fits.gz"
    image = galsim.fits.read(str(path), read_header=True)
    scale = image.scale * image.header["PUPIL SCALE FACTOR"] * 1e-6
    return galsim.Aperture(
        diam=galsim.roman.diameter,
        obscuration=galsim.roman.obscuration,
        lam=1000.0,
        pupil_plane_im=image.bin(binning, binning).flip_ud(),
        pupil_plane_scale=scale * binning,
        gsparams=ACCURATE,
    )


def mask_name(element: str) -> str:
    return "F184" if element in {"F184", "F213"} else "skinny"


def sca_position(detector: str, x: float, y: float) -> galsim.PositionD:
    """A place of the science array in GalSim's frame of the detector.

    The science frame is the focal plane's with x mirrored; GalSim's is the focal plane's for
    every third detector, and turned by 180 degrees for the others.
    """
    turned = int(detector[3:]) % 3 != 0
    return galsim.PositionD(
        2044 + (x - 2043.5) * (1 if turned else -1), 2044 + (y - 2043.5) * (-1 if turned else 1)
    )


def optics(detector, element, x, y, wavelength, *, defocus=0.0, binning=None) -> galsim.GSObject:
    """Light before jitter, diffusion and pixels; place and wavelength as in roman_dms."""
    number = int(detector[3:])
    table, table_x, table_y = roman_psfs._read_aberrations(number)
    place = sca_position(detector, x, y)
    waves = roman_psfs._interp_aberrations_bilinear(table, table_x, table_y, place)
    waves[:4] = 0
    nanometres = waves * roman_psfs.zemax_wavelength
    nanometres[4] += defocus * 1000
    return galsim.OpticalPSF(
        lam=wavelength * 1000,
        diam=galsim.roman.diameter,
        aberrations=nanometres / (wavelength * 1000),
        aper=aperture(number, mask_name(element), binning or BINNING),
        interpolant=galsim.Lanczos(20),
        gsparams=ACCURATE,
    )


def effective_psf(
    detector, element, x, y, wavelength, *, oversample, size, jitter=0.014, diffusion=0.1, **others
) -> np.ndarray:
    """The oversampled effective PSF, as ``roman_dms.psf.optics.optical_psf`` gives it."""
    scale = galsim.roman.pixel_scale
    profile = galsim.Convolve(
        optics(detector, element, x, y, wavelength, **others),
        galsim.Gaussian(sigma=np.hypot(jitter, diffusion * scale)),
        galsim.Pixel(scale),
        gsparams=ACCURATE,
    )
    width = (size - 1) * oversample + 1
    image = profile.drawImage(nx=width, ny=width, scale=scale / oversample, method="no_pixel")
    return image.array.astype(float) * oversample**2
