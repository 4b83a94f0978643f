"""The effective PSF of a mosaic at a position on the sky, from the WCS of its exposures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.effective import EffectivePsf, PsfModel
from roman_dms.psf.mosaic import Contribution, mosaic_psf

Map = NDArray[np.float64]


@dataclass(frozen=True)
class MosaicExposure:
    """An exposure of which a mosaic was made."""

    wcs: Any
    """Called with (x, y) gives right ascension and declination [deg]; has ``invert``."""

    model: PsfModel
    """Effective PSFs of its detector."""

    shape: tuple[int, int] = (4088, 4088)
    """(rows, columns) of its science array."""

    weight: float = 1.0
    """Its weight in the mosaic, such as its exposure time."""

    jitter: float | None = None
    """Its pointing jitter, standard deviation an axis [arcsec]; as in ``model`` by default."""


def on_mosaic(
    ra: float,
    dec: float,
    mosaic: Any,
    exposures: Sequence[MosaicExposure],
    **settings: Any,
) -> EffectivePsf:
    """The image of a star of unit light at a place of a mosaic, with its errors.

    Parameters
    ----------
    ra, dec
        ICRS [deg].
    mosaic
        Its WCS, like that of an exposure; or its scale [arcsec / pixel], north up and east to
        the left then.
    exposures
        Those that may show the position; those that do not are left out.
    settings
        ``pixfrac``, ``wavelength``, ``oversample``, ``size``, ``phase``: see
        :func:`~roman_dms.psf.mosaic.mosaic_psf`.

    Raises
    ------
    UsageError
        If no exposure shows the position, or for values that cannot be meant.
    """
    x, y = (0.0, 0.0) if isinstance(mosaic, float | int) else _pixel(mosaic, ra, dec)
    to_plane = _plane_a_pixel(mosaic, x, y, ra, dec)
    contributions = []
    for one in exposures:
        column, row = _pixel(one.wcs, ra, dec)
        rows, columns = one.shape
        if -0.5 <= column < columns - 0.5 and -0.5 <= row < rows - 0.5:
            from_pixel = _jacobian(one.wcs, column, row, ra, dec)
            matrix = np.linalg.solve(from_pixel, to_plane).astype(float)
            contributions.append(
                Contribution(one.model, column, row, matrix, one.weight, one.jitter)
            )
    if not contributions:
        raise UsageError(
            f"None of the {len(exposures)} exposures shows the position {ra:.6f}, {dec:.6f}.",
            "a position that the mosaic was made of exposures of",
        )
    return mosaic_psf(contributions, x=x, y=y, **settings)


def _pixel(wcs: Any, ra: float, dec: float) -> tuple[float, float]:
    """Place of a position; NaN far outside."""
    x, y = wcs.invert(ra, dec, with_bounding_box=False)
    return float(x), float(y)


def _plane_a_pixel(mosaic: Any, x: float, y: float, ra: float, dec: float) -> Map:
    """(2, 2): offset (east, north) [arcsec] = matrix @ offset in mosaic pixels."""
    if not isinstance(mosaic, float | int):
        return _jacobian(mosaic, x, y, ra, dec)
    if not mosaic > 0:
        raise UsageError(f"A scale of {mosaic} arcsec a pixel was given.", "one above zero")
    return np.diag([-float(mosaic), float(mosaic)])


def _jacobian(wcs: Any, x: float, y: float, ra: float, dec: float) -> Map:
    """The same of any image, by differences over a pixel."""
    step = 0.5
    ahead_x, ahead_y = np.array([x + step, x, x - step, x]), np.array([y, y + step, y, y - step])
    found_ra, found_dec = wcs(ahead_x, ahead_y, with_bounding_box=False)
    east = ((found_ra - ra + 180) % 360 - 180) * np.cos(np.radians(dec)) * 3600
    north = (found_dec - dec) * 3600
    return np.array([east[:2] - east[2:], north[:2] - north[2:]])
