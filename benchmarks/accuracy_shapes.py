"""Pulls and biases of shapes and windowed centroids, by signal to noise.

    python -m benchmarks.accuracy_shapes [--side 50] [--seed 1]

GalSim draws stars and galaxies at random places in their pixels; they are found, fitted and
measured as for a catalogue.  The signal to noise is that of the best filter for the true profile.
A pull is, over its error, a shape less that of the same source without noise, under weights as
noisy ones have, and a centroid less the true place; columns:

    std      standard deviation of the pulls within 5 of their median
    rob      the same from the median absolute deviation
    mean     mean pull within 5 of the median
    out      pulls beyond 5 [per thousand]
    bias     mean measurement less the true place, or GalSim's adaptive moments of the profile,
             finely sampled; of sizes as a share.  Stars are larger under the wider weight.
    rms      scatter of the same: with what pixels do to narrow sources
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import galsim
import numpy as np
from scipy.optimize import brentq
from scipy.spatial import KDTree

from roman_dms.measure.image import Image
from roman_dms.measure.measurements import Caution, SourceMeasurements
from roman_dms.measure.search import search
from roman_dms.measure.sources import measure_sources
from roman_dms.psf.evaluation import PsfField
from roman_dms.psf.grid import PsfGrid

SIGNALS = (7, 10, 20, 50, 200)
SPACING, HALF, OVERSAMPLE = 45, 14, 4
PHASES = 400
"""Places in a pixel."""

ALONE = 12
"""Sources with another this near were found in pieces, or with noise beside [pixel]."""

PER_LIGHT = 0.02
"""Variance that a unit of light adds, where the sky's is 1."""

QUANTITIES = ("shape_e1", "shape_e2", "shape_sigma", "x_centroid_win", "y_centroid_win")


def star() -> galsim.GSObject:
    """Effective PSF of the telescope at 1.6 micron on pixels of 0.11 arcsec [pixel]."""
    telescope = galsim.Airy(lam_over_diam=1.58e-6 / 2.36 * 206265 / 0.11, obscuration=0.31)
    blur = galsim.Gaussian(sigma=0.31)  # charge that diffuses, and jitter
    return galsim.Convolve(telescope, blur, galsim.Pixel(1.0)).shear(e1=0.02, e2=-0.03)


def profiles() -> dict[str, galsim.GSObject]:
    """What is measured, with the pixel's own width."""
    disc = galsim.Exponential(half_light_radius=2.0).shear(e1=0.3, e2=-0.15)
    bulge = galsim.Sersic(n=2.5, half_light_radius=3.0).shear(e1=-0.1, e2=0.25)
    return {
        "star": star(),
        "disc": galsim.Convolve(star(), disc),
        "bulge": galsim.Convolve(star(), bulge),
    }


def psf_field() -> PsfField:
    """The PSF as the measurements take it."""
    size = 2 * HALF * OVERSAMPLE + 1
    fine = star().drawImage(nx=size, ny=size, scale=1 / OVERSAMPLE, method="sb").array
    wings = star().drawImage(nx=81, ny=81, scale=1.0, method="sb").array
    samples = fine[None, None, None].astype(np.float32)
    return PsfField.of(
        PsfGrid("WFI01", "F158", OVERSAMPLE, np.zeros(1), np.zeros(1), np.array([1.58]), samples,
                wings.astype(np.float32)), 1.58,
    )  # fmt: skip


@dataclass
class Lattice:
    """Copies of a source, each somewhere else in its pixel and of another light."""

    light: np.ndarray
    x: np.ndarray
    y: np.ndarray
    signal: np.ndarray
    """Signal to noise of the best filter."""


def flux(stamp: np.ndarray, signal: float) -> float:
    """Light at which the best filter has this signal to noise."""

    def excess(total: float) -> float:
        light = total * stamp.astype(float)
        return float(np.sqrt(np.sum(light**2 / (1 + PER_LIGHT * light)))) - signal

    return float(brentq(excess, 1e-3, 1e8))


def lattice(profile: galsim.GSObject, side: int, rng: np.random.Generator) -> Lattice:
    """A source ``side`` squared times for each signal to noise, mixed."""
    middle = SPACING // 2
    phases = rng.uniform(-0.5, 0.5, (PHASES, 2))
    stamps = [
        profile.drawImage(
            nx=SPACING, ny=SPACING, scale=1, method="sb", offset=(u, v), dtype=np.float32
        ).array
        for u, v in phases
    ]
    fluxes = {signal: flux(stamps[0], signal) for signal in SIGNALS}
    rows = side * len(SIGNALS)
    signals = rng.permutation(np.repeat(SIGNALS, side * side))
    chosen = rng.integers(0, PHASES, signals.size)
    light = np.zeros((rows * SPACING, side * SPACING), np.float32)
    at = np.stack(np.divmod(np.arange(signals.size), side), axis=1) * SPACING
    for (row, column), which, signal in zip(at, chosen, signals, strict=True):
        place = np.s_[row : row + SPACING, column : column + SPACING]
        light[place] = fluxes[int(signal)] * stamps[which]
    x, y = (at[:, ::-1] + middle + phases[chosen]).T
    return Lattice(light, x, y, signals)


@dataclass
class Measured:
    """What was found of a lattice, and the same sources without noise."""

    rows: SourceMeasurements
    clean: SourceMeasurements
    index: np.ndarray
    """Row of each true source, -1: not found, or in pieces."""


def measure(field: Lattice, psf: PsfField, rng: np.random.Generator) -> Measured:
    """Find and measure a lattice in noise and without."""
    sigma = np.sqrt(1 + PER_LIGHT * field.light)
    noise = rng.normal(size=sigma.shape).astype(np.float32) * sigma
    found = search(Image.of(field.light + 30 + noise, sigma), psf)

    def rows(pixels: np.ndarray) -> SourceMeasurements:
        return measure_sources(
            pixels, found.noise.variance, found.noise.per_light, found.detection.segments,
            found.fits.x, found.fits.y, psf=psf, correlation=found.noise.correlation,
        )  # fmt: skip

    places = np.nan_to_num(np.column_stack([found.fits.x, found.fits.y]), nan=-1e6)
    tree, true = KDTree(places), np.column_stack([field.x, field.y])
    distance, index = tree.query(true)
    whole = tree.query_ball_point(true, ALONE, return_length=True) == 1
    return Measured(
        rows(found.light), rows(found.light - noise), np.where((distance < 2) & whole, index, -1)
    )


def summary(pull: np.ndarray) -> tuple[float, float, float, float]:
    """Standard deviation, robust one, mean and outliers per thousand."""
    middle = np.median(pull)
    robust = 1.4826 * np.median(np.abs(pull - middle))
    kept = np.abs(pull - middle) < 5
    return pull[kept].std(), robust, pull[kept].mean(), 1e3 * (1 - kept.mean())


def expected(profile: galsim.GSObject, field: Lattice) -> dict[str, Any]:
    """The truth of each quantity."""
    fine = profile.drawImage(nx=512, ny=512, scale=0.1, method="sb")
    moments = galsim.hsm.FindAdaptiveMom(fine)
    one = np.ones(len(field.x))
    return {
        "shape_e1": moments.observed_e1 * one,
        "shape_e2": moments.observed_e2 * one,
        "shape_sigma": 0.1 * moments.moments_sigma * one,
        "x_centroid_win": field.x,
        "y_centroid_win": field.y,
    }


def report(kind: str, signal: float, truth: dict[str, Any], field: Lattice, done: Measured) -> None:
    """Print a line for each quantity."""
    seen = (done.index >= 0) & (field.signal == signal)
    index = done.index[seen]
    flags = done.rows.warning_flags[index]
    shapes, windows = (np.mean(flags & bit > 0) for bit in (Caution.NO_SHAPE, Caution.NO_WINDOW))
    share = seen.sum() / np.sum(field.signal == signal)
    print(
        f"{kind}, S/N {signal}: found {share:.3f}, without a shape {shapes:.3f},"
        f" without a window {windows:.3f}"
    )
    for name in QUANTITIES:
        value, error = getattr(done.rows, name)[index], getattr(done.rows, f"{name}_err")[index]
        off = value - truth[name][seen]
        pull = (off if name.endswith("win") else value - getattr(done.clean, name)[index]) / error
        if name == "shape_sigma":
            off = off / truth[name][seen]
        good = np.isfinite(pull)
        std, robust, mean, out = summary(pull[good])
        print(
            f"    {name:15s} std {std:6.3f}  rob {robust:6.3f}  mean {mean:+6.3f}"
            f"  out {out:4.1f}  bias {off[good].mean():+8.4f}  rms {off[good].std():7.4f}"
            f"  error {np.median(error[good]):.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=50, help="square root of sources in each line")
    parser.add_argument("--seed", type=int, default=1, help="of the noise and the places")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    psf = psf_field()
    for kind, profile in profiles().items():
        field = lattice(profile, arguments.side, rng)
        done, truth = measure(field, psf, rng), expected(profile, field)
        for signal in SIGNALS:
            report(kind, signal, truth, field, done)


if __name__ == "__main__":
    main()
