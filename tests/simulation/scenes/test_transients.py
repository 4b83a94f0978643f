"""Sources that change or move."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM
from astropy.table import Table
from scipy.stats import ks_2samp

from roman_dms.errors import UsageError
from roman_dms.simulation.scenes.field import Population, draw_scene
from roman_dms.simulation.scenes.region import Region
from roman_dms.simulation.scenes.transients import comoving_distance, supernovae
from roman_dms.simulation.scenes.truth import light_curves

MJD = 61557.0


@pytest.fixture(scope="module")
def scene():
    population = Population(limit=24.0, variables=9, supernovae=8, microlensing=4, moving=3)
    return draw_scene(Region(270, 66, 0.1), population, mjd=MJD, seed=6)


def test_all_that_was_asked_for_is_there(scene):
    kinds, numbers = np.unique(scene["variability"], return_counts=True)
    found = dict(zip(kinds, numbers, strict=True))
    assert {name: found[name] for name in ("sine", "sawtooth", "eclipse")} == dict.fromkeys(
        ("sine", "sawtooth", "eclipse"), 3
    )
    assert (found["supernova"], found["microlensing"]) == (8, 4)
    assert np.sum(np.hypot(scene["motion_ra"], scene["motion_dec"]) > 4.9) == 3


def test_supernovae_lie_in_their_hosts(scene):
    rows = np.flatnonzero(scene["variability"] == "supernova")
    hosts = np.searchsorted(scene["id"], scene["host"][rows])
    np.testing.assert_array_equal(scene["id"][hosts], scene["host"][rows])
    assert np.all(scene["type"][hosts] == "SER")
    np.testing.assert_array_equal(scene["redshift"][hosts], scene["redshift"][rows])
    one, two = (SkyCoord(scene["ra"][k], scene["dec"][k], unit="deg") for k in (rows, hosts))
    distance = one.separation(two).arcsec / scene["half_light_radius"][hosts]
    assert np.median(distance) < 4
    assert np.all(distance > 0)


@pytest.mark.parametrize("index", [1.0, 4.0])
def test_supernovae_follow_the_light(index):
    """Distances from a round host are distributed as those of GalSim's photons."""
    count = 4000
    hosts = Table(
        {
            "id": np.arange(count), "ra": np.full(count, 10.0), "dec": np.full(count, 60.0),
            "type": ["SER"] * count, "n": np.full(count, index), "ba": np.ones(count),
            "half_light_radius": np.full(count, 0.5), "pa": np.zeros(count),
        }
    )  # fmt: skip
    found = supernovae(hosts, count, MJD, 3)
    centre = SkyCoord(10, 60, unit="deg")
    distance = centre.separation(SkyCoord(found["ra"], found["dec"], unit="deg")).arcsec
    photons = galsim.Sersic(index, half_light_radius=0.5).shoot(20000, galsim.BaseDeviate(1))
    assert ks_2samp(distance, np.hypot(photons.x, photons.y)).pvalue > 0.01


def test_supernovae_lie_along_the_major_axis():
    count = 3000
    hosts = Table(
        {
            "id": np.arange(count), "ra": np.full(count, 10.0), "dec": np.full(count, 0.0),
            "type": ["SER"] * count, "n": np.ones(count), "ba": np.full(count, 0.25),
            "half_light_radius": np.full(count, 1.0), "pa": np.full(count, 30.0),
        }
    )  # fmt: skip
    found = supernovae(hosts, count, MJD, 3)
    x, y = np.asarray(found["ra"]) - 10, np.asarray(found["dec"])
    values, vectors = np.linalg.eigh(np.cov(x, y))
    assert np.sqrt(values[0] / values[1]) == pytest.approx(0.25, rel=0.06)
    assert abs(np.degrees(np.arctan(vectors[0, 1] / vectors[1, 1])) - 30) < 2


def test_distances_are_astropys():
    cosmology = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0)
    for redshift in (0.1, 0.5, 1.5):
        expected = cosmology.comoving_distance(redshift).value
        assert comoving_distance(redshift) == pytest.approx(expected, rel=1e-4)


def test_supernovae_are_as_bright_as_they_should_be(scene):
    """Absolute magnitudes in F106, from 0.9 down to 0.4 micron at rest, of a Type Ia."""
    rows = scene["variability"] == "supernova"
    magnitudes = -2.5 * np.log10(scene["F106"][rows])
    modulus = 5 * np.log10([comoving_distance(z) * (1 + z) * 1e5 for z in scene["redshift"][rows]])
    absolute = magnitudes - modulus
    assert np.all((absolute > -20.5) & (absolute < -17.5))


def test_light_curves_of_the_truth(scene):
    mjds = [MJD - 5, MJD, MJD + 5]
    table = light_curves(scene, mjds, "F158")
    assert len(table) == 3 * (9 + 8 + 4)
    assert set(table.colnames) == {"id", "mjd", "element", "magnification", "flux"}
    for row in table[::7]:
        source = scene["id"] == row["id"]
        expected = scene["F158"][source][0] * 3631 * row["magnification"]
        assert row["flux"] == pytest.approx(expected, rel=1e-6)
    lensed = scene["id"][scene["variability"] == "microlensing"]
    assert np.all(table["magnification"][np.isin(table["id"], lensed)] >= 1)
    with pytest.raises(UsageError):
        light_curves(scene, [], "F158")


def test_too_many_are_refused():
    region = Region(270, 66, 0.02)
    for request in ({"variables": 10**6}, {"supernovae": 10**6}, {"microlensing": 10**6}):
        with pytest.raises(UsageError, match="1000000"):
            draw_scene(region, Population(limit=22.0, **request))
