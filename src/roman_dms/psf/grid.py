"""Effective point-spread functions of one detector and element, over the detector.

An effective PSF (Anderson & King 2000) is the fraction of a star's light that a
pixel receives, as a function of the offset of the pixel's centre from the star:
optics, jitter, charge diffusion and the pixel's own response together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_NEIGHBOURS = 4
"""Components that share in light of one wavelength, at most."""

BEYOND = 0.5
"""How far beyond the outermost components light may be, in intervals between the outer two."""


@dataclass(frozen=True)
class PsfGrid:
    """Oversampled effective PSFs at nodes on a detector, for several colours of light."""

    detector: str
    """``WFI01`` to ``WFI18``."""

    element: str
    """A filter, ``GRISM`` or ``PRISM``."""

    oversample: int
    """Samples a pixel, along each axis."""

    nodes_x: NDArray[np.float64]
    """(node_x,) columns of the nodes, increasing, in the pixels of the image [pixel]."""

    nodes_y: NDArray[np.float64]
    """(node_y,) rows of the nodes, increasing [pixel]."""

    wavelengths: NDArray[np.float64]
    """(component,) effective wavelength that each component stands for, increasing [micron]."""

    samples: NDArray[np.float32]
    """(component, node_y, node_x, S, S), S odd: fraction of the light in a pixel whose
    centre lies (column - (S - 1) / 2) / oversample, and the same for rows, from the source."""

    wings: NDArray[np.float32]
    """(W, W), W odd: the same on whole pixels, far out, for bright stars; one for the
    detector, equal to the mean of the nodes where ``samples`` reach."""

    @property
    def reach(self) -> float:
        """How far the oversampled effective PSFs extend from the source [pixel]."""
        return (self.samples.shape[-1] - 1) / 2 / self.oversample

    def weights(self, wavelength: NDArray[np.floating]) -> NDArray[np.float32]:
        """What share each component has in light of a mean wavelength.

        Lagrange's polynomial through the nearest components, four at most, so that a share
        may be negative; half an interval outside the range it is taken as at that edge.

        Parameters
        ----------
        wavelength
            (n,) mean wavelength of the detected photons [micron].

        Returns
        -------
        NDArray
            (n, component); each row sums to 1.
        """
        known = self.wavelengths
        near = min(len(known), MOST_NEIGHBOURS)
        margins = BEYOND * np.diff(known, prepend=known[0], append=known[-1])[[1, -2]]
        sought = np.atleast_1d(wavelength).astype(float)
        sought = np.clip(sought, known[0] - margins[0], known[-1] + margins[1])
        first = np.clip(np.searchsorted(known, sought) - near // 2, 0, len(known) - near)
        chosen = first[:, None] + np.arange(near)
        nodes = known[chosen]
        shares = np.ones_like(nodes)
        for one in range(near):
            for other in set(range(near)) - {one}:
                shares[:, one] *= (sought - nodes[:, other]) / (nodes[:, one] - nodes[:, other])
        weights = np.zeros((len(sought), len(known)), np.float32)
        np.put_along_axis(weights, chosen, shares.astype(np.float32), axis=1)
        return weights

    def at(self, x: float, y: float, wavelength: float) -> NDArray[np.float32]:
        """The oversampled effective PSF at one place, (S, S).

        Bilinear between the nodes, constant beyond the outermost.

        Parameters
        ----------
        x, y
            Position [pixel].
        wavelength
            Mean wavelength of the detected photons [micron].
        """
        rows = _linear_weights(self.nodes_y, y)
        columns = _linear_weights(self.nodes_x, x)
        colours = self.weights(np.array([wavelength]))[0]
        used = np.ix_(np.flatnonzero(colours), np.flatnonzero(rows), np.flatnonzero(columns))
        share = colours[:, None, None] * rows[:, None] * columns
        psf = np.tensordot(share[used], self.samples[used], axes=3)
        return psf.astype(np.float32)

    def moved(self, x0: float, y0: float) -> PsfGrid:
        """The same PSFs in the frame of an image whose first pixel is (x0, y0) of this one."""
        return replace(self, nodes_x=self.nodes_x - x0, nodes_y=self.nodes_y - y0)

    def on_mosaic(self, matrix: ArrayLike, *, x: float, y: float, oversample: int) -> PsfGrid:
        """The effective PSF at one place of the detector, on the pixels of a mosaic.

        The pixel response stays that of the detector: the mosaic samples the same
        effective PSF on its own grid, as many dithered exposures drizzled with small
        drops do (Fruchter & Hook 2002, PASP 114, 144).

        Parameters
        ----------
        matrix
            (2, 2): offset (x, y) in detector pixels = matrix @ offset in mosaic pixels.
        x, y
            Place on the detector [pixel].
        oversample
            Samples a mosaic pixel.

        Returns
        -------
        PsfGrid
            With a single node; it holds for the whole mosaic.
        """
        step = np.asarray(matrix, np.float64)
        shrinkage = np.abs(step).sum(axis=1).max()
        half = int(self.reach / shrinkage * oversample)
        psfs = [
            _resampled(self.at(x, y, wavelength), self.oversample, step, half, oversample)
            for wavelength in self.wavelengths
        ]
        wide = int((self.wings.shape[0] - 1) / 2 / shrinkage)
        wings = _resampled(self.wings, 1, step, wide, 1)
        samples = np.array(psfs)[:, None, None]
        return replace(
            self,
            oversample=oversample,
            nodes_x=np.zeros(1),
            nodes_y=np.zeros(1),
            samples=samples,
            wings=with_core(wings, samples, oversample),
        )


def with_core(
    wings: NDArray[np.float32], samples: NDArray[np.float32], oversample: int
) -> NDArray[np.float32]:
    """Wings whose inner part is the mean of the oversampled PSFs on whole pixels."""
    mean = samples.reshape(-1, *samples.shape[-2:]).mean(axis=0, dtype=float)
    half = min((mean.shape[0] - 1) // 2 // oversample, (wings.shape[0] - 1) // 2)
    start = (mean.shape[0] - 1) // 2 - half * oversample
    core = mean[start::oversample, start::oversample][: 2 * half + 1, : 2 * half + 1]
    inner = slice((wings.shape[0] - 1) // 2 - half, (wings.shape[0] - 1) // 2 + half + 1)
    whole = wings.copy()
    whole[inner, inner] = core
    return whole


def _linear_weights(nodes: NDArray[np.float64], place: float) -> NDArray[np.float64]:
    """Share of each node in linear interpolation; constant beyond the outermost."""
    return np.array([np.interp(place, nodes, unit) for unit in np.eye(len(nodes))])


def _resampled(
    psf: NDArray[np.float32],
    oversample: int,
    matrix: NDArray[np.float64],
    half: int,
    new_oversample: int,
) -> NDArray[np.float32]:
    """A PSF on another grid of pixels, by cubic splines, as light in a new pixel."""
    from scipy.ndimage import map_coordinates  # noqa: PLC0415 - slow to import

    steps = np.arange(-half, half + 1) / new_oversample
    offsets = np.stack(np.meshgrid(steps, steps))
    columns, rows = np.tensordot(matrix, offsets, axes=1) * oversample + (psf.shape[0] - 1) / 2
    values = map_coordinates(psf.astype(float), [rows, columns], order=3)
    return (values * abs(np.linalg.det(matrix))).astype(np.float32)
