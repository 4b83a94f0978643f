"""The WCS of an exposure: detector, telescope, sky.

Four frames as the mission names them, pixels counted from 0:

``detector``    x, y [pixel]
``v2v3``        V2, V3 as the moving telescope sees them [arcsec]
``v2v3vacorr``  V2, V3 with the velocity aberration taken out [arcsec]
``world``       right ascension and declination, ICRS [deg]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import gwcs
import numpy as np
from astropy import units as u
from astropy.coordinates import ICRS
from astropy.modeling import Model
from astropy.modeling.models import Identity, RotationSequence3D, Scale, Shift
from gwcs import coordinate_frames as frames
from gwcs.geometry import CartesianToSpherical, SphericalToCartesian
from numpy.typing import NDArray

from roman_dms.errors import FormatError, MetadataError


@dataclass(frozen=True)
class Pointing:
    """Where a point of the telescope's frame looks, and how it is turned.

    Raises
    ------
    MetadataError
        For a value that is missing, not a number or impossible.
    """

    v2_ref: float
    """V2 of the reference point [arcsec]."""

    v3_ref: float
    """V3 of the reference point [arcsec]."""

    ra_ref: float
    """Right ascension of the reference point, ICRS [deg]."""

    dec_ref: float
    """Declination of the reference point, ICRS [deg]."""

    roll_ref: float
    """Position angle of V3 at the reference point, from north to east [deg]."""

    velocity_scale: float = 1.0
    """True over apparent angle around the reference point, about 1 +- 1e-4."""

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high, keyword = _LIMITS[field.name]
            value = _number(getattr(self, field.name))
            if not low <= value <= high:
                raise MetadataError(
                    f"The keyword meta.{keyword} is {getattr(self, field.name)!r}.",
                    f"a number from {low} to {high}",
                    "correct the pointing in the file, or skip the step assign_wcs",
                )
            object.__setattr__(self, field.name, value)


_LIMITS = {
    "v2_ref": (-10800.0, 10800.0, "wcsinfo.v2_ref"),
    "v3_ref": (-10800.0, 10800.0, "wcsinfo.v3_ref"),
    "ra_ref": (-180.0, 360.0, "wcsinfo.ra_ref"),
    "dec_ref": (-90.0, 90.0, "wcsinfo.dec_ref"),
    "roll_ref": (-360.0, 360.0, "wcsinfo.roll_ref"),
    "velocity_scale": (0.999, 1.001, "velocity_aberration.scale_factor"),
}
"""Lowest and highest value that a pointing can have, and its keyword.

V2 and V3 stay within 3 degrees of the boresight; a scale of 0.999 would need
300 km/s where the observatory does about 30.
"""


def _number(value: object) -> float:
    """A finite float, or NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return math.nan
    return float(value)


def build_wcs(distortion: Model, pointing: Pointing, shape: tuple[int, int]) -> gwcs.WCS:
    """Build the WCS of a science array.

    Parameters
    ----------
    distortion
        (x, y) -> (V2, V3), pixels counted from 0 to arcsec, with an inverse; as
        of a distortion reference file.  It is not changed.
    pointing
        Where the telescope looks.
    shape
        (rows, columns) of the array; its outer edges are the bounding box.

    Raises
    ------
    FormatError
        For a distortion that does not take two coordinates to two.
    """
    if (distortion.n_inputs, distortion.n_outputs) != (2, 2):
        raise FormatError(
            f"The distortion takes {distortion.n_inputs} coordinates to {distortion.n_outputs}.",
            "a model that takes x, y to V2, V3",
            "select another distortion reference file",
        )
    detector = frames.Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix))
    wcs = gwcs.WCS(
        [
            (detector, distortion.copy()),
            (_telescope_frame("v2v3"), _aberration_correction(pointing)),
            (_telescope_frame("v2v3vacorr"), _telescope_to_sky(pointing)),
            (frames.CelestialFrame(reference_frame=ICRS(), name="world"), None),
        ]
    )
    rows, columns = shape
    wcs.bounding_box = ((-0.5, columns - 0.5), (-0.5, rows - 0.5))
    return wcs


def footprint(wcs: gwcs.WCS) -> NDArray[np.float64]:
    """Return the corners of the bounding box on the sky.

    Returns
    -------
    ndarray
        (4, 2): right ascension in [0, 360) and declination [deg] of the corners
        at the lowest x and y, lowest x and highest y, highest x and y, highest
        x and lowest y.
    """
    (x_low, x_high), (y_low, y_high) = wcs.bounding_box.bounding_box(order="F")
    x = np.array([x_low, x_low, x_high, x_high])
    y = np.array([y_low, y_high, y_high, y_low])
    ra, dec = wcs(x, y, with_bounding_box=False)
    return np.stack([np.mod(ra, 360.0), dec], axis=1)


def s_region(wcs: gwcs.WCS) -> str:
    """Return the footprint as the mission writes it, an STC-S polygon in ICRS degrees."""
    corners = " ".join(f"{degrees:.9f}" for degrees in footprint(wcs).ravel())
    return f"POLYGON ICRS  {corners}"


def _telescope_frame(name: str) -> frames.Frame2D:
    return frames.Frame2D(
        name=name, axes_order=(0, 1), axes_names=("v2", "v3"), unit=(u.arcsec, u.arcsec)
    )


def _aberration_correction(pointing: Pointing) -> Model:
    """Stretch around the reference point: v' = ref + scale (v - ref).

    To first order in v/c aberration shifts a small field as a whole, which the
    reference position carries already, and scales it (JWST-STScI-001550).
    """
    scale = pointing.velocity_scale
    if scale == 1:
        return _named(Identity(2), ("v2", "v3"), ("v2", "v3"))
    stretch = Scale(scale, name="dva_scale_v2") & Scale(scale, name="dva_scale_v3")
    v2_shift = Shift((1 - scale) * pointing.v2_ref, name="dva_v2_shift")
    v3_shift = Shift((1 - scale) * pointing.v3_ref, name="dva_v3_shift")
    correction = stretch | (v2_shift & v3_shift)
    correction.name = "DVA_Correction"
    return _named(correction, ("v2", "v3"), ("v2", "v3"))


def _telescope_to_sky(pointing: Pointing) -> Model:
    """Rotate the sphere of V2, V3 onto the sky (JWST-STScI-001550, section 6)."""
    angles = [
        pointing.v2_ref / 3600,
        -pointing.v3_ref / 3600,
        pointing.roll_ref,
        pointing.dec_ref,
        -pointing.ra_ref,
    ]
    rotation = RotationSequence3D(angles, axes_order="zyxyz")
    model = (
        (Scale(1 / 3600) & Scale(1 / 3600))
        | SphericalToCartesian(wrap_lon_at=180)
        | rotation
        | CartesianToSpherical(wrap_lon_at=360)
    )
    model.name = "v23tosky"
    return _named(model, ("v2", "v3"), ("ra", "dec"))


def _named(model: Model, inputs: tuple[str, str], outputs: tuple[str, str]) -> Model:
    model.inputs, model.outputs = inputs, outputs
    return model
