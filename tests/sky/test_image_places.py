"""Where the pixels of a mosaic lie on an image."""

from __future__ import annotations

import numpy as np

from roman_dms.sky.image_places import fitted_map, place_on_image


def to_image(x, y):
    """A turned and distorted image that ends within the mosaic."""
    u, v = x - 2500.0, y - 1500.0
    column = 100 + 0.45 * u - 0.2 * v + 1e-6 * u * u - 3e-10 * u * v * v
    row = 200 + 0.21 * u + 0.44 * v - 2e-6 * u * v
    far = (column < -700) | (row < -700)
    return np.where(far, np.nan, column), np.where(far, np.nan, row)


def test_places_and_offsets_are_those_of_the_image():
    fitted = fitted_map(to_image, (4000, 5000))
    rng = np.random.default_rng(3)
    for x, y in rng.random((30, 2)) * (2400, 2000) + (2600, 1900):
        column, row, matrix = place_on_image(fitted, (4000, 5000), x, y)
        exact = np.array(to_image(x, y))
        assert np.abs(exact - (column, row)).max() < 1e-6
        by_x = np.subtract(to_image(x + 0.5, y), to_image(x - 0.5, y))
        by_y = np.subtract(to_image(x, y + 0.5), to_image(x, y - 0.5))
        assert np.abs(matrix - np.stack([by_x, by_y], axis=1)).max() < 1e-7
