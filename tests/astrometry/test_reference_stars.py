"""Motion of stars against astropy, and what a catalogue may lack."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from roman_dms.astrometry.reference_stars import (
    CORRELATIONS,
    PARALLAX_DISPERSION,
    PARAMETERS,
    ReferenceStars,
)
from roman_dms.errors import ReferenceDataError

OBSERVER = np.array([0.31, -0.87, -0.38])


def catalogue(**changes) -> dict[str, np.ndarray]:
    """Four stars: a fast one, one near the pole, an ordinary and a faint one."""
    columns = {
        "ra": [269.45, 37.9, 12.3, 0.0001],
        "dec": [4.69, 89.26, -40.0, -12.0],
        "parallax": [546.98, 7.5, 1.2, 5.3],
        "pmra": [-801.55, 44.5, 3.0, -2.0],
        "pmdec": [10362.39, -11.9, -7.0, 1.0],
        "ra_error": [0.03, 0.1, 0.2, 0.9],
        "dec_error": [0.03, 0.2, 0.1, 0.8],
        "parallax_error": [0.04, 0.1, 0.2, 0.9],
        "pmra_error": [0.04, 0.1, 0.3, 1.1],
        "pmdec_error": [0.03, 0.2, 0.2, 0.9],
        "ref_epoch": np.full(4, 2016.0),
        "phot_g_mean_mag": [8.2, 2.0, 15.0, 20.4],
        "ruwe": [1.0, 1.1, 2.5, np.nan],
    }
    columns |= {name: np.linspace(-0.2, 0.2, 4) * (-1) ** i for i, name in enumerate(CORRELATIONS)}
    return {name: np.asarray(column, float) for name, column in (columns | changes).items()}


def seen_by_astropy(columns, years: float, observer) -> SkyCoord:
    """Directions from astropy's motion through space and a change of origin."""
    star = SkyCoord(
        columns["ra"] * u.deg,
        columns["dec"] * u.deg,
        distance=1000 / columns["parallax"] * u.pc,
        pm_ra_cosdec=columns["pmra"] * u.mas / u.yr,
        pm_dec=columns["pmdec"] * u.mas / u.yr,
        radial_velocity=np.zeros(len(columns["ra"])) * u.km / u.s,
        obstime=Time(2016.0, format="jyear", scale="tdb"),
    )
    moved = star.apply_space_motion(dt=years * u.yr).cartesian.xyz.to_value(u.au)
    return SkyCoord(*(moved - np.asarray(observer)[:, np.newaxis]), representation_type="cartesian")


def offsets(positions: np.ndarray, truth: SkyCoord) -> np.ndarray:
    """(n, 2): to the east and north [mas]."""
    sphere = truth.spherical
    ra, dec = sphere.lon.deg, sphere.lat.deg
    east = (positions[:, 0] - ra + 180) % 360 - 180
    return 3.6e6 * np.column_stack([east * np.cos(np.deg2rad(dec)), positions[:, 1] - dec])


@pytest.mark.parametrize("observer", [np.zeros(3), OBSERVER])
@pytest.mark.parametrize("years", [0.0, 10.9, -30.0])
@pytest.mark.filterwarnings("ignore:.*dubious year")
def test_stars_move_as_astropy_says(years, observer):
    columns = catalogue()
    positions, _ = ReferenceStars.of(columns).at(2016.0 + years, observer)
    miss = offsets(positions, seen_by_astropy(columns, years, observer))
    assert np.abs(miss).max() < 1e-3, "a microarcsecond; astropy's own rounding is half of it"
    assert (positions[:, 0] >= 0).all()
    assert (positions[:, 0] < 360).all()


@pytest.mark.parametrize("star", range(4))
def test_covariance_is_that_of_drawn_stars(star):
    """20,000 stars with Gaia's covariance, each moved by astropy."""
    columns = {name: column[[star]] for name, column in catalogue().items()}
    stars = ReferenceStars.of(columns)
    rng = np.random.default_rng(star)
    drawn = rng.multivariate_normal(np.zeros(5), stars.covariance[0], 20_000)
    many = {name: np.full(20_000, column[0]) for name, column in columns.items()}
    many["ra"] = many["ra"] + drawn[:, 0] / 3.6e6 / np.cos(np.deg2rad(many["dec"]))
    many["dec"] = many["dec"] + drawn[:, 1] / 3.6e6
    for i, name in enumerate(PARAMETERS[2:], 2):
        many[name] = many[name] + drawn[:, i]
    positions, covariance = stars.at(2026.9, OBSERVER)
    scatter = offsets(
        np.broadcast_to(positions, (20_000, 2)), seen_by_astropy(many, 10.9, OBSERVER)
    )
    expected = np.cov(scatter.T)
    np.testing.assert_allclose(covariance[0], expected, atol=0.04 * np.trace(expected))


def test_correlations_go_where_gaia_names_them():
    columns = catalogue(**{name: np.zeros(4) for name in CORRELATIONS})
    columns["dec_pmra_corr"] = np.full(4, 0.25)
    covariance = ReferenceStars.of(columns).covariance
    assert covariance[3, 1, 3] == covariance[3, 3, 1] == pytest.approx(0.25 * 0.8 * 1.1)
    assert covariance[3, 0, 3] == 0


def test_a_catalogue_without_epochs_is_refused_unless_one_is_given():
    columns = catalogue()
    del columns["ref_epoch"]
    with pytest.raises(ReferenceDataError, match="no column ref_epoch"):
        ReferenceStars.of(columns)
    assert (ReferenceStars.of(columns, ref_epoch=2015.5).ref_epoch == 2015.5).all()
    with pytest.raises(ReferenceDataError, match=r"No star .* has an epoch"):
        ReferenceStars.of(catalogue(ref_epoch=np.full(4, np.nan)))


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ReferenceDataError, match="shapes"):
        ReferenceStars.of(catalogue(ruwe=np.ones(3)))


def test_a_star_without_motion_keeps_its_place_and_loses_its_precision():
    columns = catalogue()
    for name in ("pmra", "pmdec", "parallax", "pmra_error", "pmdec_error", "parallax_error"):
        columns[name][3] = np.nan
    stars = ReferenceStars.of(columns, motion_dispersion=4.0)
    assert stars.assumed_motion.tolist() == [False, False, False, True]
    assert any("no proper motion is known of 1" in note for note in stars.notes)
    positions, covariance = stars.at(2026.0, np.zeros(3))
    np.testing.assert_allclose(positions[3], [0.0001, -12.0], atol=1e-12)
    np.testing.assert_allclose(np.diag(covariance[3]), [0.9**2 + 40**2, 0.8**2 + 40**2], rtol=1e-6)
    assert stars.covariance[3, 2, 2] == pytest.approx(PARALLAX_DISPERSION**2)


def test_rows_that_say_nothing_are_dropped_and_counted():
    columns = catalogue()
    columns["ra"][0] = np.nan
    columns["dec_error"][1] = 0
    stars = ReferenceStars.of(columns)
    assert stars.row.tolist() == [2, 3]
    assert stars.notes == ("2 rows have no position, error or epoch and were dropped.",)


def test_masked_values_are_not_numbers():
    table = Table(catalogue())
    table["pmra"] = MaskedColumn(table["pmra"], mask=[False, False, True, False])
    stars = ReferenceStars.of(dict(table.columns))
    assert stars.assumed_motion.tolist() == [False, False, True, False]


def test_a_star_that_is_there_twice_is_taken_once():
    columns = {name: np.append(column, column[[1, 2]]) for name, column in catalogue().items()}
    columns["ra"][4] += 0.2 / 3.6e6 / np.cos(np.deg2rad(89.26))
    columns["pmra"][5] += 5  # another star at the same place
    stars = ReferenceStars.of(columns)
    assert stars.row.tolist() == [0, 1, 2, 3, 5]
    assert stars.notes == ("1 rows repeat another star and were dropped.",)


def test_a_catalogue_of_no_stars_is_one():
    stars = ReferenceStars.of({name: column[:0] for name, column in catalogue().items()})
    assert len(stars) == 0
    positions, covariance = stars.at(2027.0, OBSERVER)
    assert positions.shape == (0, 2)
    assert covariance.shape == (0, 2, 2)
