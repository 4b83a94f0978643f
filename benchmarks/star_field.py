"""Millions of stars, then thousands of galaxies, on one whole detector.

    python benchmarks/star_field.py --stars 5e6

The stars have the counts of a field in the bulge: their number grows by 10^0.3
a magnitude down to the 26.5th in F146.  The galaxies have indices of 0.5 to 4
and half-light radii of 0.1 to 1.5 arcsec, most of them small.  A sample of the
same sources is drawn by GalSim's Fourier method, with tables of the PSF at the
nearest node, to tell how many times faster we are; its time does not contain
that of making the PSFs, and neither does ours.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from roman_dms.psf.build import psf_grid
from roman_dms.simulation.drawing.image import draw
from roman_dms.simulation.sources import PixelSources

SIDE = 4088
ZERO_POINT = 27.6
"""AB magnitude of 1 electron / s in F146."""


def stars(count, rng):
    faintest, brightest = 26.5, 14.0
    span = 10 ** (-0.3 * (faintest - brightest))
    magnitude = faintest + np.log10(span + (1 - span) * rng.random(count)) / 0.3
    x, y = rng.uniform(-20, SIDE + 20, (2, count))
    rate = 10 ** (-0.4 * (magnitude - ZERO_POINT))
    wavelength = rng.uniform(1.3, 1.6, count)
    return PixelSources(x, y, rate, wavelength, np.zeros(count), np.zeros((count, 2, 2)))


def galaxies(count, rng):
    n = rng.uniform(0.5, 4, count)
    radius = np.clip(0.3 * np.exp(rng.normal(0, 0.6, count)), 0.1, 1.5) / 0.11
    q, angle = rng.uniform(0.2, 1, count), rng.uniform(0, np.pi, count)
    turn = np.moveaxis(
        np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), 2, 0
    )
    shape = turn * (radius[:, None] * np.stack([q**-0.5, q**0.5], axis=1))[:, None, :]
    magnitude = 25.5 + np.log10(1e-3 + (1 - 1e-3) * rng.random(count)) / 0.4
    x, y = rng.uniform(0, SIDE, (2, count))
    rate = 10 ** (-0.4 * (magnitude - ZERO_POINT))
    return PixelSources(x, y, rate, rng.uniform(1.3, 1.6, count), n, shape)


def timed(name, sources, psf, workers):
    """Draw twice, print the second, when nothing is left to compile; seconds of processor."""
    draw(sources[: len(sources) // 100 + 1], psf, (SIDE, SIDE), workers=workers)
    wall, cpu = time.perf_counter(), time.process_time()
    draw(sources, psf, (SIDE, SIDE), workers=workers)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(sources):9d} {name:9s} wall {wall:7.2f} s, CPU {cpu:7.2f} s, peak {peak:.2f} GiB:"
        f" {60 * len(sources) / wall:.3g} a minute, {len(sources) / wall:.0f} a second"
    )
    return cpu / len(sources)


def galsim_seconds(sources, psf, count):
    """Seconds that GalSim's Fourier drawing takes a source, with its usual accuracy."""
    import galsim

    node = psf.samples[len(psf.wavelengths) // 2, len(psf.nodes_y) // 2, len(psf.nodes_x) // 2]
    table = galsim.Image(node.astype(float) / psf.oversample**2, scale=0.11 / psf.oversample)
    effective = galsim.InterpolatedImage(table)
    began = time.process_time()
    for i in np.random.default_rng(0).choice(len(sources), min(count, len(sources)), False):
        source = effective * sources.rate[i]
        if sources.sersic[i] > 0:
            radius = np.sqrt(abs(np.linalg.det(sources.shape[i])))
            jacobian = (sources.shape[i] / radius).ravel()
            profile = galsim.Sersic(round(sources.sersic[i], 1), half_light_radius=radius * 0.11)
            source = galsim.Convolve(profile.transform(*jacobian), source)
        offset = sources.x[i] % 1 - 0.5, sources.y[i] % 1 - 0.5
        source.drawImage(scale=0.11, method="no_pixel", offset=offset)
    return (time.process_time() - began) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=float, default=5e6)
    parser.add_argument("--galaxies", type=int, default=3200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sample", type=int, default=200, help="sources that GalSim draws")
    options = parser.parse_args()
    psf = psf_grid("WFI07", "F146")
    rng = np.random.default_rng(2026)
    for name, sources in (
        ("galaxies", galaxies(options.galaxies, rng)),
        ("stars", stars(int(options.stars), rng)),
    ):
        ours = timed(name, sources, psf, options.workers)
        theirs = galsim_seconds(sources, psf, options.sample)
        print(
            f"{'':19s} processor a source: ours {1e6 * ours:.1f} us,"
            f" GalSim {1e6 * theirs:.0f} us: {theirs / ours:.0f} times faster"
        )


if __name__ == "__main__":
    main()
