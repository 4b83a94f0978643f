"""Grids of effective PSFs, from the optical model.

Over a detector the PSF is a smooth function of the place: polynomials through a few exact
PSFs give it to 1e-4 of the peak or better.  The nodes of a grid, many more, are the broken
planes that come nearest to those polynomials: bilinear interpolation between them errs
both ways, and less than between exact PSFs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.cache import kept
from roman_dms.psf.colours import Colours, colours, wing_colours
from roman_dms.psf.grid import PsfGrid, with_core
from roman_dms.psf.optics import CHARGE_DIFFUSION, JITTER, Blur, monochromatic_psfs, wide_psf
from roman_dms.psf.pupil import MIDDLE

NODES = {"F062": (15, 15), "F087": (11, 11), "GRISM": (7, 7), "PRISM": (7, 7)}
"""Nodes along columns and rows where PSFs vary most, and where components are many."""

FEWEST_NODES = (9, 9)
"""The same for all other elements."""

SIZES = {"F062": 33, "F087": 33, "GRISM": 33, "PRISM": 33}
"""Width of an oversampled effective PSF at short waves and where components are many [pixel]."""

LARGEST_SIZE = 45
"""The same for all other elements [pixel]."""

WING_SIZE = 513
"""Width of the wings [pixel]; outside lie 0.06 (F062) to 0.4 (F213) per cent of the light."""

EXACT = 5
"""Exact PSFs along each axis, through which the polynomials go."""


def psf_grid(
    detector: str,
    element: str,
    *,
    nodes: tuple[int, int] | None = None,
    oversample: int = 4,
    size: int | None = None,
    wing_size: int = WING_SIZE,
    jitter: float = JITTER,
    charge_diffusion: float = CHARGE_DIFFUSION,
    defocus: float = 0.0,
    cache: bool = True,
) -> PsfGrid:
    """Effective PSFs over one detector in one element.

    Parameters
    ----------
    detector
        ``WFI01`` to ``WFI18``.
    element
        A filter; for ``GRISM`` and ``PRISM`` the components are single wavelengths.
    nodes
        How many columns and rows of nodes, from edge to edge of the science array; chosen
        by element if not given, so that the grid errs by less than 3e-4 of the peak (5e-4
        in F146, for the spectra of galaxies; 1e-3 for the coolest stars).
    oversample
        Samples a pixel.
    size, wing_size
        Width of the oversampled PSFs, chosen by element if not given, and of the wings
        [pixel], odd.
    jitter
        Pointing jitter, standard deviation an axis [arcsec].
    charge_diffusion
        Standard deviation an axis [pixel].
    defocus
        Coefficient of Noll's Z4 added to the wavefront, RMS [micron].
    cache
        Whether to take the grid from the folder of the cache, and to keep it there.

    Raises
    ------
    UsageError
        For an unknown detector or element, or values that cannot be meant.
    """
    settings: dict[str, Any] = {
        "detector": detector,
        "element": element,
        "nodes": NODES.get(element, FEWEST_NODES) if nodes is None else tuple(nodes),
        "oversample": oversample,
        "size": SIZES.get(element, LARGEST_SIZE) if size is None else size,
        "wing_size": wing_size,
        "jitter": jitter,
        "charge_diffusion": charge_diffusion,
        "defocus": defocus,
    }
    if min(settings["nodes"]) < 1 or settings["size"] > wing_size:
        raise UsageError(
            f"{settings['nodes']} nodes, PSFs of {settings['size']} pixels and wings of"
            f" {wing_size} were asked for.",
            "one node or more along each axis, and wings as wide as the PSFs or wider",
        )
    return kept(settings, _built) if cache else _built(**settings)


def _built(
    detector: str,
    element: str,
    nodes: tuple[int, int],
    oversample: int,
    size: int,
    wing_size: int,
    jitter: float,
    charge_diffusion: float,
    defocus: float,
) -> PsfGrid:
    blur = Blur(jitter, charge_diffusion)
    parts = colours(detector, element)
    exact_x, exact_y = (_exact_places(count) for count in nodes)
    exact = _exact_psfs(detector, element, exact_x, exact_y, parts, blur, defocus, oversample, size)
    nodes_x, nodes_y = (_places(count) for count in nodes)
    along_x, along_y = _broken_lines(nodes_x, exact_x), _broken_lines(nodes_y, exact_y)
    rows = np.tensordot(along_y, exact, axes=(1, 0))
    samples = np.tensordot(along_x, rows, axes=(1, 1)).transpose(2, 1, 0, 3, 4)
    samples = np.ascontiguousarray(samples)
    wide = wing_colours(detector, element)
    wings = wide_psf(
        detector,
        element,
        MIDDLE,
        MIDDLE,
        wide.wavelengths,
        wide.shares[0],
        blur,
        defocus=defocus,
        size=wing_size,
    )
    return PsfGrid(
        detector,
        element,
        oversample,
        nodes_x,
        nodes_y,
        parts.means,
        samples,
        with_core(wings, samples, oversample),
    )


def _exact_psfs(
    detector: str,
    element: str,
    places_x: NDArray[np.float64],
    places_y: NDArray[np.float64],
    parts: Colours,
    blur: Blur,
    defocus: float,
    oversample: int,
    size: int,
) -> NDArray[np.float32]:
    """(place_y, place_x, component, S, S)."""
    shares = parts.shares.astype(np.float32)

    def psfs(x: float, y: float) -> NDArray[np.float32]:
        single = monochromatic_psfs(
            detector,
            element,
            x,
            y,
            parts.wavelengths,
            blur,
            defocus=defocus,
            oversample=oversample,
            size=size,
        )
        return np.tensordot(shares, single, axes=1)

    return np.array([[psfs(x, y) for x in places_x] for y in places_y])


def _places(count: int) -> NDArray[np.float64]:
    """Nodes from the first pixel to the last; a single one in the middle."""
    return np.linspace(0, 2 * MIDDLE, count) if count > 1 else np.array([MIDDLE])


def _exact_places(count: int) -> NDArray[np.float64]:
    """Chebyshev's points from edge to edge, for a grid of ``count`` nodes along an axis."""
    if count == 1:
        return _places(1)
    return MIDDLE * (1 - np.cos(np.pi * np.arange(EXACT) / (EXACT - 1)))


def _broken_lines(nodes: NDArray[np.float64], exact: NDArray[np.float64]) -> NDArray[np.float32]:
    """(node, exact): the nodes of the broken line nearest to the polynomial through ``exact``."""
    if len(nodes) == 1:
        return np.ones((1, 1), np.float32)
    places = np.linspace(nodes[0], nodes[-1], 16 * len(nodes))
    lines = np.array([np.interp(places, nodes, unit) for unit in np.eye(len(nodes))]).T
    scaled = places / MIDDLE - 1
    polynomial = np.vander(scaled, len(exact)) @ np.linalg.inv(
        np.vander(exact / MIDDLE - 1, len(exact))
    )
    return np.linalg.lstsq(lines, polynomial)[0].astype(np.float32)
