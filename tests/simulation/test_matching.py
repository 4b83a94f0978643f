"""Matching, against astropy and catalogues made by hand."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.stats import binom_conf_interval

from roman_dms.errors import UsageError
from roman_dms.simulation.matching import (
    JANSKY_ZERO_POINT,
    Places,
    by_magnitude,
    magnitudes,
    match,
    offsets,
    wilson,
)

ARCSEC = 1 / 3600


def places(ra, dec, flux=None):
    ra, dec = np.array(ra, float), np.array(dec, float)
    return Places(ra, dec, np.ones(ra.size) if flux is None else np.array(flux, float))


def scattered(count, seed):
    """Sources over the pole and over ra = 0, where plane geometry fails."""
    random = np.random.default_rng(seed)
    ra = np.where(random.uniform(size=count) < 0.5, random.uniform(0, 360, count), 0)
    ra = (ra + random.normal(0, 0.01, count)) % 360
    return ra, 90 - np.abs(random.normal(0, 0.01, count))


def test_pairs_are_those_of_astropy():
    ra, dec = scattered(400, 1)
    random = np.random.default_rng(2)
    coordinates = SkyCoord(ra * u.deg, dec * u.deg)
    moved = coordinates.directional_offset_by(
        random.uniform(0, 360, 400) * u.deg, random.rayleigh(0.4, 400) * u.arcsec
    )[random.permutation(400)[:350]]
    found = match(places(ra, dec), places(moved.ra.deg, moved.dec.deg), 1.0)
    forward, separation, _ = coordinates.match_to_catalog_sky(moved)
    backward, _, _ = moved.match_to_catalog_sky(coordinates)
    expected = np.flatnonzero((backward[forward] == np.arange(400)) & (separation < 1 * u.arcsec))
    assert 150 < expected.size < 350
    np.testing.assert_array_equal(found.given, expected)
    np.testing.assert_array_equal(found.found, forward[expected])
    np.testing.assert_allclose(found.separation, separation[expected].arcsec, rtol=1e-6)


def test_each_source_is_used_once():
    given = places([10, 10 + 0.5 * ARCSEC], [0, 0])
    found = places([10 + 0.1 * ARCSEC], [0])
    pairs = match(given, found, 1.0)
    assert (pairs.given.tolist(), pairs.found.tolist()) == ([0], [0])


def test_of_two_at_one_place_the_flux_decides():
    """A star on a galaxy's nucleus: both have two candidates at the same distance."""
    given = places([10, 10], [20, 20], [100.0, 5.0])
    found = places([10 + 0.1 * ARCSEC] * 2, [20, 20], [5.5, 90.0])
    pairs = match(given, found, 1.0)
    assert dict(zip(pairs.given, pairs.found, strict=True)) == {0: 1, 1: 0}


def test_nothing_to_match_gives_no_pairs():
    some, none = places([1.0], [2.0]), places([], [])
    assert match(some, none, 1.0).given.size == 0
    assert match(none, some, 1.0).given.size == 0
    assert match(some, places([1.0], [3.0]), 1.0).given.size == 0


@pytest.mark.parametrize("radius", [0, -1, np.nan, 1e5])
def test_a_radius_that_cannot_be_is_an_error(radius):
    with pytest.raises(UsageError, match="radius"):
        match(places([1], [1]), places([1], [1]), radius)


@pytest.mark.parametrize("dec", [np.nan, 91.0])
def test_positions_that_cannot_be_are_named(dec):
    with pytest.raises(UsageError, match=r"Row 1 of the output.*\n.*-90 to 90"):
        match(places([1], [1]), places([1, 2], [1, dec]), 1.0)


def test_offsets_are_those_of_astropy():
    given = SkyCoord([10, 200, 0.00001] * u.deg, [-60, 89.9, 10] * u.deg)
    found = given.spherical_offsets_by([0.3, -0.2, -0.5] * u.arcsec, [0.1, 0.4, 0.0] * u.arcsec)
    a, b = (places(c.ra.deg, c.dec.deg) for c in (given, found))
    east, north = offsets(a, b, match(a, b, 1.0))
    np.testing.assert_allclose(east, [0.3, -0.2, -0.5], atol=1e-6)
    np.testing.assert_allclose(north, [0.1, 0.4, 0.0], atol=1e-6)


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (5, 5), (3, 10), (999, 1000)])
def test_wilson_interval_is_that_of_astropy(successes, trials):
    low, high = wilson(np.array([successes]), np.array([trials]))
    expected = binom_conf_interval(successes, trials, interval="wilson", confidence_level=0.6826895)
    np.testing.assert_allclose([low[0], high[0]], expected, atol=1e-6)


def test_without_trials_nothing_is_known():
    assert np.isnan(wilson(np.array([0]), np.array([0]))).all()


def test_magnitudes_are_those_of_astropy():
    flux = np.array([1.0, 3631e9, 250.0])
    np.testing.assert_allclose(magnitudes(flux), (flux * u.nJy).to_value(u.ABmag), atol=1e-4)
    assert np.isnan(magnitudes(np.array([-1.0, 0.0, np.nan]))).all()


@pytest.fixture
def survey():
    """20 bright sources, all found 2 % too bright and 0.1 arcsec north; 10 faint ones of
    which 4 are found; and 3 faint detections of nothing."""
    bright, faint = (JANSKY_ZERO_POINT * 10 ** (-0.4 * m) for m in (21.5, 24.5))
    ra = 100 + 0.01 * np.arange(30)
    flux = np.where(np.arange(30) < 20, bright, faint)
    given = places(ra, np.full(30, 5.0), flux)
    kept = np.r_[:24]
    found = places(
        np.r_[ra[kept], 120, 121, 122],
        np.r_[np.full(24, 5.0) + 0.1 * ARCSEC, 5, 5, 5],
        np.r_[1.02 * flux[kept], faint, faint, faint],
    )
    return given, found


def test_completeness_purity_and_residuals(survey):
    given, found = survey
    pairs = match(given, found, 0.5)
    table = by_magnitude(given, found, pairs, np.array([20.0, 22.0, 24.0, 26.0]))
    np.testing.assert_array_equal(table["injected"], [20, 0, 10])
    np.testing.assert_array_equal(table["recovered"], [20, 0, 4])
    np.testing.assert_allclose(table["completeness"], [1, np.nan, 0.4])
    np.testing.assert_array_equal(table["detected"], [20, 0, 7])
    np.testing.assert_allclose(table["purity"], [1, np.nan, 4 / 7])
    np.testing.assert_allclose(table["flux_bias"], [0.02, np.nan, 0.02])
    np.testing.assert_allclose(table["flux_scatter"], [0, np.nan, 0], atol=1e-12)
    np.testing.assert_allclose(table["dec_bias"], [0.1, np.nan, 0.1], rtol=1e-6)
    np.testing.assert_allclose(table["ra_bias"], [0, np.nan, 0], atol=1e-6)


def test_scatter_is_that_of_the_errors():
    random = np.random.default_rng(3)
    flux = np.full(2000, 1000.0)
    ra, dec = 10 + np.arange(2000) * 0.01, np.zeros(2000)
    shift = random.normal(0, 0.03, (2, 2000)) * ARCSEC
    given = places(ra, dec, flux)
    found = places(ra + shift[0], dec + shift[1], flux * random.normal(1, 0.05, 2000))
    table = by_magnitude(given, found, match(given, found, 0.5), np.array([20.0, 30.0]))
    assert table["flux_scatter"][0] == pytest.approx(0.05, rel=0.06)
    assert table["position_scatter"][0] == pytest.approx(0.03, rel=0.06)


def test_sources_without_a_magnitude_are_in_no_bin():
    given = places([1, 2], [0, 0], [0.0, 100.0])
    table = by_magnitude(given, given, match(given, given, 1.0), np.array([10.0, 30.0]))
    assert table["injected"].tolist() == [1]
