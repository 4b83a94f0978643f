"""What is measured of every source: one row a source, in pixels and the units of the image.

Each quantity is declared on one line with its unit and meaning; the rows that the kernels fill
and the columns of a catalogue follow from the declarations.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
Places = NDArray[np.float64]
Integers = NDArray[np.int32]
Truths = NDArray[np.bool_]


class Caution(IntFlag):
    """What to mind when a row is used; ``CENTRE_UNUSABLE`` as in the mission's catalogue."""

    CENTRE_UNUSABLE = 1 << 0  # the pixel at the position is unusable, or the position no number
    EDGE = 1 << 1  # the segment touches the border of the image
    SATURATED = 1 << 2  # a pixel of the segment was saturated
    UNUSABLE = 1 << 3  # the segment or the Kron ellipse holds unusable pixels
    NEIGHBOUR = 1 << 4  # the Kron ellipse reaches into other segments
    KRON_LIMITED = 1 << 5  # Kron radius not measurable, or larger than looked at
    NO_WINDOW = 1 << 6  # the windowed centroid was not found
    NO_SHAPE = 1 << 7  # the adaptive moments did not converge
    NO_PIXELS = 1 << 8  # the segment holds no usable pixel


def quantity(unit: str, meaning: str, kind: type = np.float32) -> Any:
    """Declare a quantity.

    Parameters
    ----------
    unit
        ``pixel`` to a power, ``deg``, ``light`` (the unit of the image times pixel^2),
        ``light / pixel2``, or nothing.
    meaning
        Half a sentence.
    kind
        NumPy type of the numbers.
    """
    return field(metadata={"unit": unit, "meaning": meaning, "kind": kind})


@dataclass(frozen=True)
class SourceMeasurements:
    """Arrays with one row a source; row i belongs to segment i + 1.

    x is the column and y the row of a pixel, 0 at the centre of the first.  Errors are
    standard deviations.  NaN: the quantity has no meaning for this source.  ``circle``
    arrays have one column for each aperture.
    """

    # the segment
    bbox_xmin: Integers = quantity("pixel", "first column of the segment; -1: none", np.int32)
    bbox_xmax: Integers = quantity("pixel", "last column of the segment; -1: none", np.int32)
    bbox_ymin: Integers = quantity("pixel", "first row of the segment; -1: none", np.int32)
    bbox_ymax: Integers = quantity("pixel", "last row of the segment; -1: none", np.int32)
    segment_area: Numbers = quantity("pixel2", "pixels of the segment")
    segment_flux: Numbers = quantity("light", "sum of the segment's usable pixels")
    segment_flux_err: Numbers = quantity("light", "error of segment_flux")
    image_flags: Integers = quantity("", "all data-quality bits set in the segment", np.int32)
    warning_flags: Integers = quantity("", "bits of Caution", np.int32)

    # moments of the segment's positive pixels
    x_centroid: Places = quantity("pixel", "isophotal centroid", np.float64)
    y_centroid: Places = quantity("pixel", "isophotal centroid", np.float64)
    x_centroid_err: Numbers = quantity("pixel", "error of x_centroid")
    y_centroid_err: Numbers = quantity("pixel", "error of y_centroid")
    xy_centroid_cov: Numbers = quantity("pixel2", "covariance of x_centroid and y_centroid")
    semimajor: Numbers = quantity("pixel", "rms along the major axis")
    semiminor: Numbers = quantity("pixel", "rms along the minor axis")
    fwhm: Numbers = quantity("pixel", "2 sqrt(ln 2 (semimajor^2 + semiminor^2))")
    ellipticity: Numbers = quantity("", "1 - semiminor / semimajor")
    orientation_pix: Numbers = quantity(
        "deg", "major axis, from +x towards +y, 0 to 90 or 270 to 360"
    )
    cxx: Numbers = quantity("1 / pixel2", "of x^2 in the equation of the ellipse")
    cxy: Numbers = quantity("1 / pixel2", "of x y in the equation of the ellipse")
    cyy: Numbers = quantity("1 / pixel2", "of y^2 in the equation of the ellipse")

    # in ellipses after Kron
    kron_radius: Numbers = quantity("", "first-moment radius in units of the ellipse's axes")
    kron_semimajor: Numbers = quantity("pixel", "semi-major axis of the Kron aperture")
    kron_flux: Numbers = quantity("light", "light in the Kron ellipse")
    kron_flux_err: Numbers = quantity("light", "error of kron_flux")
    fluxfrac_radius_50: Numbers = quantity("pixel", "circle with half of kron_flux")

    # circles around the given position
    circle_flux: Numbers = quantity("light", "(n, radius) light in circles")
    circle_flux_err: Numbers = quantity("light", "(n, radius) errors of circle_flux")
    aper_bkg_flux: Numbers = quantity("light / pixel2", "median of the sky in the annulus")
    aper_bkg_flux_err: Numbers = quantity("light / pixel2", "error of aper_bkg_flux")

    # windowed centroid
    x_centroid_win: Places = quantity("pixel", "windowed centroid", np.float64)
    y_centroid_win: Places = quantity("pixel", "windowed centroid", np.float64)
    x_centroid_win_err: Numbers = quantity("pixel", "error of x_centroid_win")
    y_centroid_win_err: Numbers = quantity("pixel", "error of y_centroid_win")
    xy_centroid_win_cov: Numbers = quantity("pixel2", "covariance of the windowed centroid")

    # adaptive moments
    shape_e1: Numbers = quantity("", "(Mxx - Myy) / (Mxx + Myy) of the adaptive Gaussian")
    shape_e2: Numbers = quantity("", "2 Mxy / (Mxx + Myy) of the adaptive Gaussian")
    shape_sigma: Numbers = quantity("pixel", "det(M)^(1/4) of the adaptive Gaussian")
    shape_e1_err: Numbers = quantity("", "error of shape_e1")
    shape_e2_err: Numbers = quantity("", "error of shape_e2")
    shape_sigma_err: Numbers = quantity("pixel", "error of shape_sigma")
    psf_e1: Numbers = quantity("", "shape_e1 of a star at the same place")
    psf_e2: Numbers = quantity("", "shape_e2 of a star at the same place")
    psf_sigma: Numbers = quantity("pixel", "shape_sigma of a star at the same place")
    resolution: Numbers = quantity("", "1 - (psf_sigma / shape_sigma)^2")
    resolution_err: Numbers = quantity("", "error of resolution")

    # star or not
    sharpness: Numbers = quantity("", "DAOFIND's sharpness")
    roundness1: Numbers = quantity("", "DAOFIND's roundness from symmetry")
    extendedness: Numbers = quantity("", "spread_model of Desai et al. 2012; 0 for a star")
    extendedness_err: Numbers = quantity("", "error of extendedness")
    is_extended: Truths = quantity("", "more extended than a star", np.bool_)

    # neighbours
    nn_label: Integers = quantity("", "label of the nearest other source; -1: none", np.int32)
    nn_distance: Numbers = quantity("pixel", "distance to it")

    def __len__(self) -> int:
        return len(self.segment_area)


CIRCLES = ("circle_flux", "circle_flux_err")
"""Quantities with a column for each aperture."""


def _of_rows(quantities: tuple[Field[Any], ...]) -> np.dtype[np.void]:
    return np.dtype([(q.name, q.metadata["kind"]) for q in quantities if q.name not in CIRCLES])


ROW = _of_rows(fields(SourceMeasurements))
"""Structure of the rows that the kernels fill."""


def empty_rows(n: int) -> NDArray[np.void]:
    """Rows of nothing: NaN, 0, no box, no neighbour."""
    nothing = np.zeros((), ROW)
    for name in ROW.names or ():
        if ROW[name].kind == "f":
            nothing[name] = np.nan
        elif name.startswith("bbox") or name == "nn_label":
            nothing[name] = -1
    return np.full(n, nothing)


def from_rows(
    rows: NDArray[np.void], circle_flux: Numbers, circle_flux_err: Numbers
) -> SourceMeasurements:
    """Arrays, one for each quantity, of rows."""
    columns = {name: np.ascontiguousarray(rows[name]) for name in ROW.names or ()}
    columns |= dict(zip(CIRCLES, (circle_flux, circle_flux_err), strict=True))
    for column in columns.values():
        if column.dtype.kind == "f":
            column[np.isinf(column)] = np.nan  # too large for the type: no light to divide by
    return SourceMeasurements(**columns)
