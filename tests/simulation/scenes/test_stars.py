"""Stars of the field and of the bulge against what is published of them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from roman_dms.errors import UsageError
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.scenes.bulge import bulge_stars, extinction
from roman_dms.simulation.scenes.region import Region
from roman_dms.simulation.scenes.stars import (
    COMPONENTS,
    LOCAL_DENSITY,
    density_along,
    high_latitude_stars,
    rotated,
)
from roman_dms.simulation.scenes.stellar_sequence import old_population

BAADE = Region(270.9, -30.03, 0.0625, square=True)


def _magnitudes(table, name="F158"):
    return -2.5 * np.log10(np.asarray(table[name], float))


@pytest.fixture(scope="module")
def field():
    return high_latitude_stars(Region(270.0, 66.0, 0.4), 26.0, 2)


@pytest.fixture(scope="module")
def bulge():
    return bulge_stars(BAADE, 30.0, 2)


@pytest.fixture(scope="module")
def gaia():
    carried = Path(find_spec("romanisim").origin).parent / "data"
    return Table.read(carried / "cat-97599.fits")


def test_model_and_gaia_agree_where_both_see(gaia):
    """Counts in G from 17 to 20, where both are complete, in each magnitude within a third."""
    stars = old_population(0.5, 1.3, 2.3)
    edges = np.geomspace(20, 6e4, 161)
    distance = np.sqrt(edges[1:] * edges[:-1])
    sky = SkyCoord(270, 66, unit="deg").galactic
    volume = np.diff(edges**3) / 3 * np.deg2rad(1) ** 2
    density = LOCAL_DENSITY * sum(density_along(part, sky, distance) for part in COMPONENTS)
    magnitude = stars.gaia + 5 * np.log10(distance / 10)[:, None]
    bins = np.array([17, 18, 19, 20])
    expected = np.histogram(magnitude, bins, weights=np.outer(density * volume, stars.numbers))[0]
    found = np.histogram(gaia["phot_g_mean_mag"].filled(99), bins)[0] / 0.2098
    np.testing.assert_allclose(expected, found, rtol=0.33)


def test_counts_go_on_smoothly_where_gaia_ends(field):
    """Stars per magnitude grow steadily, by less than a factor of 2.3, from 16 to 24."""
    numbers = np.histogram(_magnitudes(field), np.arange(16, 25))[0]
    assert np.all(numbers[1:] > numbers[:-1])
    assert np.all(numbers[1:] < 2.3 * numbers[:-1])


def test_motions_of_the_field_are_gaias(field):
    """Gaia's rows there: medians -2.2 and -1.7 mas/yr with wings of 6 to 11."""
    bright = _magnitudes(field) < 17.5
    assert np.median(field["pmra"][bright]) == pytest.approx(-1.7, abs=1.2)
    assert 3 < np.std(field["pmra"][bright]) < 12
    faint = _magnitudes(field) > 22
    assert np.median(field["parallax"][faint]) < np.median(field["parallax"][bright])


def test_more_stars_towards_the_plane():
    plane, pole = (SkyCoord(120, b, unit="deg", frame="galactic").icrs for b in (10.0, 89.0))
    low, high = (
        len(high_latitude_stars(Region(sky.ra.deg, sky.dec.deg, 0.2), 23.0, 1))
        for sky in (plane, pole)
    )
    assert low > 1.5 * high


def test_sequence_has_the_suns_colours():
    """Willmer (2018, ApJS 236, 47): the Sun's AB magnitudes in J, H, Ks are 4.54, 4.66, 5.08."""
    stars = old_population(0.5, 1.3, 2.3)
    dwarfs = stars.magnitudes[:240]
    sun = dwarfs[np.argmin(np.abs(dwarfs[:, FILTERS.index("F158")] - 4.64))]
    found = [sun[FILTERS.index(name)] for name in ("F129", "F158", "F213")]
    np.testing.assert_allclose(found, [4.54, 4.64, 5.08], atol=0.12)


def test_mass_function_is_kroupas():
    stars = old_population(0.5, 1.3, 2.3)
    edges = np.geomspace(0.082, 1.0, 241)
    density = stars.numbers[:240] / np.diff(edges)
    mass = np.sqrt(edges[1:] * edges[:-1])
    slope = np.gradient(np.log(density), np.log(mass))
    np.testing.assert_allclose(slope[mass < 0.45], -1.3, atol=0.01)
    np.testing.assert_allclose(slope[mass > 0.55], -2.3, atol=0.01)


def test_red_clump_stands_where_it_is_observed(bulge):
    """Zoccali et al. (2003, fig. 16): H0 near 13.1 in Baade's window; plus A_H 0.25, AB 1.39."""
    magnitudes = _magnitudes(bulge)
    numbers, edges = np.histogram(magnitudes, np.arange(12.5, 16.6, 0.1))
    smooth = np.convolve(numbers, np.ones(3), "same")[1:-1]
    peak = 0.5 * (edges[2:-1] + edges[1:-2])[np.argmax(smooth)]
    assert peak == pytest.approx(13.1 + 0.25 + 1.39 - 0.05, abs=0.25)


def test_density_of_the_bulge(bulge):
    """Terry et al. (2020): 115,000 stars in 7.3 square arcmin."""
    found = np.sum(_magnitudes(bulge) < 24) / BAADE.area / 3600
    assert found == pytest.approx(115000 / 7.3, rel=0.05)


def test_kinematics_of_the_bulge(bulge):
    """In galactic coordinates, turned by astropy: Sgr A*'s motion, dispersions 2.9 and 2.5."""
    bulge = bulge[::10]
    sky = SkyCoord(
        bulge["ra"] * u.deg, bulge["dec"] * u.deg,
        pm_ra_cosdec=bulge["pmra"] * u.mas / u.yr, pm_dec=bulge["pmdec"] * u.mas / u.yr,
    ).galactic  # fmt: skip
    along, across = sky.pm_l_cosb.value, sky.pm_b.value
    np.testing.assert_allclose([along.mean(), across.mean()], [-6.379, -0.202], atol=0.04)
    np.testing.assert_allclose([along.std(), across.std()], [2.9, 2.5], rtol=0.01)
    assert np.median(bulge["parallax"]) == pytest.approx(1 / 8.178, rel=0.01)


def test_rotation_is_astropys():
    here = SkyCoord(30.0, 50.0, unit="deg")
    east, north = rotated(here.galactic, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    for number in range(2):
        sky = SkyCoord(
            here.ra, here.dec, pm_ra_cosdec=east[number] * u.mas / u.yr,
            pm_dec=north[number] * u.mas / u.yr,
        ).galactic  # fmt: skip
        expected = [1, 0] if number == 0 else [0, 1]
        np.testing.assert_allclose([sky.pm_l_cosb.value, sky.pm_b.value], expected, atol=1e-9)


def test_extinction_law():
    """Cardelli, Clayton & Mathis (1989, table 3): A_J, A_H, A_K over A_V."""
    wavelengths = np.array([1.25, 1.65, 2.2])
    np.testing.assert_allclose(extinction(wavelengths), [0.282, 0.190, 0.114], atol=0.01)


def test_numbers_of_stars_can_be_asked_for():
    assert len(bulge_stars(BAADE, 27.0, 1, count=1234)) == 1234
    one, two = (bulge_stars(BAADE, 20.0, 9, count=100) for _ in range(2))
    np.testing.assert_array_equal(one["F158"], two["F158"])
    with pytest.raises(UsageError, match="bright"):
        bulge_stars(BAADE, 3.0, 1)
