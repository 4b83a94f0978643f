"""The background against GalSim's sky levels, astropy's Sun and the published rates."""

from datetime import datetime

import galsim
import numpy as np
import pytest
from astropy.coordinates import SkyCoord, get_sun
from astropy.time import Time
from galsim import roman

from roman_dms.errors import UsageError
from roman_dms.instrument.backgrounds import background
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.optical_elements import DISPERSERS, FILTERS
from roman_dms.simulation.background import (
    COLUMNS,
    STRAY_LIGHT,
    SUN_ANGLES,
    sky_rate,
    sun_angle,
    zodiacal_ratio,
)

DATE = datetime(2027, 3, 21)
MJD = Time(DATE).mjd


@pytest.fixture(scope="module")
def bands():
    return roman.getBandpasses(include_all_bands=True)


@pytest.mark.parametrize(
    ("ra", "dec"), [(90.0, 0.0), (268.5, -29.2), (61.0, -52.0), (270.0, 66.0), (115.0, 8.0)]
)
def test_zodiacal_light_varies_over_the_sky_as_galsims(bands, ra, dec):
    place = galsim.CelestialCoord(ra * galsim.degrees, dec * galsim.degrees)
    for element in ("F062", "F158", "F213"):
        band = bands[COLUMNS[element]]
        level = roman.getSkyLevel(band, world_pos=place, exptime=1, date=DATE)
        expected = level / np.min(band._sky_level[band._sky_level > 0])
        minimum, here = (
            sky_rate("WFI05", element, ra, dec, MJD, zodiacal=zodiacal, stray_light=0)
            for zodiacal in ("minimum", "position")
        )
        glow = background(element).thermal
        # GalSim's Sun is up to a degree off, where the light changes by 2 % a degree.
        assert (here - glow) / (minimum - glow) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("element", FILTERS + DISPERSERS)
def test_mean_of_the_detectors_at_the_faintest_place_is_the_published_rate(element):
    where = {"ra": 270.0, "dec": 66.0, "mjd": MJD}
    rates = [sky_rate(n, element, **where, zodiacal="minimum", stray_light=0) for n in NAMES]
    published = background(element)
    assert np.mean(rates) == pytest.approx(published.zodiacal + published.thermal, rel=1e-12)
    assert 0.02 < np.std(rates) / published.zodiacal < 0.06  # as their effective areas
    stray = [sky_rate(n, element, **where, zodiacal="minimum") for n in NAMES]
    assert np.mean(stray) - np.mean(rates) == pytest.approx(STRAY_LIGHT * published.zodiacal)


def test_a_number_is_that_many_times_the_minimum():
    rates = [sky_rate("WFI01", "F062", 270, 66, MJD, zodiacal=n) for n in (0, 1, 3.5)]
    assert rates[0] == background("F062").thermal
    assert rates[2] - rates[0] == pytest.approx(3.5 * (rates[1] - rates[0]))
    assert rates[1] == sky_rate("WFI01", "F062", 270, 66, MJD, zodiacal="minimum")


@pytest.mark.parametrize("mjd", [60000.0, 61557.3, 62500.0, 64000.0])
def test_the_sun_is_where_astropy_has_it(mjd):
    sun = get_sun(Time(mjd, format="mjd", scale="tdb"))
    for ra, dec in ((10.0, -40.0), (190.0, 70.0), (300.0, 5.0)):
        expected = SkyCoord(ra, dec, unit="deg", frame="gcrs", obstime=sun.obstime).separation(sun)
        assert sun_angle(ra, dec, mjd) == pytest.approx(expected.deg, abs=0.03)


def test_the_light_is_symmetric_and_faintest_far_from_the_sun_and_the_ecliptic():
    assert zodiacal_ratio("F158", 152, np.degrees(np.arcsin(40 / 41))) == pytest.approx(1)
    assert zodiacal_ratio("F158", -75, 20) == zodiacal_ratio("F158", 75, -20)
    along = [zodiacal_ratio("F158", longitude, 0) for longitude in (20, 40, 60, 90, 120)]
    assert np.all(np.diff(along) < 0)
    assert zodiacal_ratio("F158", 180, 0) > zodiacal_ratio("F158", 150, 0)  # the gegenschein
    assert zodiacal_ratio("F158", 77, 90) == pytest.approx(zodiacal_ratio("F158", 0, 90), rel=0.05)


def test_the_observatory_does_not_look_near_the_sun():
    with pytest.raises(UsageError, match=r"3\d\.\d degrees from the Sun") as error:
        sky_rate("WFI01", "F158", 36.0, 8.0, MJD)
    assert "54 to 126" in str(error.value)
    assert sky_rate("WFI01", "F158", 36.0, 8.0, MJD, any_sun_angle=True) > 2
    with pytest.raises(UsageError, match=r"1[67]\d\.\d degrees from the Sun"):
        sky_rate("WFI01", "F158", 185.0, 8.0, MJD)
    with pytest.raises(UsageError, match="not known"):
        sky_rate("WFI01", "F158", 5.0, 1.0, MJD, any_sun_angle=True)
    assert SUN_ANGLES[0] <= sun_angle(90.0, 30.0, MJD) <= SUN_ANGLES[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"element": "DARK"}, "no background for 'DARK'"),
        ({"detector": "WFI19"}, "no detector 'WFI19'"),
        ({"dec": 91.0}, "Dec 91.0"),
        ({"ra": np.nan}, "RA nan"),
        ({"mjd": np.inf}, "MJD inf"),
        ({"stray_light": -0.1}, "stray light is -0.1"),
        ({"zodiacal": "maximum"}, "'maximum' is not known"),
        ({"zodiacal": -1.0}, "-1.0 is not known"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    asked = {"detector": "WFI01", "element": "F158", "ra": 270.0, "dec": 66.0, "mjd": MJD}
    with pytest.raises(UsageError, match=message):
        sky_rate(**(asked | changes))
