"""Galaxies against the catalogue that they come from."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from roman_dms.errors import UsageError
from roman_dms.simulation.scenes.galaxies import counts, draw_galaxies
from roman_dms.simulation.scenes.region import Region


def _magnitudes(table, name):
    return -2.5 * np.log10(np.asarray(table[name], float))


@pytest.fixture(scope="module")
def field():
    return draw_galaxies(Region(150.0, 2.2, 0.35), 26.0, 4)


@pytest.fixture(scope="module")
def cosmos():
    carried = Path(find_spec("romanisim").origin).parent / "data"
    table = Table.read(carried / "COSMOS2020_CLASSIC_R1_v2.2_p3_Streamlined.fits")
    names = {"r": "HSC_r", "z": "HSC_z", "J": "UVISTA_J", "H": "UVISTA_H", "Ks": "UVISTA_Ks"}
    return {
        key: 23.9 - 2.5 * np.log10(np.maximum(np.asarray(table[f"{name}_FLUX_AUTO"], float), 1e-5))
        for key, name in names.items()
    }


@pytest.mark.parametrize("magnitude", [20.0, 22.0, 23.5])
def test_counts_are_those_of_cosmos(field, cosmos, magnitude):
    """F158 is three parts H to one part J by wavelength; counts in half a magnitude."""
    blend = 0.85 * cosmos["H"] + 0.15 * cosmos["J"]
    expected = np.sum(np.abs(blend - magnitude) < 0.25) / 0.62
    found = np.sum(np.abs(_magnitudes(field, "F158") - magnitude) < 0.25) / (np.pi * 0.35**2)
    assert found == pytest.approx(expected, rel=0.12)


def test_colours_are_those_of_cosmos(field, cosmos):
    """Quartiles of r - z and H - Ks, close to F062 - F087 and F158 - F213 by wavelength."""
    seen = np.abs(_magnitudes(field, "F158") - 22.5) < 0.5
    known = np.abs(cosmos["H"] - 22.5) < 0.5
    pairs = {("F062", "F087"): ("r", "z"), ("F158", "F213"): ("H", "Ks")}
    for (blue, red), (one, two) in pairs.items():
        found = (_magnitudes(field, blue) - _magnitudes(field, red))[seen]
        expected = (cosmos[one] - cosmos[two])[known]
        np.testing.assert_allclose(
            np.percentile(found, [25, 50, 75]), np.percentile(expected, [25, 50, 75]), atol=0.12
        )


def test_counts_go_on_with_the_published_slope():
    edges, numbers = counts(29.0)
    assert edges[-1] == 29.0
    rates = np.log10(numbers)
    beyond = edges[:-1] >= 24.5
    np.testing.assert_allclose(np.diff(rates[beyond]), 0.26 * 0.25, atol=1e-9)
    step = rates[beyond][0] - rates[~beyond][-1]
    assert 0 < step < 0.15
    # Yan et al. (1998, ApJ 503, L19): 4e5 a square degree up to H = 24.75 (Vega), 26.1 (AB),
    # without correction for what they miss.
    assert 4e5 < counts(26.1)[1].sum() < 8e5


def test_limits_within_a_bin_count_a_part():
    whole, part = counts(24.25)[1], counts(24.1)[1]
    assert part[-1] == pytest.approx(whole[-1] * 0.1 / 0.25)
    assert _magnitudes(draw_galaxies(Region(0, 0, 0.05), 24.1, 1), "F158").max() <= 24.1


def test_sizes_and_shapes_are_reasonable(field):
    """Median radii near 22 are 0.3 to 0.6 arcsec, fall with magnitude, and are real numbers."""
    reference = _magnitudes(field, "F158")
    radius, ratio, index = (np.asarray(field[name]) for name in ("half_light_radius", "ba", "n"))
    medians = [np.median(radius[np.abs(reference - m) < 0.5]) for m in (20, 22, 24, 25.5)]
    assert 0.3 < medians[1] < 0.6
    assert np.all(np.diff(medians) < 0)
    assert 0.55 < np.median(ratio) < 0.75
    assert np.all((ratio > 0) & (ratio <= 1) & (index >= 0.3) & (index <= 6.2) & (radius > 0.005))


def test_red_galaxies_are_mostly_spheroids(field):
    red = _magnitudes(field, "F087") - _magnitudes(field, "F129") > 0.9
    assert np.mean(field["n"][red] > 2) == pytest.approx(0.67, abs=0.05)
    assert np.mean(field["n"][~red] > 2) == pytest.approx(0.1, abs=0.03)


def test_same_seed_same_galaxies():
    region = Region(10.0, 10.0, 0.05)
    one, two, other = (draw_galaxies(region, 25, seed, clustered=True) for seed in (3, 3, 4))
    for name in one.colnames:
        np.testing.assert_array_equal(one[name], two[name])
    assert len(other) != len(one) or np.any(other["ra"] != one["ra"])


@pytest.mark.parametrize("limit", [10.0, 31.0, np.nan])
def test_impossible_limits(limit):
    with pytest.raises(UsageError):
        counts(limit)
