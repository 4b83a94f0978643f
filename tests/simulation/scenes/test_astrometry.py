"""Positions against astropy's own propagation of proper motion and parallax."""

from __future__ import annotations

import numpy as np
from astropy import units as u
from astropy.coordinates import Distance, SkyCoord, get_body_barycentric
from astropy.table import Table
from astropy.time import Time

from roman_dms.simulation.scenes.astrometry import julian_year
from roman_dms.simulation.scenes.scene import Scene

STARS = {
    "ra": np.array([0.0001, 269.452, 120.0, 30.0]),
    "dec": np.array([0.0, 4.69, -89.5, 75.0]),
    "pmra": np.array([10.0, -802.8, 300.0, -5000.0]),
    "pmdec": np.array([-20.0, 10362.5, -400.0, 3000.0]),
    "parallax": np.array([1.0, 547.45, 20.0, 100.0]),
}


def _separation(ra, dec, sky):
    return SkyCoord(ra, dec, unit="deg").separation(sky).to_value("mas")


def _scene(**extra):
    table = Table({**STARS, **extra})
    table["type"], table["F158"] = "PSF", 1e-9
    table.meta["epoch"] = 2016.0
    return Scene(table)


def test_julian_year_is_astropys():
    assert abs(julian_year(61557.25) - Time(61557.25, format="mjd", scale="utc").jyear) < 1e-6


def test_proper_motion_is_astropys():
    """Barnard's star and others over 11 years: astropy's SkyCoord.apply_space_motion."""
    mjd = 61557.0
    sky = SkyCoord(
        STARS["ra"] * u.deg, STARS["dec"] * u.deg,
        pm_ra_cosdec=STARS["pmra"] * u.mas / u.yr, pm_dec=STARS["pmdec"] * u.mas / u.yr,
        distance=Distance(parallax=STARS["parallax"] * u.mas), radial_velocity=0 * u.km / u.s,
        obstime=Time(2016.0, format="jyear", scale="tdb"),
    )  # fmt: skip
    moved = sky.apply_space_motion(Time(mjd, format="mjd", scale="tdb"))
    ra, dec = _scene().positions(mjd)
    assert np.all(_separation(ra, dec, moved) < 0.05)


def test_parallax_is_astropys():
    """The direction from the Earth to a place in space."""
    time = Time(61557.0, format="mjd", scale="utc")
    earth = get_body_barycentric("earth", time)
    still = {"pmra": np.zeros(4), "pmdec": np.zeros(4)}
    ra, dec = _scene(**still).positions(time.mjd, earth.xyz.to_value("au"))
    away = SkyCoord(
        STARS["ra"] * u.deg, STARS["dec"] * u.deg,
        distance=Distance(parallax=STARS["parallax"] * u.mas),
    )  # fmt: skip
    seen = SkyCoord(away.cartesian - earth, frame="icrs")
    assert np.all(_separation(ra, dec, seen) < 0.01)
    assert np.all(_separation(ra, dec, away) > 0.2)


def test_moving_object_goes_its_way():
    scene = _scene(motion_ra=[30.0, 0, 0, 0], motion_dec=[40.0, 0, 0, 0])
    scene.table["pmra"][:] = 0
    scene.table["pmdec"][:] = 0
    start = 57388.5  # 2016.0
    ra, dec = scene.positions(start + 2 / 24)
    sky = SkyCoord(STARS["ra"], STARS["dec"], unit="deg")
    np.testing.assert_allclose(_separation(ra, dec, sky), [100e3, 0, 0, 0], atol=0.02)
    assert (ra[0] - STARS["ra"][0]) * 3600 > 59.9
    np.testing.assert_allclose(scene.motions(start)[0], [30 / 3600, 40 / 3600])
    np.testing.assert_array_equal(scene.motions(start)[1:], 0)


def test_without_motions_positions_are_those_of_the_table():
    table = Table({"ra": [1.0], "dec": [2.0], "type": ["PSF"], "F158": [1e-9]})
    ra, dec = Scene(table).positions(61557.0, [0.1, 0.9, 0.2])
    assert (ra[0], dec[0]) == (1.0, 2.0)


def test_a_column_of_epochs_counts():
    scene = _scene(epoch=[2016.0, 2020.0, 2016.0, 2016.0])
    ra, dec = scene.positions(57388.5 + 4 * 365.25)
    sky = SkyCoord(STARS["ra"], STARS["dec"], unit="deg")
    assert _separation(ra, dec, sky)[1] < 1e-3
    assert _separation(ra, dec, sky)[0] > 80
