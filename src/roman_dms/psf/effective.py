"""The image of a star, anywhere, at any sampling, with what is not known of it.

Everything that is done to an oversampled effective PSF here acts on rows and columns alike:
splines of the fifth degree between its samples, the blur of more jitter, the drop of a
drizzled pixel.  So each is a matrix along an axis, and an image is A P B^T; modes of error,
oversampled as the PSF, go the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.starlight import SPECTRAL_TYPES, light_wavelength, star_wavelength
from roman_dms.instrument.throughput import PIXEL_SCALE
from roman_dms.psf.build import psf_grid
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.optics import JITTER
from roman_dms.psf.pupil import DIAMETER, PIXEL_ANGLE
from roman_dms.psf.resampling import Axis, Sampling, gaussian, interpolation

FITTED_NODES = 720**-0.5
"""Error of linear interpolation between nodes that lie as near to the truth as a broken line
can, root mean square, in second differences of the nodes: that of x (1 - x) / 2 - 1/12."""

EXACT_NODES = 120**-0.5
"""The same between nodes that lie on the truth: that of x (1 - x) / 2."""

Light = str | tuple[ArrayLike, ArrayLike] | None


@dataclass(frozen=True)
class PsfModel:
    """Effective PSFs over a detector, and how well they are known."""

    grid: PsfGrid

    jitter: float = JITTER
    """Pointing jitter that is in them, standard deviation an axis [arcsec]."""

    scatter: NDArray[np.float32] | None = None
    """(node_y, node_x, S, S): standard deviation of each sample, from the noise of the stars
    that PSFs were measured on; None where PSFs are not measured."""

    between: float = FITTED_NODES
    """Error between nodes, in second differences (`FITTED_NODES`, `EXACT_NODES`)."""

    origin: str = "optical model"
    """Where they are from, in words."""


@dataclass(frozen=True)
class EffectivePsf:
    """Images of stars of unit light."""

    images: NDArray[np.float32]
    """(n, S, S), S odd: fraction of a star's light in a pixel of the detector (or mosaic)
    centred at each sample; over an infinite plane they sum to the square of ``oversample``."""

    modes: NDArray[np.float32]
    """(n, k, S, S): independent errors of the images, of one standard deviation each."""

    causes: tuple[str, ...]
    """(k,) what each mode is due to."""

    scatter: NDArray[np.float32]
    """(n, S, S): standard deviation of what the noise of stars has left in a measured PSF."""

    x: NDArray[np.float64]
    """(n,) columns of the stars [pixel]."""

    y: NDArray[np.float64]
    """(n,) rows of the stars [pixel]."""

    middle_x: NDArray[np.float64]
    """(n,) column at which the middle sample of each image is [pixel]."""

    middle_y: NDArray[np.float64]
    """(n,) the same for rows [pixel]."""

    oversample: float
    """Samples a pixel."""

    wavelength: float
    """Mean wavelength of the light [micron]."""

    origin: str
    """Which PSFs they were made from, in words."""

    @property
    def error(self) -> NDArray[np.float32]:
        """(n, S, S) standard deviation of each sample."""
        return np.sqrt(np.sum(self.modes**2, axis=1) + self.scatter**2)

    def covariance(self, number: int = 0) -> NDArray[np.float32]:
        """(S*S, S*S) covariance of the samples of one image, row by row.

        The modes' products, and scatter that is correlated as noise is that holds all the
        frequencies which the telescope passes, alike, and no others.
        """
        modes = self.modes[number].reshape(len(self.causes), self.images[number].size)
        covariance = (modes.T @ modes).astype(float)
        scatter = self.scatter[number].ravel()
        if scatter.any():
            place = np.arange(len(self.images[number])) / self.oversample
            x, y = (axis.ravel() for axis in np.meshgrid(place, place))
            apart = np.hypot(np.subtract.outer(x, x), np.subtract.outer(y, y))
            correlation = _correlation(apart * self.cutoff)
            covariance = covariance + np.outer(scatter, scatter) * correlation
        return covariance.astype(np.float32)

    @property
    def cutoff(self) -> float:
        """Highest frequency that the telescope passes [cycle / pixel of the detector]."""
        return float(DIAMETER * PIXEL_ANGLE / (self.wavelength * 1e-6))


def effective_psf(
    detector: str,
    element: str,
    x: ArrayLike,
    y: ArrayLike,
    *,
    oversample: float = 1.0,
    size: int = 25,
    spectrum: Light = None,
    wavelength: float | None = None,
    temperature: float | None = None,
    jitter: float | None = None,
    defocus: float = 0.0,
    source: Literal["optical"] | PsfGrid | PsfModel = "optical",
    phase: bool = True,
) -> EffectivePsf:
    """Images of stars of unit light at places on a detector, with their errors.

    Parameters
    ----------
    detector, element
        ``WFI01`` to ``WFI18``; a filter, ``GRISM`` or ``PRISM``.
    x, y
        (n,) columns and rows of the stars in the science array [pixel]; or numbers.
    oversample
        Samples a pixel, any number above zero.
    size
        Width of the images [pixel], odd.
    spectrum, wavelength, temperature
        The light, in one of three ways: a spectral type, or wavelengths [micron] and energy
        an interval of them; the mean wavelength of the photons [micron]; the temperature of
        a black body [K].  By default a G2V star, and the errors then hold the difference
        between hot and cool stars.
    jitter
        Pointing jitter, standard deviation an axis [arcsec]; as in ``source`` by default.
    defocus
        Coefficient of Noll's Z4 added to the wavefront, RMS [micron]; the optical model's.
    source
        The optical model, or effective PSFs.
    phase
        Samples lie on the grid of pixels, wherever in a pixel the star is, as a detector sees
        it; otherwise the star is on the middle sample.

    Raises
    ------
    UsageError
        For PSFs of another detector or element, jitter below that which is in them, or
        values that cannot be meant.

    Examples
    --------
    >>> star = effective_psf("WFI01", "F158", 100.3, 2000.0, size=9)  # doctest: +SKIP
    >>> star.images.shape, star.covariance().shape  # doctest: +SKIP
    ((1, 9, 9), (81, 81))
    """
    model = _model(source, detector, element, jitter, defocus)
    mean = light_wavelength(
        detector, element, wavelength=wavelength, temperature=temperature, spectrum=spectrum
    )
    places_x, places_y = _places(x, y)
    colour = coloured(model, mean)
    blur = added_jitter(model, jitter)
    sampling = Sampling.of(oversample, size, phase)
    images, modes, scatter = zip(
        *(
            _one(colour, column, row, sampling, blur)
            for column, row in zip(places_x, places_y, strict=True)
        ),
        strict=True,
    )
    return EffectivePsf(
        np.array(images),
        np.array(modes),
        colour.causes,
        np.array(scatter),
        places_x,
        places_y,
        sampling.middle(places_x),
        sampling.middle(places_y),
        oversample,
        colour.wavelength,
        model.origin,
    )


@dataclass(frozen=True)
class OneColour:
    """Effective PSFs of one light, and the modes of error that go with it."""

    model: PsfModel
    """Its grid has one component."""

    wavelength: float
    difference: PsfGrid | None
    """Half the difference between hot and cool stars, where the light is not known."""

    @property
    def causes(self) -> tuple[str, ...]:
        """What the modes of `modes` are due to."""
        grid = self.model.grid
        causes = [
            f"between nodes along {axis}"
            for axis, nodes in (("x", grid.nodes_x), ("y", grid.nodes_y))
            if len(nodes) > 2
        ]
        return (*causes, *(("colour of the light",) if self.difference else ()))

    def at(self, x: float, y: float) -> NDArray[np.float32]:
        """(S, S) at one place."""
        return self.model.grid.at(x, y, self.wavelength)

    def modes(self, x: float, y: float) -> list[NDArray[np.float32]]:
        """(S, S) each, errors of one standard deviation at one place."""
        grid, modes = self.model.grid, []
        along_x = [(node, y) for node in _nearest_three(grid.nodes_x, x)]
        along_y = [(x, node) for node in _nearest_three(grid.nodes_y, y)]
        for places in filter(None, (along_x, along_y)):
            before, middle, after = (self.at(*place) for place in places)
            modes.append(self.model.between * (before - 2 * middle + after))
        if self.difference:
            modes.append(self.difference.at(x, y, self.wavelength))
        return modes

    def scatter(self, x: float, y: float) -> NDArray[np.float32] | None:
        """(S, S) standard deviation of the samples at one place; None where not measured."""
        if self.model.scatter is None:
            return None
        single = replace(self.model.grid, samples=self.model.scatter[None])
        return single.at(x, y, self.wavelength)


def _nearest_three(nodes: Axis, place: float) -> Axis:
    """Three nodes around a place; none where there are fewer."""
    if len(nodes) < 3:
        return nodes[:0]
    near = int(np.clip(np.searchsorted(nodes, place), 1, len(nodes) - 2))
    return nodes[near - 1 : near + 2]


def _model(
    source: Any, detector: str, element: str, jitter: float | None, defocus: float
) -> PsfModel:
    """The PSFs that are meant."""
    if isinstance(source, str) and source == "optical":
        built = JITTER if jitter is None else min(JITTER, jitter)
        if not built >= 0:
            raise UsageError(f"A jitter of {jitter} arcsec was given.", "0 or more")
        grid = psf_grid(detector, element, jitter=built, defocus=defocus)
        return PsfModel(grid, built)
    is_grid = isinstance(source, PsfGrid)
    model = PsfModel(source, between=EXACT_NODES, origin="a grid") if is_grid else source
    if not isinstance(model, PsfModel):
        raise UsageError(f"PSFs cannot be taken from {source!r}.", "'optical' or effective PSFs")
    if (model.grid.detector, model.grid.element) != (detector, element):
        raise UsageError(
            f"The PSFs are of {model.grid.detector} in {model.grid.element}.",
            f"PSFs of {detector} in {element}, as the place is",
            "choose PSFs of the same detector and element, or source='optical'",
        )
    if defocus:
        raise UsageError(
            f"A defocus of {defocus} micron was asked of PSFs that are given.",
            "0: their focus is what it is",
            "use source='optical', or PSFs taken at that focus",
        )
    return model


def _places(x: ArrayLike, y: ArrayLike) -> tuple[Axis, Axis]:
    columns, rows = np.broadcast_arrays(np.atleast_1d(x), np.atleast_1d(y))
    if columns.ndim != 1 or not np.isfinite([columns, rows]).all():
        raise UsageError(f"Places of the shape {columns.shape} were given.", "finite x and y, (n,)")
    return columns.astype(float), rows.astype(float)


def coloured(model: PsfModel, wavelength: float | None) -> OneColour:
    """The PSFs of one light; without a wavelength those of a G2V star, and how colours differ."""
    grid = model.grid
    detector, element = grid.detector, grid.element

    def single(shares: NDArray[np.float32], mean: float) -> PsfGrid:
        samples = np.tensordot(shares, grid.samples, axes=1)[None]
        return replace(grid, wavelengths=np.array([mean]), samples=samples)

    difference = None
    mean = wavelength
    if mean is None:
        hot, mean, cool = (star_wavelength(detector, element, t) for t in SPECTRAL_TYPES.values())
        if len(grid.wavelengths) > 1:
            shares = grid.weights(np.array([hot, cool]))
            difference = single((shares[0] - shares[1]) / 2, mean)
    shares = grid.weights(np.array([mean]))[0]
    return OneColour(replace(model, grid=single(shares, mean)), mean, difference)


def added_jitter(model: PsfModel, jitter: float | None) -> float:
    """Standard deviation of the jitter that is to be added [pixel]."""
    if jitter is None:
        return 0.0
    if not jitter >= model.jitter * (1 - 1e-6):
        raise UsageError(
            f"A jitter of {jitter:g} arcsec was asked for.",
            f"{model.jitter:g} arcsec or more, which is in the PSFs ({model.origin})",
            "blur can be added and not taken away; use source='optical', or other PSFs",
        )
    return float(np.sqrt(max(jitter**2 - model.jitter**2, 0.0))) / PIXEL_SCALE


def _one(
    colour: OneColour, x: float, y: float, sampling: Sampling, blur: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Image (S, S), modes (k, S, S) and scatter (S, S) at one place."""
    grid = colour.model.grid
    size = grid.samples.shape[-1]
    blurred = gaussian(size, blur * grid.oversample)
    along = [
        interpolation(size, grid.oversample, sampling.offsets(place)) @ blurred for place in (x, y)
    ]
    image = along[1] @ colour.at(x, y) @ along[0].T
    modes = [along[1] @ mode @ along[0].T for mode in colour.modes(x, y)]
    offsets_x, offsets_y = sampling.offsets(x), sampling.offsets(y)
    inside = np.logical_and.outer(abs(offsets_y) <= grid.reach, abs(offsets_x) <= grid.reach)
    if not inside.all():
        width = grid.wings.shape[0]
        wide_x, wide_y = (interpolation(width, 1, offsets) for offsets in (offsets_x, offsets_y))
        image = np.where(inside, image, wide_y @ grid.wings @ wide_x.T)
    shape = (len(modes), *image.shape)
    noise, scatter = colour.scatter(x, y), np.zeros_like(image)
    if noise is not None:
        scatter = np.abs(along[1] @ noise @ along[0].T)
    return (
        image.astype(np.float32),
        np.array(modes, np.float32).reshape(shape),
        scatter.astype(np.float32),
    )


def _correlation(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of noise that is white in a disc of frequencies, at distances in its longest wave."""
    from scipy.special import j1  # noqa: PLC0415 - slow to import

    phase = 2 * np.pi * np.where(distance > 0, distance, 1)
    return np.where(distance > 0, 2 * j1(phase) / phase, 1)
