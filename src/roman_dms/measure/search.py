"""From an image to its sources: detection, PSF fits, and what the residuals still hide."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from roman_dms.measure.background import background_of
from roman_dms.measure.confirmation import unconfirmed, without
from roman_dms.measure.detection import Detection, DetectionSettings, detect
from roman_dms.measure.image import Image
from roman_dms.measure.noise import Noise, noise_of
from roman_dms.measure.point_sources.companions import hidden_peaks, look_around, shared_out
from roman_dms.measure.point_sources.fits import FitFlag, FitSettings, PointFits
from roman_dms.measure.point_sources.fitting import PointFitter
from roman_dms.measure.point_sources.stars_image import drawn_halves
from roman_dms.psf.evaluation import PsfField

KERNEL = 5
"""Pixels on each side of the detection kernel's middle."""

PHASES = (-1 / 3, 0.0, 1 / 3)
"""Places in a pixel for which stars are looked for, along each axis [pixel]."""

NEAREST = 0.6
"""Two stars nearer than this are one [pixel]."""

AROUND = 6
"""Stars this near to one that is taken away are fitted again [pixel]."""

CLOSE = 4.0
"""Two stars nearer than this may look like a galaxy [pixel]."""

WINGS = 0.3
"""Light of a star, in standard deviations of a pixel of sky, from which it hides others."""

FARTHEST = 8
"""Distance from a bright star to which hidden ones are looked for, at most [pixel]; beyond
stand rings and spikes, and what is left there shows the faults of a PSF sooner than stars."""

CLEAR = 20.0
"""Significance of sources that tell how many are galaxies."""

STRUCTURE = 10.0
"""Significance below which what is found in residuals may be the structure of a galaxy."""

MISFIT = 1.9
"""Chi-square over degrees of freedom with which, if it is wider than a star too, it is taken for
that where galaxies are more frequent than blends; that of faint stars and galaxies is below."""

MIXED = 0.3
"""Blends by chance for each galaxy, below which extended sources are taken for galaxies."""


@dataclass(frozen=True)
class SearchSettings:
    """How sources are found and fitted."""

    detection: DetectionSettings = field(default_factory=DetectionSettings)
    """Thresholds of the first detection."""

    fit: FitSettings = field(default_factory=FitSettings)
    """How PSFs are fitted."""

    passes: int = 2
    """How often residuals are searched for stars that were hidden, at most."""

    worthwhile: float = 0.005
    """Share of sources that a pass must add for another to follow."""

    hidden: float = 5.0
    """Significance of a star that is found in residuals, there and in the fit."""

    mismatch: float = 0.15
    """How well PSFs are known: share of the stars' mean light in the 5 x 5 pixels around that
    counts as noise; 0.15 is one or two per cent of the peak of a star."""

    extended: float = 4.0
    """Extent over its error at which a source is not a star: what its residual shows is its
    own structure."""

    hosts: float = 10.0
    """Significance of stars around which hidden ones are looked for."""


@dataclass(frozen=True)
class Found:
    """The sources of an image, and what was learned on the way."""

    noise: Noise
    """Its noise."""

    light: NDArray[np.float32]
    """(rows, columns) image without sky; 0 at unusable pixels."""

    detection: Detection
    """Sources and their pixels; those found in residuals at the end."""

    fits: PointFits
    """Each source fitted as a star, in the same order."""


def search(
    image: Image, psf: PsfField, settings: SearchSettings | None = None, workers: int = 2
) -> Found:
    """Find the sources of an image and fit each as a star.

    Blends that the first detection takes for one are found in the residual of its fit, where
    the structure of bright stars and of galaxies counts as noise.

    Parameters
    ----------
    image
        Values, errors and masks.
    psf
        Effective PSFs in the pixels of the image.
    settings
        Thresholds.
    workers
        Threads; the result does not depend on them.
    """
    chosen = settings or SearchSettings()
    kernel = detection_kernel(psf)
    background = background_of(image, workers=workers)
    light = background.taken_from(image, workers)
    middle = kernel.mean(axis=0)
    noise = noise_of(image, background, light=light, kernel=middle, workers=workers)
    detection = detect(
        light, noise.variance, kernel, settings=chosen.detection, correlation=noise.correlation,
        per_light=noise.per_light, saturated=image.saturated, wings=psf.wings, workers=workers,
    )  # fmt: skip
    hunt = _Hunt(image, light, noise, psf, kernel, chosen, workers)
    hunt.fitter.add(detection.x, detection.y)
    hunt.fitter.fit()
    detection = hunt.confirmed(detection)
    for _ in range(chosen.passes):
        before = len(detection.x)
        detection = hunt.with_hidden(detection)
        if len(detection.x) - before <= chosen.worthwhile * before:
            break
    return Found(noise, light, detection, hunt.fits())


def detection_kernel(psf: PsfField) -> NDArray[np.float32]:
    """(phase, k, k) stars in the middle of the detector, at places all over a pixel."""
    x = round(float(psf.nodes_x[[0, -1]].mean()))
    y = round(float(psf.nodes_y[[0, -1]].mean()))
    half = min(KERNEL, psf.reach)
    return np.array([psf.pixels(x + u, y + v, half) for v in PHASES for u in PHASES])


class _Hunt:
    """The search for stars that others hide."""

    def __init__(
        self,
        image: Image,
        light: NDArray[np.float32],
        noise: Noise,
        psf: PsfField,
        kernel: NDArray[np.float32],
        settings: SearchSettings,
        workers: int,
    ) -> None:
        self.image = image
        self.light = light
        self.noise = noise
        self.psf = psf
        self.kernel = kernel.mean(axis=0)
        self.width = float(
            np.sqrt(2 * np.log(2) / np.pi * self.kernel.sum() ** 2 / np.sum(self.kernel**2))
        )
        self.settings = settings
        self.workers = workers
        self.searched = 0
        """Sources around which hidden ones were looked for."""
        self.fitter = PointFitter(
            light, noise.variance, noise.per_light, image.saturated, psf, settings.fit, workers
        )

    def fits(self) -> PointFits:
        """All sources as stars."""
        return self.fitter.fits(self.noise.correlation)

    def confirmed(self, detection: Detection) -> Detection:
        """The sources without those that their fits do not confirm."""
        fits = self.fits()
        lost = unconfirmed(fits, detection.significance, self.image.shape)
        if not lost.any():
            return detection
        heirs = self._hosts(fits, fits.x[lost], fits.y[lost], ~lost)
        self.fitter.remove(np.flatnonzero(lost), AROUND)
        self.fitter.fit()
        return without(detection, lost, heirs, self.workers)

    def with_hidden(self, detection: Detection) -> Detection:
        """The sources, and after them those that their residual shows."""
        fits = self.fits()
        x, y, flux = self._candidates(fits)
        if not x.size:
            return detection
        hosts = self._hosts(fits, x, y)
        self.fitter.add(x, y, flux)
        self.fitter.fit()
        kept = self._kept(fits, self.fits(), hosts)
        if not kept.all():
            self.fitter.remove(len(fits) + np.flatnonzero(~kept), AROUND)
            self.fitter.fit()
        return self._joined(detection, self.fits(), hosts[kept])

    def _candidates(
        self, fits: PointFits
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Places and fluxes of what may be hidden stars."""
        chosen, noise = self.settings, self.noise
        significance = np.nan_to_num(fits.flux / fits.flux_err)
        bright = np.flatnonzero(significance > chosen.hosts)
        known = self.searched
        if known:  # only what was added since can have changed anything
            bright = bright[bright >= known]
        self.searched = len(fits)
        noticed = drawn_halves(self.psf, fits.flux[bright], WINGS * np.sqrt(self.fitter.sky))
        radius = np.clip(noticed, AROUND if known else CLOSE, FARTHEST).astype(float)
        near = look_around(self.image.shape, fits.x[bright], fits.y[bright], radius)
        return hidden_peaks(
            self.light, self.fitter.drawn, noise.variance, (noise.per_light, chosen.mismatch),
            self.image.saturated, self.kernel, near, chosen.hidden * noise.correlation,
            self.workers,
        )  # fmt: skip

    def _hosts(
        self,
        fits: PointFits,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        among: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """(m,) which source is brightest at each place, of the nearest ones; -1 if none is."""
        from scipy.spatial import KDTree  # noqa: PLC0415 - slow to import

        known = np.isfinite(fits.x)
        fitted = np.flatnonzero(known if among is None else known & among)
        if not fitted.size:
            return np.full(len(x), -1)
        tree = KDTree(np.column_stack([fits.x[fitted], fits.y[fitted]]))
        count = min(8, len(fitted))
        distance, near = tree.query(np.column_stack([x, y]), k=np.arange(1, count + 1))
        light = fits.flux[fitted][near] / (1 + 1.66 * (distance / self.width) ** 2) ** 2
        return fitted[np.take_along_axis(near, light.argmax(axis=1)[:, None], axis=1)[:, 0]]

    def _kept(
        self, fits: PointFits, trial: PointFits, hosts: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """(m,) which new sources are stars."""
        from scipy.spatial import KDTree  # noqa: PLC0415 - slow to import

        first, chosen = len(fits), self.settings
        new = trial.where(np.arange(first, len(trial)))
        bad = FitFlag.NEGATIVE | FitFlag.NOT_FITTED | FitFlag.MOVED | FitFlag.FEW_PIXELS
        kept = (new.flags & bad) == 0
        kept &= np.nan_to_num(new.flux / new.flux_err) > chosen.hidden
        fitted = np.flatnonzero(np.isfinite(trial.x))
        places = np.column_stack([trial.x, trial.y])
        distance, _ = KDTree(places[fitted]).query(np.nan_to_num(places[first:]), k=2)
        kept &= distance[:, 1] > NEAREST
        wide = _extended(fits, limit := self._extended(fits))[hosts] | _unseen(fits)[hosts]
        still = (_extended(trial, limit) | _unseen(trial))[hosts] | _extended(new, limit)
        near = np.hypot(new.x - fits.x[hosts], new.y - fits.y[hosts]) < CLOSE
        galaxies = limit < chosen.extended
        structure = (new.flux < STRUCTURE * new.flux_err) & (new.chi2 > MISFIT)
        kept &= ~(wide & (still | (near & galaxies)))
        return kept & ~(galaxies & structure & _extended(new, limit))

    def _extended(self, fits: PointFits) -> float:
        """Extent over its error from which a source is taken for a galaxy.

        Two stars that blend look like a galaxy.  Where galaxies are more frequent than blends
        can be by chance, a source that is only somewhat extended is one.  How frequent they
        are is told by clear sources, by the rule of succession: where there are none, half of
        all may be galaxies.
        """
        chosen = self.settings.extended
        clear = np.nan_to_num(fits.flux / fits.flux_err) > CLEAR
        wide = np.count_nonzero(_extended(fits.where(clear), chosen))
        galaxies = (wide + 1) / (np.count_nonzero(clear) + 2)
        blends = len(fits) * np.pi * CLOSE**2 / self.light.size
        return chosen / 2 if blends < MIXED * galaxies else chosen

    def _joined(self, detection: Detection, fits: PointFits, hosts: NDArray[np.int64]) -> Detection:
        """The detection with new sources at its end."""
        known = len(detection.x)
        new = fits.where(np.arange(known, len(fits)))
        segments = detection.segments
        shared_out(segments, fits.x, fits.y, fits.flux, hosts, known, self.width)
        return Detection(
            segments,
            np.concatenate([detection.x, new.x]),
            np.concatenate([detection.y, new.y]),
            np.concatenate([detection.significance, (new.flux / new.flux_err).astype(np.float32)]),
            np.concatenate([detection.group, detection.group[hosts]]),
        )


def _extended(fits: PointFits, limit: float) -> NDArray[np.bool_]:
    """Which sources are wider than stars."""
    return np.nan_to_num(fits.extent) > limit * np.nan_to_num(fits.extent_err, nan=np.inf)


def _unseen(fits: PointFits) -> NDArray[np.bool_]:
    """Of which sources too little is usable to tell whether they are wider than stars.

    With its core masked a galaxy is fitted on what surrounds it as a star far too bright, and
    its residual is full of peaks.  A saturated core is that of a star.
    """
    return (fits.flags & (FitFlag.FEW_PIXELS | FitFlag.SATURATED)) == FitFlag.FEW_PIXELS
