"""Which detections their own fit does not confirm.

The matched filter sees each place by itself.  In the wings of a bright star, cut up by masks,
it finds peaks of tens of standard deviations; fitted together with the star nothing is left
of them.  At the border of an image rings and spikes of stars beyond it stand like sources.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.measure.detection import Detection
from roman_dms.measure.image import bands_of
from roman_dms.measure.point_sources.fits import FitFlag, PointFits

LEAST = 3.0
"""Flux over error in the fit of a source, at least."""

SHARE = 0.1
"""The same in units of the significance of its detection, which is enough as well.  It is 0.82
to 0.90 for a faint star alone, since the sky and its place are fitted too, and 0.12 and more
where its core is masked."""

BESIDE = 2.0
"""Distance from the border within which less than a source's summit is seen [pixel]."""

WIDE = 0.4
"""Extent at which a source beside the border is wider than a star [pixel^2]."""

SURELY = 2.0
"""The same over its error."""


def unconfirmed(
    fits: PointFits, significance: NDArray[np.floating], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """(n,) which sources are none, as far as their fits can tell.

    Those without light of their own once their neighbours' is known, and wide ones beside the
    border: a few galaxies are lost there.  Sources that could not be fitted and saturated
    ones, whose wings were, are not judged.

    Parameters
    ----------
    fits
        All sources of an image, each fitted as a star.
    significance
        (n,) of their detection.
    shape
        (rows, columns) of the image.
    """
    dark = ~(fits.flux >= np.minimum(LEAST, SHARE * significance) * fits.flux_err)
    rows, columns = shape
    inside = np.minimum.reduce([fits.x, fits.y, columns - 1 - fits.x, rows - 1 - fits.y])
    wide = (fits.extent > WIDE) & (fits.extent > SURELY * fits.extent_err)
    judged = (fits.flags & (FitFlag.NOT_FITTED | FitFlag.SATURATED)) == 0
    return judged & (dark | (wide & (inside < BESIDE)))


def without(
    detection: Detection, lost: NDArray[np.bool_], heirs: NDArray[np.int64], workers: int
) -> Detection:
    """A detection without some sources.

    Parameters
    ----------
    detection
        Its map of segments is changed in place.
    lost
        (n,) sources that are none.
    heirs
        (lost,) which source takes the pixels of each, if their footprints touch; -1 for none.
    workers
        Threads.
    """
    labels = np.zeros(len(lost) + 1, np.uint32)
    labels[1:][~lost] = np.arange(1, np.count_nonzero(~lost) + 1)
    near = (heirs >= 0) & (detection.group[heirs] == detection.group[lost])
    labels[1:][lost] = np.where(near, labels[1:][heirs], 0)
    segments = detection.segments

    def relabel(rows: slice) -> None:
        _relabel(segments[rows], labels)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(relabel, bands_of(len(segments))))
    return replace(
        detection,
        x=detection.x[~lost],
        y=detection.y[~lost],
        significance=detection.significance[~lost],
        group=np.unique(detection.group[~lost], return_inverse=True)[1].astype(np.int32),
    )


@njit(nogil=True, cache=True)
def _relabel(segments, labels):  # type: ignore[no-untyped-def]
    for row in range(segments.shape[0]):
        for column in range(segments.shape[1]):
            if segments[row, column] > 0:
                segments[row, column] = labels[segments[row, column]]
