"""Empirical PSFs from dithered images of simulated stars, next to the PSF that drew them.

    rdms simulate scene --ra 268.5 --dec -29.2 --size 0.16 --stars bulge --star-count 60000 \
        --no-galaxies -o scene.parquet
    rdms simulate plan --ra 268.5 --dec -29.2 --aim WFI01 --dithers 8 --pattern sub -o plan.sim.ecsv
    rdms simulate visit plan.sim.ecsv --scene scene.parquet -o images --level 2 --any-sun-angle \
        --store STORE
    python benchmarks/accuracy_empirical_psf.py images/*_cal.asdf --scene scene.parquet \
        --store STORE

Built in four ways: from the optical model that drew the stars; from one that is wrong (jitter of
0.020 arcsec, defocus of 0.02 micron); from a plain Gaussian; and with nothing known of the stars'
colours.  Printed are ellipticity and size (adaptive moments, GalSim) at 25 places, and then, for
stars that were not used, of three spectra, the flux that a fit finds and by how much places go
with the pixel phase, before and after.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import galsim
import numpy as np
from astropy.table import Table

from roman_dms.formats.exposures import read_rate_image
from roman_dms.formats.reference_files import read_reference
from roman_dms.instrument.throughput import effective_area, wavelengths
from roman_dms.products.reference import Ipc
from roman_dms.psf.build import psf_grid
from roman_dms.psf.capacitance import with_capacitance
from roman_dms.psf.empirical.build import Settings
from roman_dms.psf.empirical.fitting import StarFits, fit_stars
from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.stamps import Stamps
from roman_dms.psf.empirical.starting import cutoff_frequency, gaussian_grid
from roman_dms.psf.steps.empirical import build_empirical
from roman_dms.references.store import ReferenceStore, plain
from roman_dms.simulation.drawing.image import draw
from roman_dms.simulation.sources import PixelSources
from roman_dms.simulation.steps.scene_files import read_scene

PLACES = np.linspace(200, 3888, 5)
SPECTRA = {"blue, 20000 K": 20000.0, "solar, 5770 K": 5770.0, "red, 3200 K": 3200.0}
HALF = 8
FLUX = 1e5


def as_recorded(grid, meta, store):
    """The PSF with the interpixel capacitance of the file that the image names, if it does."""
    name = meta.get("ref_file.ipc")
    if name in (None, "N/A"):
        return grid
    ipc = read_reference(ReferenceStore(store).reference(plain(name)))
    assert isinstance(ipc, Ipc)
    return with_capacitance(grid, ipc.data)


def star_table(scene_file, detector, element):
    scene = read_scene(scene_file)
    scene = scene.select(np.flatnonzero(np.asarray(scene.table["type"]) == "PSF"))
    return Table({
        "ra": np.asarray(scene.table["ra"]),
        "dec": np.asarray(scene.table["dec"]),
        "wavelength": scene.wavelengths(detector, element),
    })  # fmt: skip


def mean_wavelength(temperature, detector, element):
    """Of the photons of a black body [micron]."""
    waves, area = wavelengths(detector), effective_area(detector, element)
    photons = area * waves**-4 / np.expm1(14387.77 / (waves * temperature))
    return float((photons * waves).sum() / photons.sum())


def shape(samples):
    half = samples.shape[0] // 2
    core = np.ascontiguousarray(samples[half - 32 : half + 33, half - 32 : half + 33], dtype=float)
    found = galsim.hsm.FindAdaptiveMom(galsim.Image(core))
    return np.array([found.observed_shape.e1, found.observed_shape.e2, found.moments_sigma])


def shapes(psf, truth):
    wavelength = float(psf.grid.wavelengths[0])
    off = []
    for y in PLACES:
        for x in PLACES:
            found, expected = (shape(g.at(x, y, wavelength)) for g in (psf.grid, truth))
            off.append([*(found[:2] - expected[:2]), found[2] / expected[2] - 1])
    return np.array(off)


def stars_of(truth, wavelength, rng, count=900):
    """Noiseless stars, cut out, and their true places."""
    per_side = int(np.sqrt(count))
    at = np.linspace(100, 3988, per_side)
    places = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2) + rng.uniform(-20, 20, (count, 2))
    x, y = np.ascontiguousarray(places.T)
    sources = PixelSources(
        x, y, np.full(count, FLUX), np.full(count, wavelength), np.zeros(count),
        np.zeros((count, 2, 2)),
    )  # fmt: skip
    image = draw(sources, truth, (4088, 4088))
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    side = np.arange(-HALF, HALF + 1)
    light = image[row[:, None, None] + side[:, None], column[:, None, None] + side]
    good = np.broadcast_to(np.hypot(*np.meshgrid(side, side)) < 4.5, light.shape)
    number = np.arange(count)
    noise = np.tile([1e-3, 1 / 140], (count, 1))
    return Stamps(
        light, np.ascontiguousarray(good), noise, column, row, np.zeros(count, int), number
    ), places


def fitted(grid, stamps, places):
    model = Model.of(grid, 0, (4088, 4088), HALF)
    guess = np.column_stack([np.full(len(stamps), FLUX), places, np.zeros(len(stamps))])
    shares = np.ones((len(stamps), 1), np.float32)
    return fit_stars(
        model, stamps, StarFits.guessed(guess), shares, np.array([0.0, 0.0]), rounds=8, workers=2
    )


def gaussian_of(truth, wavelength):
    """The Gaussian of one colour from which PSFs are built."""
    grid = gaussian_grid(truth, cutoff_frequency(truth.element))
    samples = grid.at(0, 0, wavelength)[None, None, None]
    return replace(grid, wavelengths=np.array([wavelength]), samples=samples)


def phase_amplitude(off, places):
    """Largest amplitude of a wave in the pixel phase, first and second harmonic [pixel]."""
    waves = [
        2 * np.mean(off * wave(2 * np.pi * n * places), axis=0)
        for n in (1, 2)
        for wave in (np.sin, np.cos)
    ]
    return float(np.abs(waves).max())


def report_stars(psf, truth):
    """Stars that were not used, fitted with a Gaussian and with the PSF."""
    start = gaussian_of(truth, float(psf.grid.wavelengths[0]))
    rng = np.random.default_rng(3)
    detector, element = truth.detector, truth.element
    for name, temperature in SPECTRA.items():
        wavelength = mean_wavelength(temperature, detector, element)
        stamps, places = stars_of(truth, wavelength, rng)
        fits = fitted(psf.grid, stamps, places)
        before = fitted(start, stamps, places)
        ratio = fits.found[:, 0] / FLUX - 1
        phases = [phase_amplitude(f.found[:, 1:3] - places, places) for f in (before, fits)]
        print(
            f"    {name:14s} {wavelength:.4f} micron: flux {100 * ratio.mean():+.3f} % "
            f"(rms {100 * ratio.std():.3f} %), pixel phase {phases[0]:.5f} -> {phases[1]:.5f}, "
            f"mean place {np.abs((fits.found[:, 1:3] - places).mean(axis=0)).max():.5f} pixel"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("images", nargs="+")
    parser.add_argument("--scene", required=True)
    parser.add_argument("--store", help="reference data (RDMS_REFERENCES)")
    parser.add_argument("--only", help="one of the ways alone, by its number")
    parser.add_argument("--most-stars", type=int, default=Settings().most_stars)
    arguments = parser.parse_args()
    most = arguments.most_stars
    meta = read_rate_image(arguments.images[0]).meta
    detector, element = meta.detector, meta.optical_element
    truth, wrong = (
        as_recorded(psf_grid(detector, element, **changed), meta, arguments.store)
        for changed in ({}, {"jitter": 0.020, "defocus": 0.02})
    )
    stars = star_table(arguments.scene, detector, element)
    ways = [
        ("the optical model", {"stars": stars, "settings": Settings(most_stars=most)}),
        (
            "a wrong optical model",
            {"stars": stars, "optical": wrong, "settings": Settings(most_stars=most)},
        ),
        ("a Gaussian", {"stars": stars, "settings": Settings(start="gaussian", most_stars=most)}),
        ("the optical model, no catalogue", {"settings": Settings(most_stars=most)}),
    ]
    print(f"{detector} {element}, {len(arguments.images)} images")
    for number, (name, options) in enumerate(ways, 1):
        if arguments.only and int(arguments.only) != number:
            continue
        begun, cpu = time.time(), time.process_time()
        psf = build_empirical(arguments.images, **{"optical": truth} | options)
        seconds, cpu = time.time() - begun, time.process_time() - cpu
        off = shapes(psf, truth)
        print(
            f"{number} from {name}: {psf.stars} stars, {psf.images} images of them, degree "
            f"{psf.degree}, {psf.rounds} rounds, {seconds:.0f} s ({cpu:.0f} s of CPU), chi squared "
            f"{psf.chi_squared:.3f}, last change {psf.change:.1e}"
            f"{'' if psf.converged else ', not converged'}\n"
            f"    e1, e2, size: mean {np.array2string(off.mean(axis=0), precision=5)}, rms "
            f"{np.array2string(np.sqrt((off**2).mean(axis=0)), precision=5)}, largest "
            f"{np.array2string(np.abs(off).max(axis=0), precision=5)}",
            flush=True,
        )
        report_stars(psf, truth)


if __name__ == "__main__":
    main()
