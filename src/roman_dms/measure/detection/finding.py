"""From light and noise to sources and their pixels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.measure.detection.basins import BANDS, Basins, basins_of
from roman_dms.measure.detection.deblending import divide
from roman_dms.measure.detection.holes import over_holes, seen_peaks
from roman_dms.measure.detection.matched_filter import matched_filter, trimmed
from roman_dms.measure.detection.peaks import Peaks, judge
from roman_dms.measure.detection.saturated_cores import fill_cores
from roman_dms.measure.detection.settings import DetectionSettings
from roman_dms.measure.detection.sharpening import NOISE, share_of, sharpened
from roman_dms.measure.detection.structure import disown, structure_of


@dataclass(frozen=True)
class Detection:
    """Sources on an image; row i of the columns is label i + 1 of the segments."""

    segments: NDArray[np.uint32]
    """(row, column) label of the source that a pixel belongs to, 0 for sky."""

    x: NDArray[np.float64]
    """(n,) column of the peak of the filtered image, interpolated [pixel]."""

    y: NDArray[np.float64]
    """(n,) row of it [pixel]."""

    significance: NDArray[np.float32]
    """(n,) flux over error of the star that fits best there, saturated cores guessed."""

    group: NDArray[np.int32]
    """(n,) sources whose footprints touch share a number, 0 to the number of groups - 1."""


def detect(
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    psf_kernel: NDArray[np.floating],
    *,
    settings: DetectionSettings | None = None,
    correlation: float = 1.0,
    per_light: float = 0.0,
    saturated: NDArray[np.bool_] | None = None,
    wings: NDArray[np.floating] | None = None,
    workers: int = 2,
) -> Detection:
    """Find the sources of an image, and which pixels belong to each.

    Parameters
    ----------
    light
        (row, column) background-subtracted; 0 at unusable pixels.
    variance
        (row, column) of the sky alone; infinite at unusable pixels.
    psf_kernel
        (k, k), k odd: the share of a star's light in the pixels around it; or
        (phase, k, k): the same for stars at places spread evenly over the central pixel.
        With phases, stars are found as well at the corner of pixels as in their middle.
    settings
        Thresholds.
    correlation, per_light
        See :class:`~roman_dms.measure.noise.Noise`.
    saturated
        (row, column) pixels whose light is not known; each connected region is one source.
    wings
        (w, w), w odd: the PSF on whole pixels as far out as it has maxima; if not given,
        bright stars are taken to have them anywhere (see ``structure_of``).
    workers
        Threads; the result does not depend on them.

    Raises
    ------
    UsageError
        For arrays of different shapes, or a kernel that is not square, odd and positive.
    """
    chosen = settings or DetectionSettings()
    phases = _checked_kernel(light, variance, psf_kernel)
    mean = phases.mean(axis=0)
    height = matched_filter(light, variance, mean, scale=1 / correlation, workers=workers)
    width = psf_width(mean)
    holes, above = over_holes(height, light, variance, trimmed(mean), 1 / correlation)
    masked = height.flat[holes]
    height.flat[holes] = above
    sharp = sharpened(height, chosen.sharpening, chosen.footprint, workers)
    height.flat[holes] = masked
    if saturated is not None:
        fill_cores(height, saturated, width)
        fill_cores(sharp, saturated, width)
    basins = basins_of(sharp, chosen.footprint, workers)
    images = (light, variance, height, sharp)
    places = seen_peaks(basins.peaks, holes, height)
    peaks = _judged(places, images, phases, correlation, per_light, chosen, workers)
    heights = sharp.reshape(-1)[basins.peaks]
    noise = peaks.noise * (1 + NOISE * chosen.sharpening * share_of(heights))
    del height, sharp, images
    structure = structure_of(mean, wings, chosen.contrast, width, chosen.sharpening)
    found = (peaks.x, peaks.y, heights, noise, peaks.real)
    disown(*found, structure, chosen.footprint / 2, chosen.separation)
    thresholds = (chosen.separation, chosen.relief, structure)
    source, group = divide(basins.pairs, basins.saddles, *found, *thresholds)
    return _numbered(basins, peaks, source, group, workers)


def _checked_kernel(
    light: NDArray[np.float32], variance: NDArray[np.float32], kernel: NDArray[np.floating]
) -> NDArray[np.float32]:
    """The kernel's phases, trimmed alike."""
    phases = np.asarray(kernel, np.float32)
    phases = phases[None] if phases.ndim == 2 else phases
    size = phases.shape[-1]
    if light.shape != variance.shape:
        raise UsageError(
            f"Light of shape {light.shape}, variance of shape {variance.shape}.", "one shape"
        )
    if phases.ndim != 3 or phases.shape[1] != size or size % 2 == 0 or not phases.sum() > 0:
        raise UsageError(
            f"A PSF of shape {np.shape(kernel)} with a sum of {phases.sum():.3g}.",
            "a square of an odd number of pixels with a positive sum, or several",
        )
    margin = (size - trimmed(phases.mean(axis=0)).shape[0]) // 2
    return np.ascontiguousarray(phases[:, margin : size - margin, margin : size - margin])


def psf_width(kernel: NDArray[np.float32]) -> float:
    """Full width at half maximum of a Gaussian that covers as many pixels [pixel]."""
    pixels = kernel.sum() ** 2 / np.sum(kernel**2)
    return float(np.sqrt(2 * np.log(2) / np.pi * pixels))


def _judged(
    places: NDArray[np.int64],
    images: tuple[NDArray[np.float32], ...],
    phases: NDArray[np.float32],
    correlation: float,
    per_light: float,
    settings: DetectionSettings,
    workers: int,
) -> Peaks:
    """All peaks judged, some by each thread."""
    limits = (correlation, per_light, settings.threshold, settings.sharpness)

    def some(places: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        return judge(*images, places, phases, *limits)

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(some, np.array_split(places, BANDS)))
    return Peaks(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _numbered(
    basins: Basins,
    peaks: Peaks,
    source: NDArray[np.int64],
    group: NDArray[np.int64],
    workers: int,
) -> Detection:
    """Number the sources by their peaks' place on the image, and label their pixels."""
    kept = np.flatnonzero((source == np.arange(len(source))) & peaks.real)
    labels = np.zeros(len(source) + 1, np.uint32)
    labels[kept + 1] = np.arange(1, len(kept) + 1)
    labels[1:] = labels[source + 1]
    groups = np.unique(group[kept], return_inverse=True)[1].astype(np.int32)
    segments = _relabelled(basins.owner, labels, workers)
    return Detection(segments, peaks.x[kept], peaks.y[kept], peaks.significance[kept], groups)


def _relabelled(
    owner: NDArray[np.int32], labels: NDArray[np.uint32], workers: int
) -> NDArray[np.uint32]:
    """Replace owners of pixels by the labels of their basins, in the same memory."""
    segments = owner.view(np.uint32)
    with ThreadPoolExecutor(workers) as pool:

        def relabel(band: NDArray[np.int64]) -> None:
            part = slice(band[0], band[-1] + 1)
            _relabel(owner[part], labels, segments[part])

        list(pool.map(relabel, np.array_split(np.arange(len(owner)), min(BANDS, len(owner)))))
    return segments


@njit(nogil=True, cache=True)
def _relabel(owner, labels, segments):  # type: ignore[no-untyped-def]
    for row in range(owner.shape[0]):
        for column in range(owner.shape[1]):
            segments[row, column] = labels[-owner[row, column]]
