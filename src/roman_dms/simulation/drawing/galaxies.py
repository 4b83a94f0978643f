"""Sersic galaxies of any size, blurred by the local effective PSF.

The transform of a galaxy is that of its profile (`sersic`) times that of the
PSF, which the optics cut off.  Frequencies that the image's pixels cannot tell
apart are added up, and one inverse transform gives the pixels of a stamp.  The
stamp is as wide as the galaxy is brighter than a limit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from roman_dms.psf.grid import PsfGrid
from roman_dms.simulation.drawing import sersic
from roman_dms.simulation.drawing.nodes import between
from roman_dms.simulation.drawing.sersic import at as sersic_at
from roman_dms.simulation.drawing.stars import LIMIT, reach_by_rate
from roman_dms.simulation.drawing.wings import spread, wings_outside

SIZES = np.array([32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096])
"""Sides of stamps [pixel]; a galaxy that needs more is drawn on the last."""

BATCH = 1 << 18
"""Pixels of the stamps that one thread makes at a time."""

FAINTEST = 3e-4 / (2 * np.pi)
"""A stamp ends no nearer than where the surface brightness is 3e-4 of the mean in the ellipse
with half of the light, in lights a squared half-light radius."""

NEGLIGIBLE = 1e-5
"""A PSF's transform below this share of its light is left out."""


class _Transforms:
    """Transforms of the PSFs up to the frequency where the optics cut them off."""

    def __init__(self, psf: PsfGrid) -> None:
        self.psf = psf
        components = psf.samples.shape[0]
        side = psf.samples.shape[-1]
        self.samples = psf.samples.reshape(components, -1, side, side)
        self.reach = (side - 1) // 2 / psf.oversample
        self.cutoff = psf.oversample / 2
        size = -(-side // psf.oversample) + 1
        # without a window the samples' edges would seem to hold high frequencies
        window = np.hanning(side + 2)[1:-1].astype(np.float32)
        coarse = np.abs(self.waves(self.samples * np.outer(window, window), size))
        last = coarse.shape[-1] - 1
        frequency = np.hypot(np.arange(last + 1), np.arange(-last, last + 1)[:, None]) / size
        strong = coarse.max(axis=(0, 1)) > NEGLIGIBLE * coarse.max()
        self.cutoff = min(self.cutoff, frequency[strong].max() + 1 / size)

    def waves(self, samples: NDArray[np.float32], size: int) -> NDArray[np.complex64]:
        """Transforms of samples at multiples of 1 / size cycles a pixel.

        Returns
        -------
        Array
            (..., 2 last + 1, last + 1), frequencies along y from -last to last and along x
            from 0 to last.
        """
        length, half = size * self.psf.oversample, (samples.shape[-1] - 1) // 2
        last = self._last(size)
        # the samples begin half of their width before the source
        back = np.exp(2j * np.pi * half / length * np.arange(-last, last + 1)).astype(np.complex64)
        along_x = scipy.fft.rfft(samples, length)[..., : last + 1] * back[last:]
        along_y = scipy.fft.fft(along_x, length, axis=-2, overwrite_x=True)
        kept = np.concatenate([along_y[..., length - last :, :], along_y[..., : last + 1, :]], -2)
        kept *= back[:, None] / np.float32(self.psf.oversample**2)
        waves: NDArray[np.complex64] = kept
        return waves

    def _last(self, size: int) -> int:
        """The highest multiple of 1 / size cycles a pixel that the optics let through."""
        return min(int(self.cutoff * size), size * self.psf.oversample // 2 - 1)

    def wing_waves(self, size: int) -> NDArray[np.complex64]:
        """The same of the wings between the samples and the edge of a stamp.

        They are interpolated linearly, whose transform is a squared sinc.
        """
        ring = wings_outside(self.psf.wings, self.reach) - wings_outside(
            self.psf.wings, size // 2 - 1
        )
        half = ring.shape[0] // 2
        kept = min(half, size // 2 - 1)
        plane = np.zeros((size, size), np.float32)
        inner = slice(half - kept, half + kept + 1)
        plane[: 2 * kept + 1, : 2 * kept + 1] = ring[inner, inner]
        folded = scipy.fft.fft2(np.roll(plane, (-kept, -kept), axis=(0, 1)))
        last = self._last(size)
        rows, columns = np.arange(-last, last + 1), np.arange(last + 1)
        attenuation = np.outer(np.sinc(rows / size), np.sinc(columns / size)) ** 2
        waves: NDArray[np.complex64] = folded[np.ix_(rows % size, columns % size)] * attenuation
        return waves.astype(np.complex64)


def draw_galaxies(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rate: NDArray[np.float64],
    index: NDArray[np.float64],
    shape: NDArray[np.float64],
    weights: NDArray[np.float32],
    psf: PsfGrid,
    image: NDArray[np.float32],
    workers: int = 2,
    limit: float = LIMIT,
) -> None:
    """Add Sersic galaxies to an image.

    The result does not depend on the number of workers.

    Parameters
    ----------
    x, y
        (n,) columns and rows of the centres [pixel].
    rate
        (n,) light of the whole galaxy, its profile not truncated [electron / s].
    index
        (n,) Sersic index, 0.3 to 8.
    shape
        (n, 2, 2) matrix from the unit circle to the ellipse with half of the light [pixel].
    weights
        (n, component) shares of the PSF's components.
    psf
        Effective PSFs in the pixels of the image.
    image
        (rows, columns) [electron / s], changed.
    workers
        Threads.
    limit
        Light in a pixel below which a stamp ends [electron / s].
    """
    sizes = _stamp_sizes(rate, index, shape, psf, limit)
    on_image = (np.abs(x - (image.shape[1] - 1) / 2) < (image.shape[1] + sizes) / 2) & (
        np.abs(y - (image.shape[0] - 1) / 2) < (image.shape[0] + sizes) / 2
    )
    if not np.any(on_image):
        return
    transforms = _Transforms(psf)
    nodes, shares = _mixture(x, y, weights, psf)
    for size in np.unique(sizes[on_image]):
        chosen = np.flatnonzero(on_image & (sizes == size))
        _spread_wings(x[chosen], y[chosen], rate[chosen], int(size), psf, image, workers, limit)
        maker = _Maker(transforms, int(size), len(chosen))
        steps = max(1, BATCH // int(size) ** 2)
        batches = [chosen[i : i + steps] for i in range(0, len(chosen), steps)]

        def stamps(batch: NDArray[np.int64], maker: _Maker = maker) -> NDArray[np.float32]:
            return maker.stamps(
                x[batch], y[batch], rate[batch], index[batch], shape[batch],
                nodes[batch], shares[batch],
            )  # fmt: skip

        with ThreadPoolExecutor(workers) as pool:
            for first in range(0, len(batches), 2 * workers):
                some = batches[first : first + 2 * workers]
                # added in the order of the batches, whichever is ready first
                for batch, made in zip(some, pool.map(stamps, some), strict=True):
                    _add(made, x[batch], y[batch], image)


def _spread_wings(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rate: NDArray[np.float64],
    size: int,
    psf: PsfGrid,
    image: NDArray[np.float32],
    workers: int,
    limit: float,
) -> None:
    """Add the wings outside the stamps of one size, as if the galaxies were points."""
    reach = (psf.samples.shape[-1] - 1) // 2 / psf.oversample
    kernel = wings_outside(psf.wings, max(reach, size // 2 - 1))
    # small stamps miss some per cent of the light; around large ones the rest is too faint
    bright = np.abs(rate) * kernel.max() > (limit / 10 if size // 2 > 2 * reach else 0)
    spread(x[bright], y[bright], rate[bright], kernel, image, workers)


def _stamp_sizes(
    rate: NDArray[np.float64],
    index: NDArray[np.float64],
    shape: NDArray[np.float64],
    psf: PsfGrid,
    limit: float,
) -> NDArray[np.int64]:
    """Side of each stamp, for the profile above the limit and the PSF around it."""
    axes = np.linalg.svd(shape, compute_uv=False)
    area = np.maximum(axes[:, 0] * axes[:, 1], 1e-12)
    # what lies beyond a stamp comes back on its other sides, up to four times in a corner
    fraction = np.minimum(limit / 4 * area / np.maximum(np.abs(rate), 1e-300), FAINTEST)
    radius = axes[:, 0] * sersic.surface_brightness_radius(index, fraction)
    needed = 2 * (radius + reach_by_rate(rate, psf, limit)) + 2
    sizes = SIZES[psf.oversample * SIZES >= psf.samples.shape[-1]]
    return sizes[np.minimum(np.searchsorted(sizes, needed), len(sizes) - 1)]


def _mixture(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float32], psf: PsfGrid
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Nodes around each galaxy (n, 4), and their share by component (n, component, 4)."""
    left, right, u = between(psf.nodes_x, x)
    below, above, v = between(psf.nodes_y, y)
    columns = len(psf.nodes_x)
    nodes = np.stack(
        [below * columns + left, below * columns + right,
         above * columns + left, above * columns + right], axis=1,
    )  # fmt: skip
    corners = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)
    return nodes, (weights[:, :, None] * corners[:, None, :]).astype(np.float32)


class _Maker:
    """Makes stamps of one size."""

    def __init__(self, transforms: _Transforms, size: int, count: int) -> None:
        self.transforms = transforms
        self.size = size
        components, nodes = transforms.samples.shape[:2]
        # the transforms of all nodes are worth their memory where many galaxies share them
        self.waves = None
        self.wings = transforms.wing_waves(size)
        if count > components * nodes and size <= 128:
            self.waves = transforms.waves(transforms.samples, size) + self.wings

    def stamps(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        rate: NDArray[np.float64],
        index: NDArray[np.float64],
        shape: NDArray[np.float64],
        nodes: NDArray[np.int64],
        shares: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """(n, size, size) stamps; pixel (size // 2, size // 2) is the nearest to the centre."""
        size = self.size
        planes = np.zeros((len(x), size, size // 2 + 1), np.complex64)
        for i in range(len(x)):
            _fill(
                self._psf(nodes[i], shares[i]),
                sersic.curve(index[i]),
                shape[i] * (2 * np.pi / size),
                x[i] - np.floor(x[i] + 0.5),
                y[i] - np.floor(y[i] + 0.5),
                rate[i],
                self.transforms.cutoff,
                planes[i],
            )
        stamps: NDArray[np.float32] = scipy.fft.irfft2(
            planes, (size, size), overwrite_x=True, workers=1
        )
        return stamps

    def _psf(self, nodes: NDArray[np.int64], shares: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Transform of the PSF at one place."""
        if self.waves is not None:
            return _mix(self.waves, nodes, shares)
        mixed = _mix(self.transforms.samples, nodes, shares)
        return self.transforms.waves(mixed, self.size) + self.wings


@njit(nogil=True, cache=True, fastmath={"contract"})
def _mix(planes, nodes, shares):  # type: ignore[no-untyped-def]
    """Weighted sum of planes (component, node, rows, columns)."""
    mixed = np.zeros_like(planes[0, 0])
    for component in range(shares.shape[0]):
        for corner in range(shares.shape[1]):
            share = shares[component, corner]
            if share != 0:
                plane = planes[component, nodes[corner]]
                for k in range(mixed.shape[0]):
                    for j in range(mixed.shape[1]):
                        mixed[k, j] += share * plane[k, j]
    return mixed


@njit(nogil=True, cache=True, fastmath={"contract"})
def _fill(psf, curve, shape, x, y, rate, cutoff, plane):  # type: ignore[no-untyped-def]
    """Transform of a galaxy, folded to the frequencies of its stamp.

    ``plane`` keeps the half of the frequencies along x that a real image needs.
    """
    size = plane.shape[0]
    half = size // 2
    last = psf.shape[1] - 1
    limit = (cutoff * size) ** 2
    turn = -2 * np.pi / size
    along_x = np.exp(1j * turn * (half + x) * np.arange(last + 1)).astype(np.complex64)
    along_y = np.exp(1j * turn * (half + y) * np.arange(-last, last + 1)).astype(np.complex64)
    along_y *= np.float32(rate)
    for k in range(-last, last + 1):
        row = k % size
        mirror_row = (-k) % size
        phase = along_y[k + last]
        for j in range(last + 1):
            if k * k + j * j > limit:
                break
            p = shape[0, 0] * j + shape[1, 0] * k
            q = shape[0, 1] * j + shape[1, 1] * k
            value = (
                psf[k + last, j] * np.float32(sersic_at(p * p + q * q, curve)) * phase * along_x[j]
            )
            column = j % size
            if column <= half:
                plane[row, column] += value
            if (j and column in (0, half)) or column > half:
                plane[mirror_row, (size - column) % size] += np.conj(value)


@njit(nogil=True, cache=True)
def _add(stamps, x, y, image):  # type: ignore[no-untyped-def]
    """Add stamps to an image, clipped at its edges."""
    size = stamps.shape[1]
    for i in range(stamps.shape[0]):
        first_row = int(np.floor(y[i] + 0.5)) - size // 2
        first = int(np.floor(x[i] + 0.5)) - size // 2
        for k in range(max(0, -first_row), min(size, image.shape[0] - first_row)):
            for j in range(max(0, -first), min(size, image.shape[1] - first)):
                image[first_row + k, first + j] += stamps[i, k, j]
