"""Light that is added to a mosaic.

Photons are counted in pixels of the mosaic and their noise is spread over the
drops of the drizzle (Fruchter & Hook 2002, PASP 114, 144), so that neighbours share
it as they do in a mosaic made of exposures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import MetadataError
from roman_dms.simulation.injection import draw_photons


def overlap_kernel(width: float) -> NDArray[np.float64]:
    """Shares of an input pixel in the output pixels along one axis.

    The interval of a detector's pixel, ``width`` output pixels wide and centred on
    one of them, as a drizzle with square, unshrunk pixels spreads it.

    >>> overlap_kernel(2.0)
    array([0.25, 0.5 , 0.25])
    """
    half = max(width, 1e-6) / 2
    reach = max(0, int(np.ceil(half - 0.5)))
    edges = np.arange(-reach, reach + 2) - 0.5
    overlap = np.clip(edges[1:], -half, half) - np.clip(edges[:-1], -half, half)
    return overlap / overlap.sum()


def add_to_mosaic(
    brightness: NDArray[np.float32],
    per_photon: NDArray[np.float64],
    seed: int,
    *,
    width: float = 1.0,
    noise: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Light that is added to a mosaic, with its noise.

    White photon noise is spread over the footprint of a detector's pixel: summed
    over many pixels its variance is that of the photons, in single pixels it is
    less by the square of the kernel, and neighbours are correlated, as drizzling
    leaves it.

    Parameters
    ----------
    brightness
        (rows, columns) added light, noise-free [MJy / sr].
    per_photon
        (rows, columns) brightness that one detected electron gives to a pixel, the
        exposure time included [MJy / sr].
    seed
        Of the noise.
    width
        Width of a detector's pixel [pixel of the mosaic]; 1 for noise that is not
        correlated.
    noise
        Whether the added light has photon noise.

    Returns
    -------
    tuple
        Light with noise [MJy / sr], and the variance of a pixel [MJy2 / sr2].
    """
    kernel = overlap_kernel(width)
    white = brightness * per_photon
    variance = _spread(white, kernel**2).astype(np.float32)
    if not noise:
        return brightness.copy(), variance
    electrons = (brightness / per_photon).astype(np.float32)
    drawn = draw_photons(electrons, np.ones(electrons.shape), seed)
    departure = _spread((drawn - electrons) * per_photon, kernel)
    return (brightness + departure).astype(np.float32), variance


def photon_scale(data: NDArray[np.float32], variance: NDArray[np.float32]) -> float:
    """How fast the variance of photon noise grows with the image, from bright pixels.

    Sky that was subtracted gives variance without brightness: the slope is taken
    between the faint half of the pixels and the brightest hundredth.

    Returns
    -------
    float
        [unit of the variance / unit of the image].

    Raises
    ------
    MetadataError
        Where the image has no sources that stand out.
    """
    usable = np.isfinite(data) & np.isfinite(variance) & (variance > 0)
    values, spread = data[usable].astype(float), variance[usable].astype(float)
    if values.size >= 100:
        faint = values <= np.median(values)
        bright = values >= np.quantile(values, 0.99)
        rise = spread[bright].mean() - spread[faint].mean()
        slope = rise / (values[bright].mean() - values[faint].mean() or np.inf)
        if slope > 0:
            return float(slope)
    raise MetadataError(
        "The exposure time of the mosaic is not known, and its variance does not tell it.",
        "meta.coadd_info.exposure_time, or sources that stand out in var_poisson",
        "give the time: --exposure-time",
    )


def _spread(image: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve with the same kernel along rows and columns."""
    if kernel.size == 1:
        return image * kernel[0] ** 2
    from scipy.ndimage import convolve1d  # noqa: PLC0415 - slow to import

    for axis in (0, 1):
        image = convolve1d(image, kernel, axis=axis, mode="constant")
    return image
