"""The WCS of an exposure that was aligned to the sky: one more frame on the way.

``v2v3corr``  V2, V3 after a linear correction in a plane that touches the
              sphere of V2, V3 at the reference point of the detector

stands between ``v2v3vacorr`` and ``world``.  Name, parts and units of the
correction are those that the mission's alignment writes and takes up again
(``RomanWCSCorrector`` of ``tweakwcs`` 0.8), so that its tools read the file and
may refine it.  What the pointing says is never changed: with the frame taken out
the WCS is that of the pointing again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import gwcs
import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import (
    AffineTransformation2D,
    Const1D,
    Identity,
    Mapping,
    RotationSequence3D,
    Scale,
)
from gwcs.geometry import CartesianToSpherical, SphericalToCartesian
from numpy.typing import NDArray

from roman_dms.errors import FormatError, UsageError

Values = NDArray[np.float64]

FRAME = "v2v3corr"
"""Name of the frame after the correction."""
BEFORE = ("v2v3vacorr", "v2v3")
"""Frames that the correction starts from, the first that a WCS has."""
MODEL = "Roman V2-V3 tangent-plane linear correction. v1"
"""Name by which the mission's tools know the correction."""
ARCSEC = float(np.deg2rad(1 / 3600))
"""One arcsec [rad]."""
_QUARTER = 90 * 3600.0
"""A right angle [arcsec]."""


@dataclass(frozen=True)
class TangentCorrection:
    """A linear correction of where a detector looks.

    In the plane that touches the sphere of V2, V3 at the reference point, with xi
    along V2 and eta along V3 (gnomonic projection), a point p that the pointing
    puts at (xi, eta) is at ``matrix @ p + shift``.

    Raises
    ------
    UsageError
        For numbers that are no correction: not finite, or a matrix without inverse.
    """

    v2_ref: float
    """V2 of the point in which the plane touches, ``meta.wcsinfo.v2_ref`` [arcsec]."""
    v3_ref: float
    """V3 of that point [arcsec]."""
    roll_ref: float
    """Position angle of V3 there [deg]; written for the mission's tools, changes nothing."""
    matrix: Values = field(default_factory=lambda: np.eye(2))
    """(2, 2), close to one."""
    shift: Values = field(default_factory=lambda: np.zeros(2))
    """(2,) along V2 and V3 [arcsec]."""

    def __post_init__(self) -> None:
        for name, shape in (("matrix", (2, 2)), ("shift", (2,))):
            array = np.asarray(getattr(self, name), float)
            if array.shape != shape or not np.isfinite(array).all():
                raise UsageError(
                    f"The {name} of a correction is {array.tolist()}.",
                    f"finite numbers of the shape {shape}",
                )
            object.__setattr__(self, name, array)
        if not np.linalg.det(self.matrix) > 0:
            raise UsageError(
                f"The matrix of a correction is {self.matrix.tolist()}.",
                "one close to the identity",
            )

    @property
    def rotation(self) -> float:
        """Angle from V2 towards V3 by which it turns the detector [arcsec]."""
        (a, b), (c, d) = self.matrix
        return float(np.arctan2(c - b, a + d) / ARCSEC)

    @property
    def scale(self) -> float:
        """Factor by which it stretches lengths."""
        return float(np.sqrt(np.linalg.det(self.matrix)))


def aligned_wcs(wcs: gwcs.WCS, correction: TangentCorrection, name: str) -> gwcs.WCS:
    """The WCS with a correction in place of any that it had.

    Parameters
    ----------
    wcs
        Of an exposure, aligned before or not.  It is not changed.
    correction
        Of the place that the pointing gives.
    name
        Of the new WCS, for instance ``FIT-LVL2-GAIADR3``.

    Raises
    ------
    FormatError
        For a WCS that has no frame of V2, V3.
    """
    pipeline = _pointing_steps(wcs)
    names = [frame.name for frame, _ in pipeline]
    place = names.index(next(frame for frame in BEFORE if frame in names))
    frame, to_sky = pipeline[place]
    pipeline[place : place + 1] = [
        (frame, correction_model(correction)),
        (_corrected(frame), to_sky),
    ]
    return _built(pipeline, wcs, name)


def pointing_wcs(wcs: gwcs.WCS) -> gwcs.WCS:
    """The WCS that the pointing gives: without a correction.

    Raises
    ------
    FormatError
        For a WCS that has no frame of V2, V3.
    """
    return _built(_pointing_steps(wcs), wcs, "" if is_aligned(wcs) else wcs.name)


def is_aligned(wcs: gwcs.WCS) -> bool:
    """Whether a WCS carries a correction."""
    return FRAME in wcs.available_frames


def attitude_matrix(wcs: gwcs.WCS) -> Values:
    """(3, 3): takes unit vectors along V1, V2, V3 (aberration taken out) to equatorial ones.

    That of the pointing, whether the WCS is aligned or not.
    """
    to_sky = _pointing_steps(wcs)[-2][1]
    v2, v3 = np.array([0.0, _QUARTER, 0.0]), np.array([0.0, 0.0, _QUARTER])
    lon, lat = (np.deg2rad(np.asarray(angle, float)) for angle in to_sky(v2, v3))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def correction_model(correction: TangentCorrection) -> Model:
    """V2, V3 to V2, V3 [arcsec], with its inverse, of models that any reader knows."""
    turned = _turn(correction.roll_ref)
    matrix = turned @ correction.matrix @ turned.T
    shift = turned @ correction.shift * ARCSEC
    inverse = np.linalg.inv(matrix)
    model = _in_plane(correction, AffineTransformation2D(matrix, shift, name="tp_affine"))
    model.name = MODEL
    back = AffineTransformation2D(inverse, -inverse @ shift, name="tp_affine_inv")
    model.inverse = _in_plane(correction, back)
    model.inverse.name = f"Inverse {MODEL}"
    return model


def _in_plane(correction: TangentCorrection, affine: Model) -> Model:
    """An affine map of the tangent plane as a map of V2, V3."""
    angles = [correction.v2_ref / 3600, -correction.v3_ref / 3600, correction.roll_ref]
    to_axis = RotationSequence3D(angles, "zyx", name="det_to_optic_axis")
    from_axis = to_axis.inverse
    from_axis.name = "optic_axis_to_det"
    return (
        _scaled(1 / 3600, "arcsec_to_deg")
        | SphericalToCartesian(name="s2c", wrap_lon_at=180)
        | to_axis
        | _to_plane()
        | affine
        | _from_plane()
        | from_axis
        | CartesianToSpherical(name="c2s", wrap_lon_at=180)
        | _scaled(3600.0, "deg_to_arcsec")
    )


def _scaled(factor: float, name: str) -> Model:
    model = Scale(factor, name=f"{name}_1D") & Scale(factor, name=f"{name}_1D")
    model.name = f"{name}_2D"
    return model


def _to_plane() -> Model:
    """(x, y, z) to (y / x, z / x): the gnomonic projection along x."""
    numerators = Mapping((1, 2), n_inputs=3, name="xtyt")
    depth = Mapping((0, 0), n_inputs=3, name="xx")
    model = numerators / depth
    model.name = "Cartesian 3D to TAN"
    return model


def _from_plane() -> Model:
    """(y, z) to (1, y, z)."""
    repeated = Mapping((0, 0, 1), n_inputs=2, name="xtyt2xyz")
    model = repeated | (Const1D(1.0, name="one") & Identity(2, name="I(2D)"))
    model.name = "TAN to cartesian 3D"
    return model


def _turn(roll: float) -> Values:
    """(2, 2): how the turn by the roll that the mission's models make moves the plane."""
    turn = RotationSequence3D([roll], "x")
    along = turn(np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    return np.stack(along[1:])


def _pointing_steps(wcs: gwcs.WCS) -> list[tuple[gwcs.coordinate_frames.CoordinateFrame, Model]]:
    """Frames and the transforms that leave them, the correction left out."""
    steps = [(step.frame, step.transform) for step in wcs.pipeline]
    names = [frame.name for frame, _ in steps]
    if FRAME in names:
        place = names.index(FRAME)
        steps[place - 1 : place + 1] = [(steps[place - 1][0], steps[place][1])]
    if not any(name in names for name in BEFORE):
        raise FormatError(
            f"The WCS has the frames {', '.join(names)}.",
            "one of V2, V3 between the detector and the sky (v2v3vacorr or v2v3)",
            "calibrate the exposure with the step assign_wcs",
        )
    return steps


def _corrected(frame: gwcs.coordinate_frames.Frame2D) -> gwcs.coordinate_frames.Frame2D:
    return gwcs.coordinate_frames.Frame2D(
        name=FRAME, axes_order=frame.axes_order, axes_names=frame.axes_names, unit=frame.unit
    )


def _built(
    pipeline: list[tuple[gwcs.coordinate_frames.CoordinateFrame, Model]], like: gwcs.WCS, name: str
) -> gwcs.WCS:
    """A new WCS with the limits of another; transforms are copied."""
    steps = [(frame, None if model is None else model.copy()) for frame, model in pipeline]
    wcs = gwcs.WCS(steps, name=name)
    wcs.bounding_box = like.bounding_box
    for limit in ("pixel_shape", "array_shape"):
        setattr(wcs, limit, getattr(like, limit))
    return wcs
