"""Reduce the catalogues that romanisim carries to the samples that scenes are drawn from.

Run once, where romanisim is installed::

    python benchmarks/make_population_data.py src/roman_dms/simulation/scenes

Galaxies: COSMOS2020 Classic (Weaver et al. 2022, ApJS 258, 11), the rows and columns in
``COSMOS2020_CLASSIC_R1_v2.2_p3_Streamlined.fits``: the ultra-deep stripes of UltraVISTA,
stars excluded.  Stars: Gaia DR3 (Gaia Collaboration 2023, A&A 674, A1), the rows in
``cat-97599.fits``, one HEALPix pixel of 0.2098 square degrees at (270, +66) degrees.
"""

from __future__ import annotations

import itertools
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from astropy.table import Table

from roman_dms.simulation.scenes.bands import MEAN, band, interpolate
from roman_dms.simulation.scenes.populations import FORMAT_FAINTEST, HEALPIX_AREA, encode

COSMOS = "COSMOS2020_CLASSIC_R1_v2.2_p3_Streamlined.fits"
GAIA = "cat-97599.fits"

COSMOS_AREA = 0.62
"""Area of the ultra-deep stripes [deg2] (Weaver et al. 2022, abstract of table 2 and section
2; the number that romanisim.catalog uses too)."""

COSMOS_BANDS = {
    "HSC_r_FLUX_AUTO": 0.6219,
    "HSC_z_FLUX_AUTO": 0.8894,
    "UVISTA_Y_FLUX_AUTO": 1.0216,
    "UVISTA_J_FLUX_AUTO": 1.2525,
    "UVISTA_H_FLUX_AUTO": 1.6466,
    "UVISTA_Ks_FLUX_AUTO": 2.1557,
}
"""Central wavelengths [micron] (Weaver et al. 2022, table 1)."""

PIXEL = 0.15
"""Scale of COSMOS2020's images [arcsec / pixel]."""

SEEING = 0.48
"""Half-light radius of a point source in the detection image [arcsec]: the lower edge of the
measured radii of galaxies between magnitudes 22 and 24."""

RESOLVED = 0.12
"""Half-light radius below which the ground says little; ACS's radius counts there [arcsec]."""

SMALLEST = 0.03
"""Smallest radius that is given to a galaxy [arcsec]."""

GAUSSIAN = 1.1774
"""Half-light radius over standard deviation of a Gaussian, sqrt(2 ln 2)."""

BINS = np.arange(16.0, 24.51, 0.25)
"""F158 magnitudes; COSMOS2020 is complete up to the last edge (its counts turn over at 25)."""

ROWS_PER_BIN = 900
FILTERS = ("F062", "F087", "F106", "F129", "F146", "F158", "F184", "F213")


def main(folder: Path) -> None:
    carried = Path(find_spec("romanisim").origin).parent / "data"
    np.savez_compressed(folder / "cosmos2020.npz", **galaxies(carried / COSMOS))
    np.savez_compressed(folder / "gaia.npz", **stars(carried / GAIA))


def galaxies(path: Path) -> dict[str, np.ndarray]:
    table = Table.read(path)
    fluxes = np.stack([np.asarray(table[name], float) for name in COSMOS_BANDS], axis=1)
    wavelengths = np.array([band(MEAN, name).pivot for name in FILTERS])
    microjansky = interpolate(
        np.maximum(fluxes, 0), np.array([*COSMOS_BANDS.values()]), wavelengths
    )
    magnitudes = np.minimum(23.9 - 2.5 * np.log10(np.maximum(microjansky, 1e-6)), FORMAT_FAINTEST)
    radius = radii(table)
    ratio = np.asarray(table["ACS_B_WORLD"] / table["ACS_A_WORLD"], float)
    good = (np.asarray(table["lp_type"]) == 0) & np.isfinite(ratio) & np.isfinite(radius)
    # Radii of several arcsec of faint galaxies are blends.
    reference = magnitudes[:, FILTERS.index("F158")]
    good &= radius < 3 * 10 ** (-0.2 * np.clip(reference - 20, 0, None)) + 0.5
    rows, counts = thinned(reference, good)
    return {
        "filters": np.array(FILTERS),
        "magnitudes": encode(magnitudes[rows], 1e-3),
        "radius": encode(radius[rows], 1e-3),
        "ratio": encode(ratio[rows], 1e-4),
        "edges": BINS,
        "counts": counts / COSMOS_AREA,
    }


def radii(table: Table) -> np.ndarray:
    """Half-light radii without the seeing [arcsec]."""
    ground = np.asarray(table["FLUX_RADIUS"], float) * PIXEL
    ground = np.sqrt(np.maximum(ground**2 - SEEING**2, 0))
    moments = np.asarray(table["ACS_A_WORLD"] * table["ACS_B_WORLD"], float)
    space = np.clip(GAUSSIAN * 3600 * np.sqrt(moments), SMALLEST, RESOLVED)
    return np.where(ground > RESOLVED, ground, space)


def thinned(reference: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that stay, by magnitude, and how many there are in each bin of all."""
    random = np.random.default_rng(2020)
    counts, rows = [], []
    for low, high in itertools.pairwise(BINS):
        inside = (reference >= low) & (reference < high)
        counts.append(int(inside.sum()))
        usable = np.flatnonzero(inside & good)
        rows.append(random.permutation(usable)[:ROWS_PER_BIN])
    return np.concatenate(rows), np.array(counts)


def stars(path: Path) -> dict[str, np.ndarray]:
    table = Table.read(path)
    columns = {
        name: np.ma.filled(np.ma.asarray(table[key], dtype=float), np.nan)
        for name, key in (
            ("g", "phot_g_mean_mag"),
            ("bp", "phot_bp_mean_mag"),
            ("rp", "phot_rp_mean_mag"),
            ("parallax", "parallax"),
            ("pmra", "pmra"),
            ("pmdec", "pmdec"),
        )
    }
    good = np.isfinite(np.stack(list(columns.values()))).all(axis=0)
    return {
        "g": encode(columns["g"][good], 1e-3),
        "colour": encode((columns["bp"] - columns["rp"])[good], 1e-3),
        "parallax": encode(columns["parallax"][good], 1e-3),
        "pmra": encode(columns["pmra"][good], 1e-2),
        "pmdec": encode(columns["pmdec"][good], 1e-2),
        "area": np.array(HEALPIX_AREA),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
