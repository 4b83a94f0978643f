"""Traces against the published dispersion, resolution and band edges."""

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.instrument.dispersion import DIRECTIONS, UNDEVIATED, ZEROTH_ORDER, dispersion


@pytest.mark.parametrize(
    ("element", "wavelength", "published"),
    [
        ("GRISM", 0.99865, 1.08), ("GRISM", 1.25891, 1.09), ("GRISM", 1.92257, 1.08),
        ("PRISM", 0.76051, 2.17), ("PRISM", 1.02077, 4.77), ("PRISM", 1.28103, 7.34),
        ("PRISM", 1.67142, 9.29), ("PRISM", 1.82107, 11.22),
    ],
)  # fmt: skip
def test_a_pixel_spans_the_published_nanometres(element, wavelength, published):
    trace = dispersion(element)
    before, after = trace.displacement(np.array([wavelength - 2e-4, wavelength + 2e-4]))
    assert 0.4 / (after - before) == pytest.approx(DIRECTIONS[element] * published, rel=5e-3)


def test_the_trace_of_the_grism_has_nearly_equal_steps():
    """A mean of 1.087 nm a pixel: IPAC's optical model has 919.99 pixels a micron."""
    length = np.ptp(dispersion("GRISM").displacement(np.array([1.0, 1.9])))
    assert length == pytest.approx(0.9 * 919.99, rel=3e-3)


def test_the_trace_of_the_prism_is_that_of_the_optical_model():
    """IPAC's model at the centre of the field, in powers of log10(wavelength / 1.2 micron)."""
    coefficients = [1.5564e-04, -4.1727, 3.5222, -17.165, 10.028, -25.269]  # mm
    wavelength = np.linspace(0.77, 1.58, 50)
    powers = np.log10(wavelength / 1.2)[:, None] ** np.arange(6)
    expected = 100 * powers @ coefficients  # pixels along y
    trace = dispersion("PRISM")
    found = trace.displacement(wavelength) - trace.displacement(1.2)
    np.testing.assert_allclose(found, expected, atol=2.0)  # of 165 pixels


@pytest.mark.parametrize("element", ["GRISM", "PRISM"])
def test_there_and_back(element):
    trace = dispersion(element)
    wavelength = np.linspace(0.7, 2.0, 500)
    along = trace.displacement(wavelength)
    assert trace.displacement(UNDEVIATED) == pytest.approx(0, abs=1e-9)
    assert np.all(np.sign(np.diff(along)) == DIRECTIONS[element])
    np.testing.assert_allclose(trace.wavelength(along), wavelength, rtol=1e-12)


def test_the_zeroth_order_lies_where_a_grating_puts_it():
    """Where the first order would put light of wavelength 0, within the prism's part."""
    slope = np.diff(dispersion("GRISM").displacement(np.array([1.5, 1.6])))[0] / 0.1
    assert pytest.approx(-UNDEVIATED * slope, rel=0.05) == ZEROTH_ORDER


def test_filters_do_not_disperse():
    with pytest.raises(UsageError, match="'F158' does not disperse"):
        dispersion("F158")
