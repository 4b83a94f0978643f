"""Small exposures and their maps, for tests of the mosaics."""

from __future__ import annotations

import numpy as np

from roman_dms.mosaics.geometry import Area, BlockMap, ToImage, block_map
from roman_dms.mosaics.images import InputImage

SIZE = 96
BLOCK = Area(0, 0, 96, 96)


def turned(
    angle: float,
    scale: float,
    *,
    block: Area = BLOCK,
    bend: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    size: int = SIZE,
) -> ToImage:
    """From a mosaic to an image: mirrored as the sky is, turned [deg], bent [1 / pixel]."""
    cosine, sine = np.cos(np.radians(angle)) * scale, np.sin(np.radians(angle)) * scale
    middle = (size - 1) / 2

    def to_image(x, y):
        u, v = -(x - block.centre[0]), y - block.centre[1]
        x1, y1 = cosine * u - sine * v, sine * u + cosine * v
        return (
            middle + shift[0] + x1 + bend * (x1 * x1 + 0.3 * x1 * y1),
            middle + shift[1] + y1 + bend * (y1 * y1 - 0.2 * x1 * y1 + 0.5 * x1 * x1),
        )

    return to_image


def way(angle: float = 17.0, scale: float = 0.5, **also) -> BlockMap:
    block = also.get("block", BLOCK)
    found = block_map(turned(angle, scale, **also), block)
    assert found is not None
    return found


def noise_image(seed: int, size: int = SIZE) -> InputImage:
    """Values, weights and variances that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    shape = (size, size)
    weight = rng.uniform(0.5, 2, shape).astype(np.float32)
    weight[rng.random(shape) < 0.03] = 0
    variances = {name: rng.uniform(0.5, 2, shape).astype(np.float32) for name in ("var_a", "var_b")}
    data = rng.normal(10, 1, shape).astype(np.float32)
    return InputImage(Area(0, 0, size, size), data, weight, variances)


def image_of(data, variance: float = 1.0) -> InputImage:
    """Of one weight."""
    data = np.asarray(data, np.float32)
    window = Area(0, 0, data.shape[1], data.shape[0])
    return InputImage(window, data, np.ones_like(data), {"var_a": np.full_like(data, variance)})
