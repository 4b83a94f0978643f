"""Everything a catalogue row holds besides detection and PSF fits: one call for all sources.

Order for each source: the segment; its surroundings as they are, against the PSF; the
surroundings without others' light; Kron; circles; windowed centroid; adaptive moments.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.measure import measurements as m
from roman_dms.measure.apertures import circle_sum, sky_around
from roman_dms.measure.extendedness import (
    WEIGHED,
    looks_extended,
    spread,
    star_model,
    star_pixels,
)
from roman_dms.measure.kron import LOOKED_AT, kron
from roman_dms.measure.moments import CENTRE_UNUSABLE, EDGE, NO_PIXELS, boxes_of, isophote
from roman_dms.measure.neighbours import cut_out, mirror, nearest
from roman_dms.measure.roundness import kernel_of, sharp_and_round
from roman_dms.measure.shape_errors import shape_errors
from roman_dms.measure.shapes import adaptive
from roman_dms.measure.windowed import windowed
from roman_dms.psf.evaluation import PsfField

RADII = (0.91, 1.82, 3.64, 7.27, 14.55)
"""The mission's 0.1, 0.2, 0.4, 0.8 and 1.6 arcsec on pixels of 0.11 arcsec [pixel]."""

ANNULUS = (21.82, 25.45)
"""The mission's 2.4 and 2.8 arcsec [pixel]."""

LARGEST = 512
"""Pixels on each side of a source that are looked at, at most."""

STRIP = 64
"""Rows of a strip: sources are measured strip by strip, so that the image stays in the cache."""

CHUNK = 256
"""Sources that a thread takes at a time."""

FARTHEST = 1e6
"""Positions beyond this are not on any image [pixel]."""

HALF_LIGHT = 1.1774
"""Half-light radius of a Gaussian [standard deviation], sqrt(2 ln 2)."""

NARROWEST = 0.5
"""Standard deviation that adaptive moments start with, at least [pixel]."""

NO_SHAPE = int(m.Caution.NO_SHAPE)


class Frame(NamedTuple):
    """The image as the kernels take it."""

    light: NDArray[np.float32]
    variance: NDArray[np.float32]
    segments: NDArray[np.uint32]
    quality: NDArray[np.uint32]
    saturated: NDArray[np.bool_]
    per_light: float


def measure_sources(
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    per_light: float,
    segments: NDArray[np.uint32],
    x: ArrayLike,
    y: ArrayLike,
    *,
    psf: PsfField | None = None,
    dq: NDArray[np.uint32] | None = None,
    saturated: NDArray[np.bool_] | None = None,
    radii: tuple[float, ...] = RADII,
    annulus: tuple[float, float] = ANNULUS,
    kernel_fwhm: float | None = None,
    correlation: float = 1.0,
    workers: int = 2,
) -> m.SourceMeasurements:
    """Measure all sources of an image.

    Parameters
    ----------
    light
        (row, column) image less the sky; what it is at unusable pixels does not matter.
    variance
        (row, column) variance of the sky's light alone; not finite at unusable pixels.
    per_light
        Variance that a unit of a source's light adds.
    segments
        (row, column) 0 for the sky, i + 1 for source i.
    x, y
        (n,) places of the sources, best those of PSF fits: centres of the circles, of the
        comparison with the PSF and of the mirror that takes neighbours away [pixel].
    psf
        PSF of a star on this image; without it, extendedness and resolution are not known.
    dq
        (row, column) data-quality bits, gathered over each segment.
    saturated
        (row, column) pixels that were saturated for a part of the exposure.
    radii
        Of the circles [pixel].
    annulus
        Inner and outer radius [pixel].
    kernel_fwhm
        Full width of the Gaussian of sharpness and roundness [pixel]; the PSF's, or 2 pixels
        without one, if not given.
    correlation
        How much larger the noise of sums over pixels is than for independent ones; all errors
        are multiplied by it.
    workers
        Threads; the result does not depend on them.

    Raises
    ------
    UsageError
        If arrays differ in shape, a label has no position, or radii are not positive.
    """
    places = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
    frame = _frame(light, variance, per_light, segments, dq, saturated)
    _check(frame, *places, radii, annulus)
    n = len(places[0])
    boxes = boxes_of(frame.segments, n, workers)
    stars = star_model(psf)
    fwhm = kernel_fwhm or (2.355 * stars.sigma if stars.half else 2.0)
    rows, circles = m.empty_rows(n), np.full((2, n, len(radii)), np.nan, np.float32)
    order = np.lexsort((places[0], np.nan_to_num(places[1]) // STRIP))
    shared = frame, boxes, *places, stars, np.array(radii, float), annulus, kernel_of(fwhm)

    def measure(start: int) -> None:
        _measure(*shared, order[start : start + CHUNK], rows, circles)

    with ThreadPoolExecutor(workers) as pool:
        neighbours = pool.submit(nearest, *places)
        list(pool.map(measure, range(0, n, CHUNK)))
    index, distance = neighbours.result()
    rows["nn_label"], rows["nn_distance"] = np.where(index >= 0, index + 1, -1), distance
    _correlate(rows, circles[1], correlation)
    return m.from_rows(rows, circles[0], circles[1])


def _frame(
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    per_light: float,
    segments: NDArray[np.uint32],
    dq: NDArray[np.uint32] | None,
    saturated: NDArray[np.bool_] | None,
) -> Frame:
    """Arrays as the kernels take them, copied only where they are of another kind."""
    arrays = (
        np.ascontiguousarray(light, np.float32),
        np.ascontiguousarray(variance, np.float32),
        np.ascontiguousarray(segments, np.uint32),
        np.zeros((0, 0), np.uint32) if dq is None else np.ascontiguousarray(dq, np.uint32),
        np.zeros((0, 0), bool) if saturated is None else np.ascontiguousarray(saturated, bool),
    )
    return Frame(*arrays, float(per_light))


def _check(
    frame: Frame,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radii: tuple[float, ...],
    annulus: tuple[float, float],
) -> None:
    """Raise if the arguments do not belong together."""
    shapes = {array.shape for array in frame[:5] if array.size}
    if len(shapes) > 1 or frame.light.ndim != 2:
        raise UsageError(f"The arrays have the shapes {sorted(shapes)}.", "images of one shape")
    if x.shape != y.shape or x.ndim != 1:
        raise UsageError(f"Positions have the shapes {x.shape} and {y.shape}.", "(n,) twice")
    last = int(frame.segments.max(initial=0))
    if last > len(x):
        raise UsageError(
            f"There is a segment {last} but there are {len(x)} positions.",
            "a position for each segment",
        )
    if not (all(radius > 0 for radius in radii) and 0 <= annulus[0] < annulus[1]):
        raise UsageError(f"The radii are {radii} and {annulus}.", "positive, increasing radii")


def _correlate(rows: NDArray[np.void], circle_errors: m.Numbers, correlation: float) -> None:
    """Enlarge errors for noise that neighbouring pixels share."""
    for name in m.ROW.names or ():
        if name.endswith("_err"):
            rows[name] *= correlation
        elif name.endswith("_cov"):
            rows[name] *= correlation**2
    circle_errors *= correlation


@njit(nogil=True, cache=True)
def _measure(
    frame: Any, boxes: Any, x: Any, y: Any, stars: Any, radii: Any, annulus: Any, kernel: Any,
    chosen: Any, rows: Any, circles: Any,
) -> None:  # fmt: skip
    """Measure the chosen sources; fills their rows and columns of ``circles`` (2, n, radius)."""
    for at in chosen:
        row = rows[at]
        if boxes[at, 1] >= 0:
            _measure_segment(frame, boxes[at], at + 1, row)
        else:
            row.segment_area = 0
            row.warning_flags |= NO_PIXELS
        if abs(x[at]) < FARTHEST and abs(y[at]) < FARTHEST:
            _measure_around(
                frame, at + 1, x[at], y[at], stars, radii, annulus, kernel, row, circles[:, at]
            )
        else:
            row.warning_flags |= CENTRE_UNUSABLE


@njit(nogil=True, cache=True)
def _measure_segment(frame: Any, box: Any, label: int, row: Any) -> None:
    """Box and moments of a segment."""
    row.bbox_xmin, row.bbox_xmax, row.bbox_ymin, row.bbox_ymax = box[0], box[1], box[2], box[3]
    height, width = frame.light.shape
    if box[0] == 0 or box[2] == 0 or box[1] == width - 1 or box[3] == height - 1:
        row.warning_flags |= EDGE
    isophote(
        frame.light, frame.variance, frame.per_light, frame.segments, frame.quality,
        frame.saturated, label, box, row,
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _measure_around(
    frame: Any, label: int, x: float, y: float, stars: Any, radii: Any, annulus: Any,
    kernel: Any, row: Any, circles: Any,
) -> None:  # fmt: skip
    """All that needs the surroundings of a source."""
    column, line = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    height, width = frame.light.shape
    on_image = 0 <= column < width and 0 <= line < height
    if not (on_image and np.isfinite(frame.variance[line, column])):
        row.warning_flags |= CENTRE_UNUSABLE
    half = max(int(np.max(radii)) + 2, kernel.shape[0], stars.half)
    if np.isfinite(row.semimajor):
        half = max(half, min(int(LOOKED_AT * row.semimajor) + 3, LARGEST))
    x0, y0 = column - half, line - half
    value, noise, kind = cut_out(
        frame.light, frame.variance, frame.per_light, frame.segments, label, x0, y0, 2 * half + 1
    )
    if stars.half:
        _compare(value, noise, kind, frame.variance, x, y, stars, row)
    mirror(value, noise, kind, x - x0, y - y0)
    if np.isfinite(row.semimajor):
        kron(value, noise, kind, row.x_centroid - x0, row.y_centroid - y0, row)
    for k in range(radii.size):
        flux, error = circle_sum(value, noise, x - x0, y - y0, radii[k])
        circles[0, k], circles[1, k] = flux, np.sqrt(error)
    row.aper_bkg_flux, row.aper_bkg_flux_err = sky_around(
        frame.light, frame.variance, frame.segments, x, y, annulus[0], annulus[1]
    )
    sharp_and_round(value, kernel, row)
    centre = windowed(value, noise, x - x0, y - y0, row.fluxfrac_radius_50, row)
    row.x_centroid_win, row.y_centroid_win = x0 + centre[0], y0 + centre[1]
    _measure_shape(value, noise, x - x0, y - y0, stars.sigma, row)


@njit(nogil=True, cache=True)
def _compare(
    value: Any, noise: Any, kind: Any, variance: Any, x: float, y: float, stars: Any, row: Any
) -> None:
    """A source against a star at its place."""
    size = value.shape[0]
    x0, y0 = int(np.floor(x + 0.5)) - size // 2, int(np.floor(y + 0.5)) - size // 2
    star, wider = star_pixels(stars, x, y)
    model, error = spread(value, noise, kind, variance, x0, y0, star, wider)
    row.extendedness, row.extendedness_err = model, error
    row.is_extended = looks_extended(model, error)
    inside = float(stars.half)
    if inside < WEIGHED:
        return
    found, _, _, xx, xy, yy, _, _ = adaptive(
        star, x - x0 - size // 2 + inside, y - y0 - size // 2 + inside, stars.sigma
    )
    if found:
        row.psf_e1, row.psf_e2 = (xx - yy) / (xx + yy), 2 * xy / (xx + yy)
        row.psf_sigma = (xx * yy - xy * xy) ** 0.25


@njit(nogil=True, cache=True)
def _measure_shape(value: Any, noise: Any, x: float, y: float, psf_sigma: float, row: Any) -> None:
    """Adaptive moments, from a round Gaussian with the source's half-light radius."""
    start = max(psf_sigma, NARROWEST)
    if row.fluxfrac_radius_50 > start * HALF_LIGHT:
        start = row.fluxfrac_radius_50 / HALF_LIGHT
    found, x, y, xx, xy, yy, keep, damp = adaptive(value, x, y, start, noise)
    if not found:
        row.warning_flags |= NO_SHAPE
        return
    row.shape_e1, row.shape_e2 = (xx - yy) / (xx + yy), 2 * xy / (xx + yy)
    sigma = (xx * yy - xy * xy) ** 0.25
    e1_err, e2_err, sigma_err = shape_errors(value, noise, x, y, xx, xy, yy, keep, damp)
    row.shape_sigma = sigma
    row.shape_e1_err, row.shape_e2_err, row.shape_sigma_err = e1_err, e2_err, sigma_err
    share = (row.psf_sigma / sigma) ** 2
    row.resolution, row.resolution_err = 1 - share, 2 * share * sigma_err / sigma
