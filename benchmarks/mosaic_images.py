"""L2 images of stars drawn in closed form, and sums on mosaics of them."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.interpolate import RectBivariateSpline
from scipy.special import erf

from roman_dms.formats.exposures import read_rate_image
from roman_dms.formats.products import read_product
from roman_dms.sky.tangent import TangentPlane

SIGMA = 0.6
"""Of the Gaussians [pixel]."""
SKY = 0.12
"""Surface brightness of the sky in drawn images [MJy / sr]."""
STAMP = 8
"""Half of the square that a Gaussian is drawn into [pixel]."""


class Image:
    """One exposure: its file, and where stars fall."""

    def __init__(self, path, truth):
        self.path = path
        rate = self.rate
        self.meta, self.shape = rate.meta, rate.data.shape
        wcs = self.wcs = self.meta["wcs"]
        rows, columns = self.shape
        x, y = wcs.invert(truth["ra"], truth["dec"], with_bounding_box=False)
        self.inside = (x > 20) & (x < columns - 20) & (y > 20) & (y < rows - 20)
        self.x, self.y = np.where(self.inside, x, 100.0), np.where(self.inside, y, 100.0)
        self.per_rate = self.meta["photometry.conversion_megajanskys"]
        self.nominal = self.meta["photometry.pixel_area"]
        self.areas = self._areas(rows, columns)

    @property
    def rate(self):
        """The product, read anew."""
        return read_rate_image(self.path)

    def _areas(self, rows, columns):
        """Solid angle of each pixel, by its corners [nominal pixel]."""
        x, y = np.arange(-0.5, columns + 66, 66), np.arange(-0.5, rows + 66, 66)
        corners = np.stack([self._vectors(*np.meshgrid(x + dx, y + dy))
                            for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1))])  # fmt: skip
        cross = np.cross(corners[3] - corners[0], corners[2] - corners[1])
        nodes = np.linalg.norm(cross, axis=-1) / 2 / self.nominal
        areas = RectBivariateSpline(y + 0.5, x + 0.5, nodes)(np.arange(rows), np.arange(columns))
        return areas.astype(np.float32)

    def _vectors(self, x, y):
        lon, lat = np.radians(self.wcs(x, y, with_bounding_box=False))
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)

    def drawn(self, rates):
        """Gaussians of stars with count rates on the sky [DN / s], without noise."""
        data = SKY * self.areas / self.per_rate
        offsets = np.arange(-STAMP, STAMP + 1)
        profiles = []
        for place in (self.x, self.y):
            edges = np.round(place)[:, None] + offsets - place[:, None]
            steps = erf(np.stack([edges - 0.5, edges + 0.5]) / (np.sqrt(2) * SIGMA))
            profiles.append((steps[1] - steps[0]) / 2)
        light = np.where(self.inside, rates, 0)[:, None, None] * (
            profiles[1][:, :, None] * profiles[0][:, None, :]
        )
        columns, rows = (np.round(axis).astype(int)[:, None] + offsets for axis in (self.x, self.y))
        np.add.at(data, (rows[:, :, None], columns[:, None, :]), light)
        return data

    def with_noise(self, data, random=None):
        """An image of those pixels, with variances that fit them, and with noise perhaps."""
        sky = SKY * self.areas / self.per_rate
        photons = np.float32(9e-4) * (data / sky)
        reading = np.full(data.shape, 7e-4)
        if random is not None:
            data = data + random.normal(size=data.shape) * np.sqrt(photons + reading)
        rate = self.rate
        return dataclasses.replace(
            rate, data=data.astype(np.float32), dq=np.zeros_like(rate.dq),
            var_poisson=photons.astype(np.float32), var_rnoise=reading.astype(np.float32),
            err=np.sqrt(photons + reading).astype(np.float32),
        )  # fmt: skip


class Combined:
    """A mosaic, and sums on it."""

    def __init__(self, path):
        product = read_product(path)
        self.data, self.err = product.data, product.err
        self.wcs = product.meta["wcs"]
        plane = TangentPlane.of_wcsinfo(product.meta["wcsinfo"])
        self.areas = plane.pixel_areas(self.data.shape).astype(float)
        self.ours = product.extras["roman_dms"]

    def places(self, ra, dec):
        """Columns and rows of positions."""
        return self.wcs.invert(ra, dec, with_bounding_box=False)


def within(x, y, shape, margin):
    """Which places have so many pixels around them on an image."""
    rows, columns = shape
    return (x > margin) & (x < columns - 1 - margin) & (y > margin) & (y < rows - 1 - margin)


def cut(plane, x, y, half):
    """(n, 2 half + 1, 2 half + 1) squares around places, and offsets from them."""
    steps = np.arange(-half, half + 1)
    columns, rows = (np.round(axis).astype(int)[:, None] + steps for axis in (x, y))
    square = plane[rows[:, :, None], columns[:, None, :]].astype(float)
    return square, columns - x[:, None], rows - y[:, None]


def sums(data, areas, x, y, half):
    """Flux in squares around places, and the place of its centre there."""
    square, columns, rows = cut((data - SKY) * areas, x, y, half)
    flux = square.sum((1, 2))
    dx = (square.sum(1) * columns).sum(1) / flux
    dy = (square.sum(2) * rows).sum(1) / flux
    return flux, dx, dy


COLUMNS = ("image", "row", "column")


def rejected_keys(one):
    """Of the pixels that a mosaic says were rejected."""
    table = one.ours["rejected_pixels"]
    return keys(np.column_stack([table[name] for name in COLUMNS]))


def keys(places):
    """One number for each (image, row, column)."""
    image, row, column = np.asarray(places, np.int64).T
    return (image * 8192 + row) * 8192 + column
