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
from roman_dms.simulation.drawing.sersic import STEPS, WIDEST
from roman_dms.simulation.drawing.stars import LIMIT, reach_by_rate
from roman_dms.simulation.drawing.wings import spread, spread_coarsely, wings_outside

SIZES = np.array([32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096])
"""Sides of stamps [pixel]; a galaxy that needs more is drawn on the last."""

SMOOTH = 96
"""Side of stamps beyond which the wings are added on coarse pixels [pixel]."""

BATCH = 1 << 18
"""Pixels of the stamps that a thread makes at a time."""

FAINTEST = 3e-4 / (2 * np.pi)
"""A stamp ends no nearer than where the surface brightness is 3e-4 of the mean in the ellipse
with half of the light, in lights a squared half-light radius.  Where that is a tenth of the
limit, it ends there."""

TABULATED = 128
"""Largest side of stamps for which the PSFs' transforms are tabulated; those of larger stamps are
interpolated from them [pixel]."""

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
        last = self.last(size)
        # the samples begin half of their width before the source
        back = np.exp(2j * np.pi * half / length * np.arange(-last, last + 1)).astype(np.complex64)
        along_x = scipy.fft.rfft(samples, length)[..., : last + 1] * back[last:]
        along_y = scipy.fft.fft(along_x, length, axis=-2, overwrite_x=True)
        kept = np.concatenate([along_y[..., length - last :, :], along_y[..., : last + 1, :]], -2)
        kept *= back[:, None] / np.float32(self.psf.oversample**2)
        waves: NDArray[np.complex64] = kept
        return waves

    def last(self, size: int) -> int:
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
        last = self.last(size)
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
        _spread_wings(x[chosen], y[chosen], rate[chosen], int(size), psf, image, workers)
        # neighbours share the transforms of their nodes in the cache
        chosen = chosen[np.argsort(nodes[chosen, 0], kind="stable")]
        maker = _Maker(transforms, int(size), nodes[chosen], workers)
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
) -> None:
    """Add the wings outside the stamps of one size, as if the galaxies were points."""
    reach = (psf.samples.shape[-1] - 1) // 2 / psf.oversample
    kernel = wings_outside(psf.wings, max(reach, size // 2 - 1))
    # far from a galaxy its light is faint and smooth
    (spread if size < SMOOTH else spread_coarsely)(x, y, rate, kernel, image, workers)


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
    fraction = limit * area / np.maximum(np.abs(rate), 1e-300)
    fraction = np.minimum(fraction / 4, np.maximum(fraction / 10, FAINTEST))
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

    def __init__(
        self, transforms: _Transforms, size: int, nodes: NDArray[np.int64], workers: int
    ) -> None:
        self.size = size
        self.last = transforms.last(size)
        self.cutoff = transforms.cutoff
        self.wings = transforms.wing_waves(size)
        used = np.unique(nodes)
        self.places = np.zeros(transforms.samples.shape[1], np.int64)
        self.places[used] = np.arange(len(used))
        self.base = min(size, TABULATED)
        with ThreadPoolExecutor(workers) as pool:
            waves = list(
                pool.map(lambda i: transforms.waves(transforms.samples[:, i], self.base), used)
            )
        self.waves = np.stack(waves, axis=1)

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
        offsets = np.stack([x - np.floor(x + 0.5), y - np.floor(y + 0.5)], axis=1)
        first, of_indices = sersic.between_indices(index)
        _fill_all(
            self.waves, self.places[nodes], shares, self.base / size, self.wings,
            sersic.curves(), first, of_indices,
            (shape * (2 * np.pi / size)).astype(np.float32),
            offsets, rate, self.cutoff, planes,
        )  # fmt: skip
        stamps: NDArray[np.float32] = scipy.fft.irfft2(
            planes, (size, size), overwrite_x=True, workers=1
        )
        return stamps


@njit(nogil=True, cache=True)
def _fill_all(  # type: ignore[no-untyped-def]
    waves, nodes, shares, ratio, wings, curves, first, of_indices, shape, offsets, rate, cutoff,
    planes,
):  # fmt: skip
    """Transforms of galaxies, each with its own PSF and profile."""
    for i in range(planes.shape[0]):
        psf = _mix(waves, nodes[i], shares[i])
        if ratio < 1:
            psf = _stretch(psf, ratio, wings.shape)
        curve = _mix_curves(curves, first[i], of_indices[i], shape[i], wings.shape[1])
        psf += wings
        _fill(psf, curve, shape[i], offsets[i], rate[i], cutoff, planes[i])


@njit(nogil=True, cache=True, fastmath={"contract"})
def _mix(planes, nodes, shares):  # type: ignore[no-untyped-def]
    """Weighted sum of planes (component, node, rows, columns)."""
    mixed = np.zeros(planes.shape[2:], planes.dtype)
    for k in range(mixed.shape[0]):
        for component in range(shares.shape[0]):
            for corner in range(shares.shape[1]):
                share = shares[component, corner]
                if share != 0:
                    row = planes[component, nodes[corner], k]
                    for j in range(mixed.shape[1]):
                        mixed[k, j] += share * row[j]
    return mixed


@njit(nogil=True, cache=True)
def _stretch(plane, ratio, shape):  # type: ignore[no-untyped-def]
    """Cubic interpolation of a transform at ``ratio`` times its frequencies' distances."""
    last = shape[1] - 1
    along_x = np.zeros((plane.shape[0], shape[1]), plane.dtype)
    for j in range(shape[1]):
        first, weights = _cubic(j * ratio, plane.shape[1])
        for k in range(plane.shape[0]):
            for i in range(4):
                along_x[k, j] += weights[i] * plane[k, first + i]
    stretched = np.zeros(shape, plane.dtype)
    for k in range(shape[0]):
        first, weights = _cubic((k - last) * ratio + plane.shape[0] // 2, plane.shape[0])
        for i in range(4):
            row = along_x[first + i]
            weight = weights[i]
            for j in range(shape[1]):
                stretched[k, j] += weight * row[j]
    return stretched


@njit(nogil=True, cache=True)
def _cubic(place, count):  # type: ignore[no-untyped-def]
    """The first of four of ``count`` samples around a place, and Lagrange's weights."""
    first = min(max(int(np.floor(place)) - 1, 0), count - 4)
    p = place - first
    a, b, c = p - 1, p - 2, p - 3
    weights = np.array([-a * b * c / 6, p * b * c / 2, -p * a * c / 2, p * a * b / 6])
    return first, weights.astype(np.float32)


@njit(nogil=True, cache=True, fastmath={"contract"})
def _mix_curves(curves, first, shares, shape, columns):  # type: ignore[no-untyped-def]
    """The transform of one profile, as far as the frequencies of its stamp reach."""
    farthest = np.sqrt(np.sqrt(2 * np.sum(shape**2)) * columns)
    curve = np.zeros(min(int(farthest * STEPS) + 3, curves.shape[1]), np.float32)
    for i in range(4):
        row = curves[first + i]
        share = np.float32(shares[i])
        for j in range(curve.size):
            curve[j] += share * row[j]
    return curve


@njit(nogil=True, cache=True, fastmath={"contract"})
def _fill(psf, curve, shape, offset, rate, cutoff, plane):  # type: ignore[no-untyped-def]
    """Transform of a galaxy, folded to the frequencies of its stamp.

    ``plane`` keeps the half of the frequencies along x that a real image needs.
    """
    size = plane.shape[0]
    half = size // 2
    last = psf.shape[1] - 1
    turn = -2 * np.pi / size
    along_x = np.exp(1j * turn * (half + offset[0]) * np.arange(last + 1)).astype(np.complex64)
    along_y = np.exp(1j * turn * (half + offset[1]) * np.arange(-last, last + 1))
    along_y *= rate
    profile = np.empty(last + 1, np.float32)
    for k in range(-last, last + 1):
        row, mirror = plane[k % size], plane[(-k) % size]
        phase = np.complex64(along_y[k + last])
        count = min(last, int(np.sqrt(max((cutoff * size) ** 2 - k * k, 0)))) + 1
        _look_up(curve, shape, np.float32(k), profile[:count])
        column = 0
        for j in range(count):
            value = psf[k + last, j] * profile[j] * (phase * along_x[j])
            if column <= half:
                row[column] += value
            if (j and column in (0, half)) or column > half:
                mirror[(size - column) % size] += np.conj(value)
            column = column + 1 if column + 1 < size else 0


@njit(nogil=True, cache=True, fastmath={"contract"})
def _look_up(curve, shape, k, profile):  # type: ignore[no-untyped-def]
    """The transform of a profile along one row of frequencies."""
    end = np.float32(min(WIDEST * STEPS, curve.size - 1) - 0.5)
    for j in range(profile.size):
        p = shape[0, 0] * np.float32(j) + shape[1, 0] * k
        q = shape[0, 1] * np.float32(j) + shape[1, 1] * k
        place = min(np.sqrt(np.sqrt(p * p + q * q)) * np.float32(STEPS), end)
        before = np.uint32(place)
        way = place - np.float32(before)
        profile[j] = curve[before] + way * (curve[before + 1] - curve[before])


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
