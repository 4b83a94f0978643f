"""Matching kernels that vary over a detector as the PSFs do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.matching.kernels import MatchingKernel, Residual, assessed, matching_kernel


@dataclass(frozen=True)
class KernelField:
    """Kernels on pixels at nodes of a detector, bilinear between them."""

    nodes_x: NDArray[np.float64]
    """(node_x,) columns, increasing [pixel]."""

    nodes_y: NDArray[np.float64]
    """(node_y,) rows, increasing [pixel]."""

    kernels: NDArray[np.float64]
    """(node_y, node_x, k, k), the sum of each 1."""

    matches: tuple[tuple[MatchingKernel, ...], ...]
    """(node_y, node_x) the kernels with what they do, oversampled ones too."""

    between: Residual | None
    """What is left where interpolation is worst: the largest of the residuals in the middle
    of four nodes; None for a single row or column of nodes."""

    @property
    def largest(self) -> float:
        """Largest residual on pixels at a node, in units of the target's peak."""
        return max(match.pixels.residual.largest for row in self.matches for match in row)

    def at(self, x: float, y: float) -> NDArray[np.float64]:
        """The kernel at one place, (k, k); constant beyond the outermost nodes."""
        rows, columns = _shares(self.nodes_y, np.array([y])), _shares(self.nodes_x, np.array([x]))
        return np.tensordot(rows * columns.T, self.kernels, axes=2)

    def convolved(self, image: NDArray[np.floating]) -> NDArray[np.floating]:
        """The image of a detector with the target's PSF; beyond its edges there is nothing.

        The kernel is that of the place from which the light comes, so that none is lost.

        Parameters
        ----------
        image
            (row, column), without sky, every value finite.
        """
        return self._spread(image, self.kernels)

    def convolved_variance(self, variance: NDArray[np.floating]) -> NDArray[np.floating]:
        """Variance of each pixel of the matched image, where noise was independent."""
        return np.clip(self._spread(variance, self.kernels**2), 0, None)

    def _spread(
        self, image: NDArray[np.floating], kernels: NDArray[np.float64]
    ) -> NDArray[np.floating]:
        from scipy.signal import oaconvolve  # noqa: PLC0415 - slow to import

        half = kernels.shape[-1] // 2
        around = np.zeros((image.shape[0] + 2 * half, image.shape[1] + 2 * half), image.dtype)
        rows = _shares(self.nodes_y, np.arange(image.shape[0], dtype=float))
        columns = _shares(self.nodes_x, np.arange(image.shape[1], dtype=float))
        for row, of_row in zip(rows, kernels, strict=True):
            for column, kernel in zip(columns, of_row, strict=True):
                if not (row.any() and column.any()):
                    continue
                down, along = _reach(row), _reach(column)
                share = (row[down, None] * column[along]).astype(image.dtype)
                light = oaconvolve(image[down, along] * share, kernel.astype(image.dtype))
                place = (
                    slice(down.start, down.stop + 2 * half),
                    slice(along.start, along.stop + 2 * half),
                )
                around[place] += light
        return around[half : half + image.shape[0], half : half + image.shape[1]]


def kernel_field(
    source: PsfGrid,
    target: PsfGrid | ArrayLike,
    nodes: tuple[int, int] = (3, 3),
    *,
    wavelengths: tuple[float | None, float | None] = (None, None),
    workers: int = 2,
    **settings: Any,
) -> KernelField:
    """Kernels over a detector from one grid of PSFs to another, or to one PSF.

    Parameters
    ----------
    source
        Effective PSFs of the image.
    target
        Effective PSFs to match, at the same places of a detector; or one (T, T) for all
        places, with as many samples a pixel as the source.
    nodes
        How many columns and rows of nodes, from the first node of the source to the last.
    wavelengths
        Mean wavelength of the light in source and target [micron]; by default the middle of
        the components of each.
    workers
        Threads.
    settings
        Of :func:`~roman_dms.psf.matching.kernels.matching_kernel`, but for sampling.

    Raises
    ------
    UsageError
        For fewer than one node along an axis, or settings that cannot be meant.
    CalibrationError
        If noise would rise beyond the limit.
    """
    if min(nodes) < 1:
        raise UsageError(f"{nodes} nodes were asked for.", "one or more along each axis")
    pair = _Pair(source, target, wavelengths)
    nodes_x, nodes_y = _places(source.nodes_x, nodes[0]), _places(source.nodes_y, nodes[1])

    def match(place: tuple[float, float]) -> MatchingKernel:
        light, wanted = pair.at(*place)
        return matching_kernel(
            light,
            wanted,
            oversample=source.oversample,
            target_oversample=pair.target_oversample,
            **settings,
        )

    with ThreadPoolExecutor(workers) as threads:
        found = list(threads.map(match, [(x, y) for y in nodes_y for x in nodes_x]))
    values = np.array([kernel.pixels.values for kernel in found])
    count = len(nodes_x)
    matches = tuple(tuple(found[row : row + count]) for row in range(0, len(found), count))
    kernels = values.reshape(len(nodes_y), count, *values.shape[1:])
    field = KernelField(nodes_x, nodes_y, kernels, matches, None)
    return replace(field, between=_worst_between(field, pair, settings))


@dataclass(frozen=True)
class _Pair:
    """PSFs to match at places of a detector."""

    source: PsfGrid
    target: PsfGrid | ArrayLike
    wavelengths: tuple[float | None, float | None]

    @property
    def target_oversample(self) -> int:
        """Samples of the target a pixel."""
        grid = self.target if isinstance(self.target, PsfGrid) else self.source
        return grid.oversample

    def at(self, x: float, y: float) -> tuple[ArrayLike, ArrayLike]:
        """Source and target at one place."""
        source = self.source.at(x, y, _wavelength(self.source, self.wavelengths[0]))
        if not isinstance(self.target, PsfGrid):
            return source, self.target
        return source, self.target.at(x, y, _wavelength(self.target, self.wavelengths[1]))


def _worst_between(field: KernelField, pair: _Pair, settings: dict[str, Any]) -> Residual | None:
    """The largest residual in the middle of four nodes."""
    middles = [(nodes[1:] + nodes[:-1]) / 2 for nodes in (field.nodes_x, field.nodes_y)]
    options = {name: settings[name] for name in ("whole", "recentred") if name in settings}

    def left(x: float, y: float) -> Residual:
        light, wanted = pair.at(x, y)
        return assessed(
            field.at(x, y),
            light,
            wanted,
            oversample=pair.source.oversample,
            target_oversample=pair.target_oversample,
            **options,
        ).residual

    found = [left(x, y) for x in middles[0] for y in middles[1]]
    return max(found, key=lambda residual: residual.largest, default=None)


def _wavelength(grid: PsfGrid, wavelength: float | None) -> float:
    return float(grid.wavelengths[[0, -1]].mean()) if wavelength is None else wavelength


def _places(nodes: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Nodes from the first to the last; a single one in the middle."""
    first, last = float(nodes[0]), float(nodes[-1])
    if count == 1 or first == last:
        return np.array([(first + last) / 2])
    return np.linspace(first, last, count)


def _shares(nodes: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(node, place) share of each node in linear interpolation."""
    return np.array([np.interp(places, nodes, unit) for unit in np.eye(len(nodes))])


def _reach(share: NDArray[np.float64]) -> slice:
    """Where a node has a share."""
    where = np.flatnonzero(share)
    return slice(int(where[0]), int(where[-1]) + 1)
