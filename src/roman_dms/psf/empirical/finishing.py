"""What stars leave open of a PSF, and the optical model settles: sky, scale, origin and wings.

A constant under every star is sky or PSF, a factor is flux or PSF, and a shift is place or PSF:
stars alone cannot tell.  By convention the PSF has the optical model's mean in a ring near
the edge of what was fitted, the optical model's light within `LIGHT_RADIUS`, and an origin of
choice.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.grid import PsfGrid, with_core

Origin = Literal["optical", "centroid"]

LIGHT_RADIUS = 6.0
"""Radius within which the light is that of the optical model [pixel]."""

RING_WIDTH = 2.0
"""Width of the ring in which the sky is settled, inside of the passage to the wings [pixel]."""

PASSAGE_WIDTH = 1.5
"""Width of the passage to the wings [pixel]."""

ALIGNED_WITHIN = 4.0
"""Radius within which the origin is settled [pixel]."""

CENTROID_WIDTH = 0.7
"""Standard deviation of the Gaussian weight of centroids [pixel]."""

TURNS = 4
"""How often sky, origin and scale are settled in turn."""


def finished(
    core: NDArray[np.float64],
    optical: NDArray[np.floating],
    oversample: int,
    reach: float,
    origin: Origin,
) -> NDArray[np.float32]:
    """One PSF with its sky, scale, origin and wings settled.

    Parameters
    ----------
    core
        (S, S) samples that hold within ``reach`` of the middle.
    optical
        (S, S) optical model at the same place, in the same light.
    oversample
        Samples a pixel.
    reach
        Radius to which the stars were fitted [pixel].
    origin
        ``optical``: a fit of the optical model to the PSF, by flux and place and with equal
        weights within `ALIGNED_WITHIN`, finds it at the origin.  ``centroid``: the centroid
        with a Gaussian weight is at the origin.
    """
    from scipy.ndimage import shift  # noqa: PLC0415 - slow to import

    radius = _radius(core.shape[0], oversample)
    edge = reach - PASSAGE_WIDTH
    ring = (radius > edge - RING_WIDTH) & (radius < edge)
    inner = radius < LIGHT_RADIUS
    settled = core
    for _ in range(TURNS):
        settled = settled - (settled - optical)[ring].mean()
        settled = settled * (optical[inner].sum() / settled[inner].sum())
        off = _offset(settled, np.asarray(optical, float), oversample, radius, origin)
        settled = shift(
            joined(settled, optical, radius, reach), -off[::-1], order=5, mode="nearest"
        )
    return joined(settled, optical, radius, reach).astype(np.float32)


def joined(
    core: NDArray[np.floating],
    wings: NDArray[np.floating],
    radius: NDArray[np.float64],
    reach: float,
) -> NDArray[np.float64]:
    """The core within ``reach``, the wings beyond, and a smooth passage inside of it."""
    share = passage(radius, reach)
    return np.where(share > 0, core * share + wings * (1 - share), wings)


def passage(radius: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Share of the fitted PSF: 1 inside, 0 beyond ``reach``."""
    return np.cos(np.pi / 2 * np.clip((radius - reach) / PASSAGE_WIDTH + 1, 0, 1)) ** 2


def _radius(size: int, oversample: int) -> NDArray[np.float64]:
    side = (np.arange(size) - (size - 1) / 2) / oversample
    return np.hypot(*np.meshgrid(side, side))


def _offset(
    psf: NDArray[np.float64],
    optical: NDArray[np.float64],
    oversample: int,
    radius: NDArray[np.float64],
    origin: Origin,
) -> NDArray[np.float64]:
    """(2,) x and y by which a PSF is off its origin [sample]."""
    if origin == "centroid":
        return centroid(psf, oversample) * oversample
    near = radius < ALIGNED_WITHIN
    slope_y, slope_x = (np.asarray(np.gradient(optical, axis=axis)) for axis in (0, 1))
    columns = np.stack([optical[near], -slope_x[near], -slope_y[near]], axis=1)
    light, x, y = np.linalg.lstsq(columns, (psf - optical)[near])[0].tolist()
    return np.array([x, y]) / (1 + light)


def centroid(psf: NDArray[np.floating], oversample: int) -> NDArray[np.float64]:
    """(2,) x and y of the centroid with a Gaussian weight that is centred on it [pixel]."""
    side = (np.arange(len(psf)) - (len(psf) - 1) / 2) / oversample
    x, y = np.meshgrid(side, side)
    centre = np.zeros(2)
    for _ in range(30):
        square = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
        weight = psf * np.exp(-square / (2 * CENTROID_WIDTH**2))
        mean = np.array([(weight * (x - centre[0])).sum(), (weight * (y - centre[1])).sum()])
        centre = centre + 2 * mean / weight.sum()  # twice: the weight holds it back by half
    return centre


def assembled(
    cores: NDArray[np.float64],
    optical: PsfGrid,
    nodes_x: NDArray[np.float64],
    nodes_y: NDArray[np.float64],
    wavelength: float,
    reach: float,
    origin: Origin,
) -> PsfGrid:
    """A grid from what was fitted at its nodes.

    Parameters
    ----------
    cores
        (node_y, node_x, S, S) PSFs that hold within ``reach`` of their middles.
    optical
        The optical model of the detector and element.
    nodes_x, nodes_y
        Places of the nodes [pixel].
    wavelength
        Mean wavelength of the stars' photons [micron].
    reach, origin
        As of :func:`finished`.
    """
    samples = np.array(
        [
            [
                finished(
                    cores[j, i], optical.at(x, y, wavelength), optical.oversample, reach, origin
                )
                for i, x in enumerate(nodes_x)
            ]
            for j, y in enumerate(nodes_y)
        ]
    )[None]
    return PsfGrid(
        optical.detector,
        optical.element,
        optical.oversample,
        nodes_x,
        nodes_y,
        np.array([wavelength]),
        samples,
        with_core(optical.wings, samples, optical.oversample),
    )
