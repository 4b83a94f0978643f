"""Small L2 files of a star that GalSim draws, on tangent planes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import galsim
import numpy as np

from roman_dms.formats.products import write_product
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.ma_tables import ma_table
from roman_dms.instrument.quality import Pixel
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.products.exposure import RateImage
from roman_dms.simulation.steps.image import no_borders
from roman_dms.simulation.steps.metadata import image_metadata, raw_metadata
from roman_dms.sky.tangent import TangentPlane, north_up

RA, DEC = 270.0, 66.0
FWHM = 1.4
"""Of the stars, before the pixels [pixel]."""

FLUX = 500.0
"""Of a star [DN / s]."""

SKY = 0.6
"""[DN / s] in a pixel."""

CONVERSION = 0.7
"""[MJy s / DN sr]."""

DETECTOR = Detector("WFI01", 136, 128)
SHAPE = DETECTOR.science_shape


def plane(number: int) -> TangentPlane:
    """Dithers of fractions of a pixel, turned a little."""
    dx, dy = [(0.0, 0.0), (0.52, 0.07), (0.11, 0.55), (0.58, 0.49)][number % 4]
    middle = ((SHAPE[1] - 1) / 2 + dx, (SHAPE[0] - 1) / 2 + dy)
    return TangentPlane(RA, DEC, *middle, 0.11, north_up(20.0 + 0.5 * number))


def star(at: TangentPlane, ra: float, dec: float) -> np.ndarray:
    """Of unit light, in pixels."""
    x, y = at.pixels(ra, dec)
    profile = galsim.Convolve(galsim.Gaussian(fwhm=FWHM), galsim.Pixel(1.0))
    offset = (float(x) - (SHAPE[1] - 1) / 2, float(y) - (SHAPE[0] - 1) / 2)
    image = profile.drawImage(nx=SHAPE[1], ny=SHAPE[0], scale=1.0, method="no_pixel", offset=offset)
    return image.array


def write_image(
    folder: Path,
    number: int,
    *,
    stars: tuple[tuple[float, float], ...] = ((RA, DEC),),
    bad: tuple[slice, slice] | None = None,
    spoilt: tuple[slice, slice] | None = None,
    hit: tuple[int, int] | None = None,
    **planned: Any,
) -> Path:
    """Write the image of a dither.

    Parameters
    ----------
    bad
        Rows and columns that are flagged, and bright.
    spoilt
        Rows and columns that are NaN, and not flagged.
    hit
        Row and column of a cosmic ray that nobody has found.
    planned
        What differs from an exposure in F158.
    """
    at = plane(number)
    data = SKY + FLUX * sum(star(at, *place) for place in stars)
    data = np.asarray(data, np.float32)
    dq = np.zeros(SHAPE, np.uint32)
    if bad:
        data[bad], dq[bad] = 1e4, int(Pixel.DO_NOT_USE)
    if spoilt:
        data[spoilt] = np.nan
    if hit:
        data[hit] += 1e3
    exposure = dataclasses.replace(
        PlannedExposure(
            ra=RA, dec=DEC, position_angle=20.0, element="F158", ma_table=4, start=61557.0,
            exposure=number + 1,
        ),
        **planned,
    )  # fmt: skip
    wcs = at.wcs(SHAPE)
    raw = raw_metadata(exposure, "WFI01", ma_table(4).read_pattern, wcs=wcs)
    meta = image_metadata(
        raw, wcs, np.nan_to_num(data), dq, conversion=CONVERSION, conversion_uncertainty=0.01,
        pixel_area=at.pixel_area,
    )  # fmt: skip
    variance, flat = np.full(SHAPE, 1e-3, np.float32), np.zeros(SHAPE, np.float32)
    image = RateImage(
        meta=meta, detector=DETECTOR, data=data, dq=dq, err=np.sqrt(2 * variance),
        var_poisson=variance, var_rnoise=variance, chisq=flat, dumo=flat,
        borders=no_borders(DETECTOR), amp33=np.zeros((0, DETECTOR.rows, 128), np.uint16),
    )  # fmt: skip
    path = folder / f"{exposure.stem('WFI01')}_cal.asdf"
    write_product(image, path)
    return path
