"""All sources of a scene on one image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.grid import PsfGrid
from roman_dms.simulation.drawing import sersic
from roman_dms.simulation.drawing.galaxies import draw_galaxies
from roman_dms.simulation.drawing.stars import LIMIT, draw_points
from roman_dms.simulation.sources import PixelSources


def draw(
    sources: PixelSources,
    psf: PsfGrid,
    shape: tuple[int, int],
    *,
    workers: int = 2,
    limit: float = LIMIT,
) -> NDArray[np.float32]:
    """Draw sources without noise.

    Sources off the image contribute what falls on it.  The result does not
    depend on the number of workers.

    Parameters
    ----------
    sources
        Points and galaxies, in the pixels of the image.
    psf
        Effective PSFs, in the same pixels.
    shape
        Rows and columns of the image.
    workers
        Threads.
    limit
        Light in a pixel [electron / s] that a single source may err by where its PSF's far
        wings or its profile's edge are concerned.

    Returns
    -------
    Array
        (rows, columns) [electron / s].

    Raises
    ------
    UsageError
        If a source has a value that is not finite, or a galaxy no size or an index out
        of range.

    Examples
    --------
    >>> import numpy as np
    >>> from roman_dms.psf.grid import PsfGrid
    >>> from roman_dms.simulation.sources import PixelSources
    >>> pixel = np.ones((1, 1, 1, 3, 3), np.float32) / 9
    >>> psf = PsfGrid(
    ...     "WFI01", "F158", 1, np.zeros(1), np.zeros(1), np.ones(1), pixel, pixel[0, 0, 0]
    ... )
    >>> nothing = PixelSources(*np.zeros((4, 0)), sersic=np.zeros(0), shape=np.zeros((0, 2, 2)))
    >>> float(draw(nothing, psf, (16, 16)).sum())
    0.0
    """
    check(sources)
    image = np.zeros(shape, np.float32)
    weights = psf.weights(sources.wavelength)
    points = sources.sersic == 0
    if np.any(points):
        one = slice(None) if np.all(points) else points
        draw_points(
            sources.x[one], sources.y[one], sources.rate[one], weights[one], psf, image,
            workers, limit,
        )  # fmt: skip
    if not np.all(points):
        some = sources[~points]
        draw_galaxies(
            some.x, some.y, some.rate, some.sersic, some.shape, weights[~points], psf, image,
            workers, limit,
        )  # fmt: skip
    return image


def check(sources: PixelSources) -> None:
    """Refuse sources that cannot be drawn, and name the first of them.

    Raises
    ------
    UsageError
        See `draw`.
    """
    for name in sources.__annotations__:
        values = getattr(sources, name)
        bad = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        _refuse(bad, name, values, "a finite number")
    galaxy = sources.sersic != 0
    outside = galaxy & ((sources.sersic < sersic.SMALLEST) | (sources.sersic > sersic.LARGEST))
    _refuse(
        outside, "sersic", sources.sersic,
        f"0 for a point source, or an index from {sersic.SMALLEST} to {sersic.LARGEST}",
    )  # fmt: skip
    flat = galaxy & (np.abs(np.linalg.det(sources.shape)) == 0)
    _refuse(flat, "shape", sources.shape, "an ellipse with two axes that are not zero")


def _refuse(
    bad: NDArray[np.bool_], column: str, values: NDArray[np.float64], expected: str
) -> None:
    """Name the first bad row and how many there are."""
    if not np.any(bad):
        return
    row = int(np.flatnonzero(bad)[0])
    value = np.array2string(values[row]) if values.ndim > 1 else str(values[row])
    raise UsageError(
        f"{column} is {value} in row {row} of the sources ({int(bad.sum())} such rows).",
        f"{expected}.",
        "Correct or remove these rows.",
    )
