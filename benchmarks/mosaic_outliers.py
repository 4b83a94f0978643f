"""Rates and speed of the rejection of outliers from mosaics, and of what goes before it.

    python -m benchmarks.mosaic_outliers [--fields 6]

GalSim's stars (Airy pattern, charge diffusion, pixel of 0.11 arcseconds) on dithered, rotated
exposures, warped by the drizzle package (square kernel, pixfrac 1) to pixels half as wide; skies
that differ, 1 % bad pixels, trails of 1 to 5 pixels with energies over two decades.

1. by number of exposures, F158, one star in 900 pixels: share of hit pixels above 6 sigma (of
   the pixel's own noise) that are rejected; of star cores (3 x 3 pixels) with a pixel clipped; of
   pixels of the sky; and stars of which two images lost a pixel.
2. by band, four exposures, only bright stars (1e4 to 1e6 electrons), misplaced by 0.03 pixel:
   hits found everywhere, and of those of 6.5 to 650 sigma within 6 pixels of a star; clipped cores;
   for the scale of the band and for others.
3. CPU time of a block of 480 x 480 with 8 images, and of the meshes of a whole detector.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.median import median_of
from roman_dms.mosaics.outliers import OutlierSettings, rejected, scale_at
from roman_dms.mosaics.sky_levels import sky_mesh
from roman_dms.mosaics.weights import inverse_variance, sky_noise
from tests.mosaics import dithered
from tests.mosaics.test_outliers import grid, hit_near_stars, inside, mask_of, picture_of, rates

BANDS = {"F062": 0.62, "F087": 0.87, "F106": 1.06, "F129": 1.29, "F158": 1.58, "F213": 2.13}


def fields(count, exposures, step, brightness, **options):
    random = np.random.default_rng(exposures)
    for seed in range(count):
        places = grid(step, random)
        fluxes = 10 ** brightness(random.random(places.shape[1]))
        yield dithered.exposures(
            exposures, seed + 50, places=places, fluxes=fluxes, bad=0.01, **options
        )


def told(found):
    hits, clipped, false, twice = np.mean(found, axis=0)
    return f"{100 * hits:8.2f} {100 * clipped:10.3f} {false:10.1e} {twice * len(found):8.0f}"


def table_of_counts(count):
    print("1. exposures   hits %  cores %   sky     twice")
    for exposures in (2, 3, 4, 6, 8):
        made = fields(count, exposures, 60, lambda u: 2.5 + 3 * u**2, rays=60, faintest=10)
        print(f"{exposures:12d} {told([rates(one) for one in made])}")


def table_of_bands(count):
    print("\n2. band, scale   hits %  cores %   sky     twice   near %")
    for band, wavelength in BANDS.items():
        options = {"wavelength": wavelength, "rays": 20, "faintest": 10, "shake": 0.03}
        made = list(fields(count, 4, 26, lambda u: 4 + 2 * u, **options))
        struck = list(fields(count, 4, 26, lambda u: 4 + 2 * u, wavelength=wavelength, shake=0.03))
        for seed, exposures in enumerate(struck):
            hit_near_stars(exposures, np.random.default_rng(seed))
        for factor in (0.8, 1.0, 1.25):
            high, low = scale_at(wavelength)
            settings = OutlierSettings(scale=(factor * high, factor * low))
            found = told([rates(one, settings) for one in made])
            near = 100 * np.mean(np.concatenate([found_of(one, settings) for one in struck]))
            print(f"{band:5} {factor * high:6.2f} {found} {near:8.1f}")


def found_of(exposures, settings):
    """Which of the hits in exposures are found."""
    picture = picture_of(exposures)
    return np.concatenate([
        mask_of(one, picture, settings=settings)[(one.hits > 0) & inside(one)] for one in exposures
    ])  # fmt: skip


def cpu(work, times=5):
    work()
    start = time.process_time()
    for _ in range(times):
        work()
    return 1e3 * (time.process_time() - start) / times


def table_of_times():
    (made,) = fields(1, 8, 60, lambda u: 2.5 + 3 * u**2, rays=60)
    light, weight = (
        np.stack(of)
        for of in zip(*(dithered.warped(one.image, one.to_image) for one in made), strict=True)
    )
    levels, noise = [one.level for one in made], np.full(8, dithered.SKY)
    picture = median_of(light, weight, levels, noise=noise)

    def reject():
        for one in made:
            rejected(
                one.image, one.way, picture, dithered.AREA, dithered.BLOCK, one.level,
                dithered.SKY**2, 1.0,
            )  # fmt: skip

    print("\n3. CPU time [ms]")
    print(f"median, 8 images    {cpu(lambda: median_of(light, weight, levels, noise=noise)):7.1f}")
    print(f"rejection, 8 images {cpu(reject):7.1f}")
    random = np.random.default_rng(1)
    data = random.normal(5, 1, (4088, 4088)).astype(np.float32)
    usable = random.random(data.shape) > 0.02
    variances = {"var_poisson": np.abs(data) / 5, "var_rnoise": np.ones_like(data)}
    whole = Area(0, 0, 4088, 4088)
    sky = sky_noise(data, variances, usable)
    print(f"sky mesh, 4088^2    {cpu(lambda: sky_mesh(data, usable)):7.1f}")
    print(f"sky noise, 4088^2   {cpu(lambda: sky_noise(data, variances, usable)):7.1f}")
    print(f"weights, 4088^2     {cpu(lambda: inverse_variance(sky, whole, usable, 1.0)):7.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=6, help="fields for each line of the tables")
    arguments = parser.parse_args()
    table_of_counts(arguments.fields)
    table_of_bands(max(1, arguments.fields // 2))
    table_of_times()


if __name__ == "__main__":
    main()
