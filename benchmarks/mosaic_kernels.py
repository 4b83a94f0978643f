"""Time to lay one exposure on a mosaic and to combine several, next to drizzle.

Run it where both packages are importable::

    python benchmarks/mosaic_kernels.py

An image of 1,100 x 1,100 pixels, turned by 17 degrees, is laid on 4 x 4 blocks.  Times are of
the CPU, in nanoseconds for each output pixel and exposure, the best of some runs that take
turns; drizzle makes one plane (light and weight), ours with variances makes five.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from drizzle.resample import Drizzle

from roman_dms.mosaics import kernels
from roman_dms.mosaics.combining import combined
from roman_dms.mosaics.geometry import BLOCK, Area, BlockMap, ToImage, block_map, blocks_of
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.warping import Warped, warp, warp_anew

SIZE, SIDE, RUNS = 1100, 4 * BLOCK, 3
WHOLE = Area(0, 0, SIDE, SIDE)
VARIANCES = ("var_poisson", "var_rnoise", "var_flat")


def image() -> InputImage:
    rng = np.random.default_rng(1)
    planes = rng.uniform(0.5, 2, (5, SIZE, SIZE)).astype(np.float32)
    named = dict(zip(VARIANCES, planes[2:], strict=True))
    return InputImage(Area(0, 0, SIZE, SIZE), planes[0], planes[1], named)


def turned(angle: float, scale: float) -> ToImage:
    cosine, sine = np.cos(np.radians(angle)) * scale, np.sin(np.radians(angle)) * scale
    middle, centre = WHOLE.centre[0], (SIZE - 1) / 2

    def to_image(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, v = middle - x, y - middle
        return centre + cosine * u - sine * v, centre + sine * u + cosine * v

    return to_image


def pixmap(scale: float, angle: float) -> np.ndarray:
    y, x = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    cosine, sine = np.cos(np.radians(angle)) / scale, np.sin(np.radians(angle)) / scale
    middle = WHOLE.centre[0]
    return np.stack([middle - (cosine * x + sine * y), middle - sine * x + cosine * y], -1)


def drizzled(exposure: InputImage, places: np.ndarray, pixfrac: float, scale: float) -> np.ndarray:
    drizzle = Drizzle(out_shape=WHOLE.shape, fillval=0.0)
    drizzle.add_image(
        exposure.data,
        1.0,
        places,
        weight_map=exposure.weight,
        pixfrac=pixfrac,
        pixel_scale_ratio=scale,
    )
    return drizzle.out_wht


def best(work: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Least CPU time of each, which take turns [s]."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(RUNS):
        for name, function in work.items():
            start = time.thread_time()
            function()
            times[name].append(time.thread_time() - start)
    return {name: min(taken) for name, taken in times.items()}


def compare(exposure: InputImage, scale: float, pixfrac: float, angle: float = 17.0) -> None:
    ways = [block_map(turned(angle, scale), block) for block in blocks_of(WHOLE)]
    maps = [way for way in ways if way is not None]
    places, kernel = pixmap(scale, angle), kernels.square(pixfrac)

    def ours(*, variances: bool) -> list[Warped]:
        return [warp(exposure, way, way.block, kernel, variances=variances) for way in maps]

    found = drizzled(exposure, places, pixfrac, scale)  # also a check that both do the same
    for warped in ours(variances=True):
        rows, columns = WHOLE.slices(warped.area)
        inner = np.abs(warped.weight - found[rows, columns])[4:-4, 4:-4]
        assert inner.max() < 1e-4 * found.max()
    covered = int((found > 0).sum())
    times = best(
        {
            "drizzle": lambda: drizzled(exposure, places, pixfrac, scale),
            "light": lambda: ours(variances=False),
            "all": lambda: ours(variances=True),
        }
    )
    each = {name: taken / covered * 1e9 for name, taken in times.items()}
    print(
        f"{scale:5.2f} {pixfrac:8.1f} {each['light']:16.1f} {each['all']:16.1f} "
        f"{each['drizzle']:12.1f} {each['drizzle'] / each['light']:8.1f} "
        f"{3 * each['drizzle'] / each['all']:8.1f}"
    )


def rest(exposure: InputImage) -> None:
    """What is done besides for each block."""
    block = Area(BLOCK, BLOCK, BLOCK, BLOCK)
    way: BlockMap | None = block_map(turned(17.0, 0.5), block)
    assert way is not None
    area, kernel = block.grown(8), kernels.square()
    warped = warp(exposure, way, area, kernel)
    window = way.window(area, exposure.data.shape, 2)
    assert window is not None
    share = window.rows * window.columns // 100
    rng = np.random.default_rng(2)
    rejected = np.stack(
        [
            rng.integers(window.y0, window.y0 + window.rows, share),
            rng.integers(window.x0, window.x0 + window.columns, share),
        ],
        axis=1,
    )
    times = best(
        {
            "warp": lambda: warp(exposure, way, area, kernel),
            "warp anew, 1 per cent rejected": lambda: warp_anew(
                warped, exposure, way, kernel, rejected
            ),
            "combine, each of 8": lambda: combined([warped] * 8, [1.0] * 8, block),
        }
    )
    times["combine, each of 8"] /= 8
    for name, taken in times.items():
        print(f"{name:32s} {taken / (block.rows * block.columns) * 1e9:6.1f} ns")


if __name__ == "__main__":
    exposure = image()
    print("scale  pixfrac  light, weight [ns]  with 3 var. [ns]  drizzle [ns]  faster: light, all")
    for scale, pixfrac in ((0.5, 1.0), (0.5, 0.8), (0.5, 0.5), (1.0, 1.0), (1.0, 0.8), (2.0, 1.0)):
        compare(exposure, scale, pixfrac)
    rest(exposure)
