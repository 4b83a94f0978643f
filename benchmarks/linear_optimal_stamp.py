"""What a linear-optimal stamp costs, and what it gives, against drizzle on the same inputs.

    python -m benchmarks.linear_optimal_stamp [--images 2 4 8] [--size 32]

GalSim's star on dithered, rotated exposures (pixel of 0.11 arcsec) of F158, pixels of the stamp
half as wide, target a Gaussian of 0.22 arcsec.  CPU time in seconds per square arcsecond and
milliseconds per output pixel; drizzle is the package's, square kernel, pixfrac 1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from roman_dms.mosaics.geometry import Area, block_map
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.linear_optimal import linear_optimal
from roman_dms.mosaics.psf_overlaps import Gaussian, PixelResponse
from roman_dms.mosaics.stamp import StampInput, StampSettings
from tests.mosaics import dithered

SCALE = 0.055
FWHM = 0.22 / SCALE


def exposures(count: int, area: Area, star: tuple[float, float]) -> list[tuple[StampInput, Any]]:
    place = np.arange(-56, 57) / 4
    samples = dithered.star()(place, place)
    made = []
    for to_image in dithered.to_images(count, np.random.default_rng(5)):
        way = block_map(to_image, area, 20)
        scene = np.zeros((dithered.SIDE, dithered.SIDE))
        dithered.add_star(scene, *(float(at) for at in to_image(*star)), 1.0)
        scene *= abs(np.linalg.det(way.jacobian))
        one = np.ones(scene.shape, np.float32)
        window = Area(0, 0, dithered.SIDE, dithered.SIDE)
        image = InputImage(window, scene.astype(np.float32), one, {"var_rnoise": one})
        made.append((StampInput(image, way, PixelResponse(samples, 4, way.jacobian)), to_image))
    return made


def cpu(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--size", type=int, default=32)
    options = parser.parse_args()
    area = Area(225, 225, options.size, options.size)
    star = 225.3 + options.size / 2, 224.8 + options.size / 2
    settings = StampSettings(target=Gaussian(FWHM), radius=0.9 / SCALE)
    linear_optimal([one for one, _ in exposures(1, area, star)], area, settings)  # compiles
    print("images   s / arcsec2   ms / pixel   drizzle s / arcsec2    ratio   leakage   noise")
    for count in options.images:
        made = exposures(count, area, star)
        stamp, spent = cpu(lambda made=made: linear_optimal([i for i, _ in made], area, settings))
        drizzled = cpu(lambda made=made: [dithered.warped(i.image, to) for i, to in made[:1]])[1]
        pixels = area.rows * area.columns
        per_area = spent / (pixels * SCALE**2)
        side = dithered.SIDE * 2 * SCALE
        other = drizzled * count / side**2
        print(
            f"{count:6d} {per_area:13.3f} {1e3 * spent / pixels:12.3f} {other:21.1e} "
            f"{per_area / other:8.0f} {np.median(stamp.leakage):9.1e} {np.median(stamp.noise):7.3f}"
        )


if __name__ == "__main__":
    main()
