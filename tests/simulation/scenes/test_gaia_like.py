import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from roman_dms.astrometry.reference_stars import ReferenceStars
from roman_dms.errors import UsageError
from roman_dms.simulation.scenes.gaia_like import GaiaLike, gaia_like
from roman_dms.simulation.scenes.scene import Scene

N = 20_000


def scene(magnitude=17.0, n=N, **columns):
    random = np.random.default_rng(3)
    table = {
        "id": np.arange(n), "ra": random.uniform(100, 101, n), "dec": random.uniform(-41, -40, n),
        "type": np.full(n, "PSF"), "epoch": np.full(n, 2027.5), "pmra": random.normal(0, 9, n),
        "pmdec": random.normal(0, 9, n), "parallax": random.uniform(0, 5, n),
        "F062": np.full(n, 10 ** (-0.4 * (magnitude + 0.1136))), "F158": np.ones(n),
    }  # fmt: skip
    return Scene(Table({**table, **columns}))


def test_stars_are_where_astropy_has_them_but_for_the_quoted_errors():
    """Pulls of all five parameters; single stars, so that the noise is what is quoted."""
    truth = scene()
    found = gaia_like(truth, GaiaLike(doubtful=0), seed=5)
    assert len(found) == N
    places = SkyCoord(
        truth["ra"] * u.deg, truth["dec"] * u.deg, pm_ra_cosdec=truth["pmra"] * u.mas / u.yr,
        pm_dec=truth["pmdec"] * u.mas / u.yr, obstime=Time(2027.5, format="jyear"),
        distance=1 * u.kpc,
    ).apply_space_motion(Time(2016.0, format="jyear"))  # fmt: skip
    misses = {
        "ra": (found["ra"] - places.ra.deg) * np.cos(places.dec.rad) * 3.6e6,
        "dec": (found["dec"] - places.dec.deg) * 3.6e6,
        **{name: found[name] - truth[name] for name in ("parallax", "pmra", "pmdec")},
    }
    pulls = {name: np.asarray(miss) / found[f"{name}_error"] for name, miss in misses.items()}
    for pull in pulls.values():
        assert abs(np.mean(pull)) < 4 / np.sqrt(N)
        assert np.std(pull) == pytest.approx(1, abs=0.03)
    correlation = np.mean(pulls["ra"] * pulls["pmra"] * np.sign(found["ra_pmra_corr"]))
    assert correlation == pytest.approx(np.mean(np.abs(found["ra_pmra_corr"])), abs=0.03)
    assert np.median(found["ra_error"]) == pytest.approx(0.05, rel=0.02)
    assert np.median(found["phot_g_mean_mag"]) == pytest.approx(17.0, abs=1e-6)


def test_faint_stars_have_no_motion_and_the_faintest_are_not_there():
    found = gaia_like(scene(20.7))
    assert np.mean(np.isnan(found["pmra"])) == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(np.isnan(found["pmra"]), np.isnan(found["parallax_error"]))
    assert len(gaia_like(scene(21.0))) == pytest.approx(N / 2, rel=0.05)


def test_doubtful_stars_scatter_more_than_they_say():
    truth = scene()
    found = gaia_like(truth, GaiaLike(doubtful=0.5))
    high = found["ruwe"] > 1.4
    assert np.mean(high) == pytest.approx(0.5, abs=0.02)
    pull = (found["pmra"] - truth["pmra"]) / found["pmra_error"]
    assert np.std(pull[~high]) == pytest.approx(1, abs=0.08)  # RUWE up to 1.1
    expected = np.sqrt(np.mean(found["ruwe"][high] ** 2))
    assert np.std(pull[high]) == pytest.approx(expected, rel=0.05)


def test_the_alignment_takes_it():
    stars = ReferenceStars.of(dict(gaia_like(scene(20.7, n=100)).columns))
    assert len(stars) > 50
    assert np.all(np.linalg.eigvalsh(stars.covariance) > 0)


def test_galaxies_are_left_out_and_the_seed_decides():
    mixed = scene(n=10, type=np.array(["PSF", "SER"] * 5), half_light_radius=np.full(10, 0.3))
    one, other = gaia_like(mixed, seed=1), gaia_like(mixed, seed=1)
    assert len(one) == 5
    np.testing.assert_array_equal(one["ra"], other["ra"])
    assert not np.array_equal(one["ra"], gaia_like(mixed, seed=2)["ra"])
    with pytest.raises(UsageError, match="no stars"):
        gaia_like(mixed.select(mixed["type"] == "SER"))
