import numpy as np
import pytest
from astropy import constants, units
from astropy.modeling.models import BlackBody

from roman_dms.errors import UsageError
from roman_dms.instrument.starlight import light_wavelength, spectrum_wavelength, star_wavelength
from roman_dms.instrument.throughput import effective_area, wavelengths


def test_a_black_body_as_astropy_has_it():
    wave, area = wavelengths("WFI02"), effective_area("WFI02", "F062")
    energy = BlackBody(4200 * units.K)(wave * units.micron).value / wave**2  # f_nu to f_lambda
    photons = energy * wave / (constants.h * constants.c).value
    truth = np.average(wave, weights=photons * area)

    assert star_wavelength("WFI02", "F062", 4200) == pytest.approx(truth, rel=1e-6)


def test_a_line_has_its_own_wavelength():
    wave = np.linspace(0.5, 2.5, 20001)
    line = np.exp(-((wave - 1.61) ** 2) / (2 * 0.002**2))
    assert spectrum_wavelength("WFI01", "F158", wave, line) == pytest.approx(1.61, abs=2e-4)


def test_the_three_ways_to_tell_light():
    by_type = light_wavelength("WFI01", "F106", spectrum="G2V")
    assert by_type == light_wavelength("WFI01", "F106", temperature=5800)
    assert light_wavelength("WFI01", "F106", spectrum="m3") > by_type
    assert light_wavelength("WFI01", "F106", wavelength=1.05) == 1.05
    assert light_wavelength("WFI01", "F106") is None


@pytest.mark.parametrize(
    ("element", "light"),
    [
        ("F158", {"wavelength": 1.5, "temperature": 5000}),
        ("F158", {"temperature": -1}),
        ("F158", {"wavelength": 0.5}),
        ("F158", {"spectrum": "quasar"}),
        ("F158", {"spectrum": ([0.3, 0.5], [1, 1])}),
        ("F158", {"spectrum": ([1, 2], [1, 1, 1])}),
        ("F158", {"spectrum": ([1, 2], [np.nan, 1])}),
        ("GRISM", {}),
        ("GRISM", {"spectrum": "G2V"}),
        ("F999", {"wavelength": 1.5}),
    ],
)
def test_light_that_cannot_be(element, light):
    with pytest.raises(UsageError):
        light_wavelength("WFI01", element, **light)
