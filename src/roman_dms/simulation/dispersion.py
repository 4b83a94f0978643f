"""Slitless spectra at first order: a source becomes a row of points along its trace.

A trace is cut into bins of equal length; bin k takes the wavelengths from edge k to
edge k + 1, and a source of flux density f (Jy) counts in it

    r_k = 1e-26 / h int f(l) A(l) / l dl     [electron / s]

with A the effective area.  f is linear between the wavelengths at which it is given, so
that r = f @ W with a sparse matrix W that holds for all sources; likewise the mean
wavelength of the photons of a bin, which says where the point is put.  A line that is
narrower than a bin falls where its wavelength does, not at the centre of a bin.

A galaxy, the same at all wavelengths, is a few dozen stars: its Sersic profile is cut
into columns across the trace, a pixel wide where it is bright and wider far out, and each
column becomes two stars that have its light, its centre and its variances.  A continuum
shows only the profile across, which is sampled more finely than the PSF.

What is far below the noise need not be drawn finely: the points of a faint trace stand
as far apart as they stay faint, a faint galaxy is seven stars and a fainter one is one.
Light is conserved all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument import throughput
from roman_dms.instrument.dispersion import ZEROTH_ORDER, Dispersion, dispersion
from roman_dms.simulation.sources import PixelSources

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Values = NDArray[np.float64]

STEP = 0.5
"""Distance of the points of a trace [pixel]: 1/4 of the width of the sharpest PSF."""

COLUMN = 1.0
"""Width of the columns of a galaxy [pixel]: with two stars in each, and a PSF of a standard
deviation of 0.6 pixel, the profile across is right to 0.7 % of its peak."""

BRIGHT = 2.0
"""Columns are that wide within this many half-light radii, and 3 pixels at least;
farther out they widen in proportion to the distance."""

SAMPLES = 1024
"""Equal parts of a galaxy's light from which its columns are made."""

FAINT = 0.005
"""Light below which detail does not matter, in a point or a pixel of a trace [electron / s]:
a hundredth of the noise of the sky in an exposure of two minutes."""

FEW = 10.0
"""A galaxy is a few stars up to so many times :data:`FAINT` in a pixel of its trace."""

COARSEST = 16
"""Most that the points of a faint trace stand farther apart than others."""

RING, CORE = 1.5, 0.4
"""Radius [half-light radii] of the six stars around a faint galaxy's middle, and the share of
light there; 0.7 of the squared half-light radius is the variance, as of an exponential disc's
inner three quarters."""

POINTS = 2_000_000
"""Points that are made at a time, about 200 MB."""


_Stars = tuple[NDArray[np.int64], tuple[Values, Values], Values]
"""The stars that stand for sources: source, offset in x and y [pixel], share of light."""


@dataclass(frozen=True)
class _Group:
    """Sources whose traces are made of the same points."""

    members: NDArray[np.int64]
    spacing: float
    """Distance of the points [pixel]."""
    stars_of: Callable[[PixelSources], _Stars]


def band(detector: str, element: str) -> Values:
    """Wavelengths at which to give the flux densities of sources [micron].

    Those of the effective area, 1 nm apart, as far as light passes.  Finer features of
    a spectrum need wavelengths of their own in addition.

    Parameters
    ----------
    detector
        ``WFI01`` to ``WFI18``.
    element
        ``GRISM`` (first order), ``GRISM_0`` (zeroth order) or ``PRISM``.
    """
    wavelength = throughput.wavelengths(detector)
    passing = np.flatnonzero(throughput.effective_area(detector, element) > 0)
    return wavelength[max(passing[0] - 1, 0) : passing[-1] + 2]


def disperse(
    sources: PixelSources,
    flux_densities: NDArray[np.floating],
    wavelengths: Values,
    detector: str,
    element: str,
    *,
    step: float = STEP,
    faint: float = FAINT,
    points: int = POINTS,
) -> Iterator[PixelSources]:
    """The points of the traces of all sources, some sources at a time.

    Parameters
    ----------
    sources
        Where a filter would put them; their rates and wavelengths are not used.
    flux_densities
        (source, wavelength), not negative [Jy].
    wavelengths
        (wavelength,) increasing, over the whole :func:`band` [micron].
    detector
        ``WFI01`` to ``WFI18``.
    element
        ``GRISM`` (first order) or ``PRISM``.
    step
        Distance of the points of a star [pixel]; twice as much for galaxies.
    faint
        Light below which detail does not matter [electron / s]; 0 draws all finely.
    points
        Bound of the number of points that are made at a time, at least one trace.

    Yields
    ------
    PixelSources
        Point sources with their rates [electron / s] and wavelengths [micron]; those
        without light are left out.

    Raises
    ------
    UsageError
        For an element that does not disperse, wavelengths that do not cover the band
        or do not increase, and flux densities that are negative or no numbers.
    """
    trace = dispersion(element)
    if not step > 0:
        raise UsageError(f"The points are {step} pixels apart.", "a positive distance")
    _check(sources, flux_densities, wavelengths, band(detector, element))

    brightness = _brightness(flux_densities, wavelengths, detector, trace)

    def traces(group: _Group) -> Iterator[PixelSources]:
        edges = _edges(trace, detector, group.spacing)
        matrices = _matrices(edges, wavelengths, detector, element)
        for some in _portions(sources, group.members, points // (edges.size - 1)):
            yield _points(sources[some], flux_densities[some], matrices, trace, group.stars_of)

    return chain.from_iterable(map(traces, _groups(sources, brightness, step, faint)))


def zeroth_order(
    sources: PixelSources,
    flux_densities: NDArray[np.floating],
    wavelengths: Values,
    detector: str,
) -> PixelSources:
    """The zeroth order of the grism: an undispersed image of each source, far below it.

    Parameters, errors: as of :func:`disperse`, over the band of ``GRISM_0``.
    """
    whole = band(detector, "GRISM_0")
    _check(sources, flux_densities, wavelengths, whole)
    matrices = _matrices(whole[[0, -1]], wavelengths, detector, "GRISM_0")
    rate, wavelength = (values[:, 0] for values in _moments(flux_densities, matrices))
    return PixelSources(
        sources.x, sources.y + ZEROTH_ORDER, rate, wavelength, sources.sersic, sources.shape
    )


def _check(
    sources: PixelSources,
    flux_densities: NDArray[np.floating],
    wavelengths: Values,
    whole: Values,
) -> None:
    expected = len(sources), wavelengths.size
    if flux_densities.shape != expected:
        raise UsageError(
            f"The flux densities have the shape {flux_densities.shape}.",
            f"{expected}: a row a source, a column a wavelength",
        )
    if wavelengths.size < 2 or not np.all(np.diff(wavelengths) > 0):
        raise UsageError("The wavelengths do not increase.", "two or more increasing wavelengths")
    if wavelengths[0] > whole[0] or wavelengths[-1] < whole[-1]:
        raise UsageError(
            f"The spectra reach from {wavelengths[0]:.3f} to {wavelengths[-1]:.3f} micron.",
            f"the whole band, {whole[0]:.3f} to {whole[-1]:.3f} micron",
        )
    bad = ~(flux_densities >= 0) | ~np.isfinite(flux_densities)
    if np.any(bad):
        row, column = np.argwhere(bad)[0]
        raise UsageError(
            f"The flux density of source {row} at {wavelengths[column]:.4f} micron is "
            f"{flux_densities[row, column]} Jy.",
            "numbers that are not negative",
        )


def _brightness(
    flux_densities: NDArray[np.floating], wavelengths: Values, detector: str, trace: Dispersion
) -> Values:
    """Light of each source in a pixel of its trace, on average [electron / s]."""
    whole = band(detector, trace.element)[[0, -1]]
    rate, _ = _moments(flux_densities, _matrices(whole, wavelengths, detector, trace.element))
    return rate[:, 0] / float(np.abs(np.diff(trace.displacement(whole)))[0])


def _groups(
    sources: PixelSources, brightness: Values, step: float, faint: float
) -> Iterator[_Group]:
    """Sources whose traces are made of the same points."""
    wanted = faint / np.maximum(brightness * step, 1e-30)
    factor = 2 ** np.floor(np.log2(np.clip(wanted, 1, COARSEST)))
    one = (sources.sersic == 0) | (brightness < faint)
    few = ~one & (brightness < FEW * faint)
    kinds = ((one, 1, _one_star_of), (few, 2, _few_stars_of), (~one & ~few, 2, _stars_of))
    for chosen, times, stars_of in kinds:
        for coarser in np.unique(factor[chosen]):
            yield _Group(
                np.flatnonzero(chosen & (factor == coarser)),
                float(coarser * times * step),
                stars_of,
            )


def _portions(
    sources: PixelSources, chosen: NDArray[np.int64], most: int
) -> Iterator[NDArray[np.int64]]:
    """Parts of ``chosen`` with about ``most`` traces, at least one source."""
    across = np.linalg.norm(sources.shape[chosen, 0], axis=1)
    columns = np.where(sources.sersic[chosen] > 0, 8 * np.maximum(BRIGHT * across, 3), 1)
    portion = np.floor((np.cumsum(columns) - columns) / max(most, 1))
    yield from np.split(chosen, np.flatnonzero(np.diff(portion)) + 1) if chosen.size else ()


def _one_star_of(sources: PixelSources) -> _Stars:
    none = np.zeros(len(sources))
    return np.arange(len(sources)), (none, none), none + 1


def _few_stars_of(sources: PixelSources) -> _Stars:
    """One star in the middle of a galaxy and six around."""
    angle = np.arange(6) * np.pi / 3
    circle = np.concatenate([np.zeros((2, 1)), RING * np.stack([np.cos(angle), np.sin(angle)])], 1)
    x, y = np.moveaxis(sources.shape @ circle, 1, 0)
    share = np.r_[CORE, np.full(6, (1 - CORE) / 6)]
    return (
        np.repeat(np.arange(len(sources)), 7), (x.ravel(), y.ravel()), np.tile(share, len(sources))
    )  # fmt: skip


def _stars_of(sources: PixelSources) -> _Stars:
    """The stars of the columns of galaxies."""
    x, y = np.moveaxis(_samples(sources), 1, 0)
    core = np.maximum(BRIGHT * np.linalg.norm(sources.shape[:, 0], axis=1), 3.0)[:, None]
    far = np.maximum(np.abs(x), core)
    column = np.round(np.clip(x, -core, core) / COLUMN + np.sign(x) * core * np.log(far / core))
    source = np.broadcast_to(np.arange(len(sources))[:, None], x.shape)
    place = (source * 2 * 10**6 + column).astype(np.int64)
    _, first, inverse, count = np.unique(
        place, return_index=True, return_inverse=True, return_counts=True
    )
    inverse = inverse.ravel()

    def mean(values: Values) -> Values:
        return np.asarray(np.bincount(inverse, values.ravel()) / count)

    centre, middle = mean(x), mean(y)
    width = np.sqrt(np.maximum(mean(x**2) - centre**2, 0))
    length = np.sqrt(np.maximum(mean(y**2) - middle**2, 0))
    length = np.where(mean(x * y) < centre * middle, -length, length)
    return (
        np.repeat(source.ravel()[first], 2),
        (_pairs(centre, width), _pairs(middle, length)),
        np.repeat(count / SAMPLES / 2, 2),
    )


def _pairs(middle: Values, spread: Values) -> Values:
    return np.stack([middle - spread, middle + spread], axis=1).ravel()


def _samples(sources: PixelSources) -> Values:
    """(n, 2, sample): x and y of equal parts of the light of galaxies [pixel].

    At the radii of the Sersic profile that hold the middles of equal shares, at golden
    angles and in opposite pairs, so that their centre is the galaxy's.
    """
    from scipy.special import gammaincinv  # noqa: PLC0415 - slow to import

    index, pair = sources.sersic[:, None], np.arange(SAMPLES) // 2
    light = (2 * pair + 1) / SAMPLES
    radius = (gammaincinv(2 * index, light) / gammaincinv(2 * index, 0.5)) ** index
    angle = np.pi * (3 - np.sqrt(5)) * pair + np.pi * (np.arange(SAMPLES) % 2)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return np.asarray(sources.shape @ (radius[:, None, :] * circle))


def _edges(trace: Dispersion, detector: str, step: float) -> Values:
    """Wavelengths that bound the bins of a trace, increasing [micron]."""
    whole = band(detector, trace.element)[[0, -1]]
    first, last = trace.displacement(whole)
    count = int(np.ceil(abs(last - first) / step))
    edges = trace.wavelength(np.linspace(first, last, count + 1))
    edges[[0, -1]] = whole
    return edges


def _matrices(
    edges: Values, given: Values, detector: str, element: str
) -> tuple[csr_array, csr_array]:
    """(wavelength, bin): electrons a second for one Jy, and the same times the wavelength.

    The integrals are taken between all edges and wavelengths of the spectra and of the
    effective area by Gauss's rule of three points, exact but for the factor 1 / l.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

    known = throughput.wavelengths(detector)
    nodes = np.unique(np.concatenate([edges, given, known]))
    nodes = nodes[(nodes >= edges[0]) & (nodes <= edges[-1])]
    middle, half = (nodes[1:] + nodes[:-1]) / 2, np.diff(nodes) / 2
    places, weights = np.polynomial.legendre.leggauss(3)
    at = middle[:, None] + half[:, None] * places
    area = np.interp(at, known, throughput.effective_area(detector, element))
    counts = 1e-26 / throughput.PLANCK * area / at * half[:, None] * weights
    left = np.clip(np.searchsorted(given, middle, "right") - 1, 0, given.size - 2)
    fraction = (at - given[left, None]) / (given[left + 1] - given[left])[:, None]
    bins = np.clip(np.searchsorted(edges, middle, "right") - 1, 0, edges.size - 2)
    rows, columns = np.r_[left, left + 1], np.r_[bins, bins]

    def matrix(factor: Values | float) -> csr_array:
        parts = [np.sum(counts * factor * part, axis=1) for part in (1 - fraction, fraction)]
        shape = (given.size, edges.size - 1)
        return csr_array((np.concatenate(parts), (rows, columns)), shape=shape)

    return matrix(1.0), matrix(at)


def _moments(
    flux_densities: NDArray[np.floating], matrices: tuple[csr_array, csr_array]
) -> tuple[Values, Values]:
    """(source, bin): rates [electron / s] and mean wavelengths, 0 without light [micron]."""
    rate, weighted = (np.asarray(flux_densities @ matrix) for matrix in matrices)
    return rate, np.divide(weighted, rate, out=np.zeros_like(rate), where=rate > 0)


def _points(
    sources: PixelSources,
    flux_densities: NDArray[np.floating],
    matrices: tuple[csr_array, csr_array],
    trace: Dispersion,
    stars_of: Callable[[PixelSources], _Stars],
) -> PixelSources:
    rates, means = _moments(flux_densities, matrices)
    source, (x, y), share = stars_of(sources)
    star, place = np.nonzero(rates[source] > 0)
    source = source[star]
    wavelength = means[source, place]
    return PixelSources(
        x=sources.x[source] + x[star],
        y=sources.y[source] + y[star] + trace.displacement(wavelength),
        rate=rates[source, place] * share[star],
        wavelength=wavelength,
        sersic=np.zeros(star.size),
        shape=np.zeros((star.size, 2, 2)),
    )
