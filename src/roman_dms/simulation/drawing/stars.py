"""Millions of points on an image.

Near a point, the local PSF is drawn from tables of its sub-pixel phases
(`phases`), interpolated between nodes and colours.  The wings of all points
together come from one mean kernel (`wings`).  How far the tables are used grows
with a point's rate, to where the two differ by less than a limit.  No light is
lost, however faint the point.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.psf.grid import PsfGrid
from roman_dms.simulation.drawing.phases import LANES, reach, tabulate
from roman_dms.simulation.drawing.wings import spread, wings_beyond

LIMIT = 5e-4
"""Error a pixel that a single point may have by the PSF of its wings [electron / s]; the
noise of a sky of 0.5 electron / s in an exposure of 300 s is 0.04 electron / s."""

INNER, OUTER = 3.0, 7.0
"""Radii between which the mean wings rise [pixel]."""

BAND = 256
"""Rows that one thread works on at a time; more than the samples of a PSF reach."""

BLOCK = 256
"""Columns of a block, in which points with the same phase follow each other and share the PSF
outside its core."""


def draw_points(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rate: NDArray[np.float64],
    weights: NDArray[np.float32],
    psf: PsfGrid,
    image: NDArray[np.float32],
    workers: int = 2,
    limit: float = LIMIT,
) -> None:
    """Add points to an image.

    The result does not depend on the number of workers.

    Parameters
    ----------
    x, y
        (n,) columns and rows [pixel]; places off the image give what falls on it.
    rate
        (n,) light of the whole point [electron / s].
    weights
        (n, component) shares of the PSF's components (`PsfGrid.weights`).
    psf
        Effective PSFs in the pixels of the image.
    image
        (rows, columns) [electron / s], changed.
    workers
        Threads.
    limit
        Error a pixel that the mean wings may bring in [electron / s].
    """
    if not x.size:
        return
    kernel = wings_beyond(psf.wings, INNER, OUTER)
    spread(x, y, rate, kernel, image, workers)
    # the hole in the wings is filled however faint a point is: light that many share adds up
    radii = np.maximum(_radii(rate, psf, kernel, limit), min(int(OUTER), reach(psf)))
    order, bounds, key = _in_order(x, y, radii, psf.oversample, image.shape)
    if not order.size:
        return
    x, y, radii = x[order], y[order], radii[order]
    light = weights[order] * rate[order, None].astype(np.float32)
    phases = tabulate(psf, int(radii.max()), workers)
    around = _around(kernel, phases.half + LANES)

    def draw_band(band: int) -> None:
        # the stamps of the bands before and after reach into this one
        near = slice(bounds[max(band - 1, 0)], bounds[min(band + 2, len(bounds) - 1)])
        top = band * BAND
        _draw(
            x[near], y[near], light[near], radii[near], key[near], phases.core, phases.wide,
            psf.oversample, psf.nodes_x, psf.nodes_y, around, image[top : top + BAND], top,
            image.shape,
        )  # fmt: skip

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(draw_band, range(len(bounds) - 1)))


def _around(kernel: NDArray[np.float32], half: int) -> NDArray[np.float32]:
    """The middle of a kernel, with zeros around where it is too small: (2 half + 1)^2."""
    wide = np.pad(kernel, max(0, half - kernel.shape[0] // 2))
    middle = wide.shape[0] // 2
    inner = slice(middle - half, middle + half + 1)
    return np.ascontiguousarray(wide[inner, inner])


def _radii(
    rate: NDArray[np.float64], psf: PsfGrid, kernel: NDArray[np.float32], limit: float
) -> NDArray[np.int16]:
    """Pixels around each source to where its PSF differs from a kernel by the limit.

    They are compared half a pixel off, where the kernel's interpolation is worst.
    """
    half, o = reach(psf), psf.oversample
    centre = (psf.samples.shape[-1] - 1) // 2
    cut = slice(centre - half * o + o // 2, centre + half * o, o)
    wide = _around(kernel, half)
    u = (o // 2) / o
    between = (1 - u) * wide[:-1] + u * wide[1:]
    between = (1 - u) * between[:, :-1] + u * between[:, 1:]
    difference = psf.samples[..., cut, cut].astype(np.float64) - between
    error = np.sqrt(np.mean(difference**2, axis=(1, 2)).max(axis=0))
    offset = np.arange(2 * half) - half + u
    distance = np.hypot(offset, offset[:, None])
    # spikes stand out of their ring: its worst pixel decides
    worst = np.array([np.max(error[distance >= radius], initial=0) for radius in range(half + 1)])
    # a point may reach no farther than the first radius that allows for its rate
    allowed = limit / np.maximum(worst, 1e-30)
    return np.minimum(np.searchsorted(allowed, np.abs(rate)), half).astype(np.int16)


def reach_by_rate(rate: NDArray[np.float64], psf: PsfGrid, limit: float) -> NDArray[np.int16]:
    """Pixels around each source to where its PSF falls below a limit [electron / s]."""
    return _radii(rate, psf, np.zeros((1, 1), np.float32), limit)


def _in_order(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radii: NDArray[np.int16],
    oversample: int,
    shape: tuple[int, ...],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """The points whose stamps meet the image, by band, block and phase.

    Returns
    -------
    tuple
        Their indices; (band + 1,) where each band begins among them; a number for the block
        and phase of each.
    """
    rows, columns = shape
    bands, blocks = -(-rows // BAND), -(-columns // BLOCK)
    key = _keys(x, y, radii, oversample, rows, columns)
    per_band = blocks * oversample**2
    order, firsts = _sorted(key, bands * per_band + 1)
    order = order[: firsts[-1]]
    return order, firsts[::per_band], key[order]


@njit(nogil=True, cache=True)
def _sorted(key, count):  # type: ignore[no-untyped-def]
    """Indices that sort small keys, equal ones in their order, and where each key begins."""
    firsts = np.zeros(count + 1, np.int64)
    for i in range(key.size):
        firsts[key[i] + 1] += 1
    firsts = np.cumsum(firsts)
    place = firsts.copy()
    order = np.empty(key.size, np.int64)
    for i in range(key.size):
        order[place[key[i]]] = i
        place[key[i]] += 1
    return order, firsts[:-1]


@njit(nogil=True, cache=True)
def _keys(x, y, radii, oversample, rows, columns):  # type: ignore[no-untyped-def]
    """Place of each point in the order; those off the image come last."""
    bands = (rows + BAND - 1) // BAND
    blocks = (columns + BLOCK - 1) // BLOCK
    key = np.empty(x.size, np.int32)
    for i in range(x.size):
        column, row, phase, _, _ = _phase(x[i], y[i], oversample)
        if (
            column + radii[i] < 0
            or column - radii[i] >= columns
            or row + radii[i] < 0
            or row - radii[i] >= rows
        ):
            key[i] = bands * blocks * oversample**2
            continue
        band = min(max(row, 0), rows - 1) // BAND
        block = min(max(column, 0), columns - 1) // BLOCK
        key[i] = (band * blocks + block) * oversample**2 + phase
    return key


@njit(nogil=True, cache=True)
def _between(nodes, place):  # type: ignore[no-untyped-def]
    """Node before a place, node after it, and how far it is between them, 0 to 1."""
    if nodes.size == 1 or place <= nodes[0]:
        return 0, 0, 0.0
    if place >= nodes[-1]:
        return nodes.size - 1, nodes.size - 1, 0.0
    after = 1
    while nodes[after] < place:
        after += 1
    return after - 1, after, (place - nodes[after - 1]) / (nodes[after] - nodes[after - 1])


@njit(nogil=True, cache=True, fastmath={"contract"})
def _draw(  # type: ignore[no-untyped-def]
    x, y, light, radii, key, core, wide, oversample, nodes_x, nodes_y, around, band, top, shape
):
    """Add the local PSF, less the mean wings, to the rows of an image from ``top`` on."""
    inner = core.shape[3] // 2
    line = np.empty(wide.shape[5], np.float32)
    mixed = np.empty(wide.shape[2:], np.float32)
    stop_group, mixed_to, largest = 0, 0, 0
    for i in range(x.size):
        if i >= stop_group:
            stop_group, largest = _group(key, radii, i)
            mixed_to = 0
        column, row, phase, tx, ty = _phase(x[i], y[i], oversample)
        radius = int(radii[i])
        if row + radius < top or row - radius >= top + band.shape[0]:
            continue
        if largest > inner and mixed_to == 0:
            # the middle of the block, whichever point comes first
            middle_x = (min(max(column, 0), shape[1] - 1) // BLOCK + 0.5) * BLOCK
            middle_y = (min(max(row, 0), shape[0] - 1) // BAND + 0.5) * BAND
            nodes, shares = _corners(middle_x, middle_y, nodes_x, nodes_y)
            _mix(wide[phase], nodes, shares, largest, mixed)
            mixed_to = largest
        terms = _terms(tx, ty)
        split = (
            row + LANES - int(np.floor(y[i])), column + LANES - int(np.floor(x[i])),
            np.float32(y[i] - np.floor(y[i])), np.float32(x[i] - np.floor(x[i])),
        )  # fmt: skip
        _draw_wide(
            light[i], radius, inner, mixed, terms, around, split, row - top, column, line, band
        )
        nodes, shares = _corners(x[i], y[i], nodes_x, nodes_y)
        _draw_core(
            light[i], radius, core[phase], nodes, shares, terms, row - top, column, line, band
        )


@njit(nogil=True, cache=True)
def _phase(x, y, oversample):  # type: ignore[no-untyped-def]
    """Pixel, phase and what is left, -1 to 1, of a place."""
    fine_x = int(np.floor(x * oversample + 0.5)) + oversample // 2
    fine_y = int(np.floor(y * oversample + 0.5)) + oversample // 2
    phase = (fine_y % oversample) * oversample + fine_x % oversample
    tx = np.float32(2 * (x * oversample - fine_x + oversample // 2))
    ty = np.float32(2 * (y * oversample - fine_y + oversample // 2))
    return fine_x // oversample, fine_y // oversample, phase, tx, ty


@njit(nogil=True, cache=True)
def _terms(x, y):  # type: ignore[no-untyped-def]
    """Products of Chebyshev polynomials, in the order of CORE_TERMS."""
    # float32 throughout: whole numbers would make the loops that use these float64
    one, two, three = np.float32(1), np.float32(2), np.float32(3)
    x2, y2 = two * x * x - one, two * y * y - one
    x3, y3 = (two * x2 + two - three) * x, (two * y2 + two - three) * y
    return one, x, y, x2, x * y, y2, x3, x2 * y, x * y2, y3


@njit(nogil=True, cache=True, fastmath={"contract"})
def _draw_wide(  # type: ignore[no-untyped-def]
    light, radius, inner, mixed, terms, around, split, row, column, line, band
):
    """Add one point's PSF outside its core, and take the mean wings off everywhere."""
    half = mixed.shape[1] // 2
    total = np.sum(light)
    for k in range(max(-radius, -row), min(radius + 1, band.shape[0] - row)):
        width = int(np.sqrt(np.float32(radius * radius - k * k)))
        start, stop = max(-width, -column), min(width + 1, band.shape[1] - column)
        if stop <= start:
            continue
        first = (start + half) // LANES * LANES
        count = (stop + half - first + LANES - 1) // LANES * LANES
        _subtract(
            around, split[0] + half + k, split[1] + first, split[2], split[3], total, line, count
        )
        if radius > inner:
            for component in range(light.size):
                if light[component] != 0:
                    _add_wide(
                        mixed[component, k + half, :, first : first + count],
                        light[component], terms, line, count,
                    )  # fmt: skip
        for j in range(start, stop):
            band[row + k, column + j] += line[j + half - first]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _draw_core(  # type: ignore[no-untyped-def]
    light, radius, core, nodes, shares, terms, row, column, line, band
):
    """Add one point's PSF in its core."""
    inner = core.shape[2] // 2
    reach_y = min(radius, inner)
    for k in range(max(-reach_y, -row), min(reach_y + 1, band.shape[0] - row)):
        width = min(int(np.sqrt(np.float32(radius * radius - k * k))), inner)
        line[:LANES] = 0
        for corner in range(4):
            for component in range(light.size):
                share = shares[corner] * light[component]
                if share != 0:
                    _add_core(core[nodes[corner], component, k + inner], share, terms, line)
        for j in range(max(-width, -column), min(width + 1, band.shape[1] - column)):
            band[row + k, column + j] += line[j + inner]


@njit(nogil=True, cache=True)
def _group(key, radii, first):  # type: ignore[no-untyped-def]
    """End of the points with the same block and phase as the first, and their largest radius."""
    stop, largest = first, 0
    while stop < key.size and key[stop] == key[first]:
        largest = max(largest, int(radii[stop]))
        stop += 1
    return stop, largest


@njit(nogil=True, cache=True)
def _corners(x, y, nodes_x, nodes_y):  # type: ignore[no-untyped-def]
    """The four nodes around a place, and their shares."""
    left, right, u = _between(nodes_x, x)
    below, above, v = _between(nodes_y, y)
    n = nodes_x.size
    u, v, one = np.float32(u), np.float32(v), np.float32(1)
    nodes = (below * n + left, below * n + right, above * n + left, above * n + right)
    shares = ((one - u) * (one - v), u * (one - v), (one - u) * v, u * v)
    return nodes, shares


@njit(nogil=True, cache=True, fastmath={"contract"})
def _mix(tables, nodes, shares, radius, mixed):  # type: ignore[no-untyped-def]
    """Mix tables (node, component, row, term, column) of four nodes, within a radius."""
    width = mixed.shape[2] * mixed.shape[3]
    half = mixed.shape[1] // 2
    for component in range(mixed.shape[0]):
        for row in range(half - radius, half + radius + 1):
            out = mixed[component, row].reshape(width)
            a = tables[nodes[0], component, row].reshape(width)
            b = tables[nodes[1], component, row].reshape(width)
            c = tables[nodes[2], component, row].reshape(width)
            d = tables[nodes[3], component, row].reshape(width)
            for i in range(width):
                out[i] = shares[0] * a[i] + shares[1] * b[i] + shares[2] * c[i] + shares[3] * d[i]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _subtract(around, k, j, v, u, total, line, count):  # type: ignore[no-untyped-def]
    """Begin a line with the mean wings, interpolated, taken off."""
    one = np.float32(1)
    a, b = -total * (one - u) * (one - v), -total * u * (one - v)
    c, d = -total * (one - u) * v, -total * u * v
    here, before = around[k, j : j + count], around[k, j - 1 : j - 1 + count]
    below, diagonal = around[k - 1, j : j + count], around[k - 1, j - 1 : j - 1 + count]
    for i in range(count):
        line[i] = a * here[i] + b * before[i] + c * below[i] + d * diagonal[i]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add_wide(table, share, terms, line, count):  # type: ignore[no-untyped-def]
    """Add the terms outside the core, (term, column), to ``count`` columns."""
    b, c = share * terms[1], share * terms[2]
    value, slope_x, slope_y = table[0], table[1], table[2]
    for i in range(count):
        line[i] += share * value[i] + b * slope_x[i] + c * slope_y[i]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add_core(table, share, terms, line):  # type: ignore[no-untyped-def]
    """Add the terms of the core, (term, column)."""
    a, b, c, d, e = share, share * terms[1], share * terms[2], share * terms[3], share * terms[4]
    f, g, h = share * terms[5], share * terms[6], share * terms[7]
    p, q = share * terms[8], share * terms[9]
    flat = table.reshape(10 * LANES)
    for i in range(LANES):
        line[i] += (
            a * flat[i]
            + b * flat[i + LANES]
            + c * flat[i + 2 * LANES]
            + d * flat[i + 3 * LANES]
            + e * flat[i + 4 * LANES]
            + f * flat[i + 5 * LANES]
            + g * flat[i + 6 * LANES]
            + h * flat[i + 7 * LANES]
            + p * flat[i + 8 * LANES]
            + q * flat[i + 9 * LANES]
        )
