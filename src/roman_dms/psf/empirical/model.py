"""A PSF on its way: where it started, and what stars have added to it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from roman_dms.psf.empirical.sampling import sample
from roman_dms.psf.empirical.stamps import Stamps
from roman_dms.psf.evaluation import PsfField, margin, patch_shape
from roman_dms.psf.grid import PsfGrid

CHUNKS = 16
"""Parts into which the stars are cut for threads; the same however many there are."""

SPLINE = np.array([1.0, 26.0, 66.0, 26.0, 1.0]) / 120
"""A quintic B-spline at whole samples."""


@dataclass(frozen=True)
class Model:
    """Start plus corrections: polynomials in the place on the detector, and one for the colour."""

    start: PsfGrid
    """Where the PSF started."""

    fields: NDArray[np.float32]
    """(component, ...) coefficients of its splines (`PsfField.coefficients`)."""

    corrections: NDArray[np.float32]
    """(mode, oversample, oversample, R, W) coefficients of what each polynomial, and last the
    colour, multiplies; sorted by phase."""

    degree: int
    """Of the polynomials."""

    shape: tuple[int, int]
    """(rows, columns) of the detector, over which the polynomials are orthogonal."""

    half: int
    """Pixels on each side of a star to which the corrections reach."""

    colours: tuple[float, float] | None = None
    """Mean wavelength of the stars and its scatter [micron], where there is a last correction
    that goes with it; None where there is none."""

    @classmethod
    def of(
        cls,
        start: PsfGrid,
        degree: int,
        shape: tuple[int, int],
        half: int,
        colours: tuple[float, float] | None = None,
    ) -> Model:
        """Without any corrections yet."""
        fields = [PsfField.of(start, float(wave)).coefficients for wave in start.wavelengths]
        modes = (degree + 1) * (degree + 2) // 2 + (colours is not None)
        nothing = np.zeros((modes, *patch_shape(start.oversample, half)), np.float32)
        return cls(start, np.array(fields), nothing, degree, shape, half, colours)

    @property
    def middle(self) -> int:
        """Row and column of the star in :meth:`dense` arrays [sample]."""
        return (self.half + margin(self.start.oversample)) * self.start.oversample

    def with_corrections(self, corrections: NDArray[np.float32]) -> Model:
        """The same with other corrections."""
        return replace(self, corrections=corrections)

    def mixtures(
        self,
        x: NDArray[np.floating],
        y: NDArray[np.floating],
        shares: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """(n, mode) what part of each correction stars have.

        Polynomials of the place, whose mean squares over the detector are 1, and the colour by
        the shares (n, component) of the start's components; without them the stars' mean.
        """
        rows, columns = self.shape
        u, v = 2 * np.asarray(x) / (columns - 1) - 1, 2 * np.asarray(y) / (rows - 1) - 1
        norm = np.sqrt(2 * np.arange(self.degree + 1) + 1)
        of_x, of_y = (legendre.legvander(place, self.degree) * norm for place in (u, v))
        powers = [(i, n - i) for n in range(self.degree + 1) for i in range(n + 1)]
        terms = [of_x[:, i] * of_y[:, j] for i, j in powers]
        if self.colours is not None:
            mean, scatter = self.colours
            waves = mean if shares is None else shares @ self.start.wavelengths
            terms.append(np.broadcast_to((waves - mean) / scatter, u.shape))
        return np.stack(terms, axis=1).astype(np.float32)

    def dense(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """(mode, D, D) from patches sorted by phase: in the order of the samples."""
        modes, oversample, _, rows, _ = patches.shape
        ordered = patches[..., :rows].transpose(0, 3, 1, 4, 2)
        return ordered.reshape(modes, rows * oversample, rows * oversample)

    def patches(self, dense: NDArray[np.floating]) -> NDArray[np.float32]:
        """The reverse of :meth:`dense`."""
        oversample, _, rows, width = self.corrections.shape[1:]
        patches = np.zeros((len(dense), oversample, oversample, rows, width), np.float32)
        split = dense.reshape(len(dense), rows, oversample, rows, oversample)
        patches[..., :rows] = split.transpose(0, 2, 4, 1, 3)
        return patches

    def corrections_at(
        self, x: NDArray[np.floating], y: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """(n, D, D) samples of the corrections at places."""
        from scipy.ndimage import convolve1d  # noqa: PLC0415 - slow to import

        modes = self.dense(self.corrections).astype(float)
        for axis in (1, 2):
            modes = convolve1d(modes, SPLINE, axis=axis, mode="constant")
        return np.tensordot(self.mixtures(x, y), modes, axes=1)

    def pixels(
        self,
        stamps: Stamps,
        places: NDArray[np.float64],
        shares: NDArray[np.float32],
        workers: int,
        mixtures: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """(n, P, P): a star of unit light in each stamp.

        Parameters
        ----------
        stamps
            n of them.
        places
            (n, 2) x and y [pixel].
        shares
            (n, component) shares of the start's components.
        workers
            Threads.
        mixtures
            (n, mode) of the corrections, where they are not those of the places and shares.
        """
        out = np.empty(stamps.light.shape, np.float32)
        x, y = np.ascontiguousarray(places.T)
        if mixtures is None:
            mixtures = self.mixtures(x, y, shares)

        def chunk(start: int, stop: int) -> None:
            sample(
                start, stop, self.fields, self.start.nodes_x, self.start.nodes_y, shares,
                self.corrections, mixtures, x, y, stamps.column, stamps.row, out,
            )  # fmt: skip

        in_chunks(len(stamps), chunk, workers)
        return out


def in_chunks(count: int, work: Callable[[int, int], object], workers: int) -> list[object]:
    """Call ``work(start, stop)`` for parts of ``count``, and give what it returned, in order."""
    edges = np.linspace(0, count, CHUNKS + 1).astype(int)
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, edges[:-1].tolist(), edges[1:].tolist()))
