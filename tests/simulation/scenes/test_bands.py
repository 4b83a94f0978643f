"""Integrals over bands against closed forms, quadrature and GalSim."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
from scipy.integrate import quad

from roman_dms.instrument import throughput
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.scenes.bands import MEAN, Interpolated, band, interpolate, nodes
from roman_dms.simulation.scenes.spectra import spectrum

PLANCK = 6.62607015e-34


def _area(detector, element):
    wavelengths = throughput.wavelengths(detector)
    area = throughput.effective_area(detector, element)
    return lambda x: np.interp(x, wavelengths, area)


def _quadrature(function, detector, element):
    """Rate by Simpson's rule on a grid ten times finer than the table of areas."""
    from scipy.integrate import simpson

    fine = np.linspace(0.4, 2.599, 21991)
    return 1e-26 / PLANCK * simpson(function(fine) * _area(detector, element)(fine) / fine, x=fine)


@pytest.mark.parametrize("element", [*FILTERS, "GRISM", "PRISM"])
@pytest.mark.parametrize("detector", ["WFI01", "WFI18"])
def test_flat_spectrum_gives_the_zero_point(detector, element):
    expected = throughput.electrons_per_jansky(detector, element)
    assert band(detector, element).electrons_per_jansky == pytest.approx(expected, rel=1e-9)
    rate, _ = band(detector, element).moments(spectrum("power:0"), np.zeros(1))
    assert rate[0] == pytest.approx(expected, rel=1e-6)


def test_mean_band_is_the_mean_of_18():
    expected = np.mean(
        [throughput.electrons_per_jansky(f"WFI{n:02d}", "F158") for n in range(1, 19)]
    )
    assert band(MEAN, "F158").electrons_per_jansky == pytest.approx(expected)
    assert band("WFI07", "F158").pivot == pytest.approx(
        throughput.pivot_wavelength("WFI07", "F158"), rel=1e-6
    )


@pytest.mark.parametrize("index", [-3.0, -1.0, 2.0])
@pytest.mark.parametrize("element", ["F062", "F146", "F213"])
def test_power_law_against_quadrature(index, element):
    expected = _quadrature(lambda x: x**-index, "WFI03", element)
    moment = _quadrature(lambda x: x ** (1 - index), "WFI03", element)
    rate, wavelength = band("WFI03", element).moments(spectrum(f"power:{index}"), np.zeros(2))
    np.testing.assert_allclose(rate, expected, rtol=1e-4)
    np.testing.assert_allclose(wavelength, moment / expected, rtol=1e-5)


@pytest.mark.parametrize("redshift", [0.0, 0.7, 3.0])
@pytest.mark.parametrize("name", ["E", "Sbc", "Scd", "Im"])
@pytest.mark.parametrize("element", ["F087", "F158"])
def test_galaxies_against_galsim(name, redshift, element):
    """Colours: the ratio of two bands, since the shape alone is defined."""

    def flux(element):
        inside = throughput.wavelengths("WFI01") < 2.2  # the end of the SEDs
        wavelengths = throughput.wavelengths("WFI01")[inside] * 1e3
        area = throughput.effective_area("WFI01", element)[inside]
        through = galsim.Bandpass(galsim.LookupTable(wavelengths, area, interpolant="linear"), "nm")
        sed = galsim.SED(f"CWW_{name}_ext.sed", "Ang", "flambda", fast=False).atRedshift(redshift)
        return sed.calculateFlux(through)

    shape, at = spectrum(name), np.array([redshift])
    found = (
        band("WFI01", element).moments(shape, at)[0] / band("WFI01", "F129").moments(shape, at)[0]
    )
    assert found[0] == pytest.approx(flux(element) / flux("F129"), rel=1e-4)


def test_absolute_rate_against_galsim():
    """A blackbody of 1 Jy at 1 micron; GalSim counts photons a second and cm2 of an SED."""
    wavelengths = throughput.wavelengths("WFI11") * 1e3
    area = throughput.effective_area("WFI11", "F184")
    through = galsim.Bandpass(galsim.LookupTable(wavelengths, area, interpolant="linear"), "nm")
    x = 14387.76877 / 4500  # hc / k T at 1 micron [micron]

    def planck(wavelength_nm):
        micron = wavelength_nm / 1e3
        return 1e-23 * np.expm1(x) / np.expm1(x / micron) / micron**3

    expected = galsim.SED(planck, "nm", "fnu").calculateFlux(through) * 1e4
    rate, _ = band("WFI11", "F184").moments(spectrum("blackbody:4500"), np.zeros(1))
    assert rate[0] == pytest.approx(expected, rel=1e-4)


def test_a_narrow_line_counts_wherever_it_falls(tmp_path):
    """A line of 0.1 nm, ten times narrower than the samples of the areas."""
    centre, width = 1.5803, 1e-4
    wavelengths = np.array([0.3, centre - width, centre, centre + width, 4.0])
    np.savetxt(tmp_path / "line.txt", np.stack([wavelengths, [0, 0, 1, 0, 0]], axis=1))
    shape = spectrum(f"file:{tmp_path / 'line.txt'}")
    redshifts = np.linspace(0, 0.003, 7)
    rates, means = band("WFI01", "F158").moments(shape, redshifts)
    for redshift, rate, mean in zip(redshifts, rates, means, strict=True):
        seen = centre * (1 + redshift)
        area = _area("WFI01", "F158")(seen)
        assert rate == pytest.approx(
            1e-26 / PLANCK * area / seen * width * (1 + redshift), rel=2e-3
        )
        assert mean == pytest.approx(seen, abs=5e-4)


@pytest.mark.parametrize("index", [-4.0, 0.0, 1.5])
def test_interpolated_spectrum_is_exact_for_a_power_law(index):
    """Between the nodes a power law is itself; F106, F129, F158 lie wholly between them."""
    names, pivots = nodes(FILTERS)
    assert "F146" not in names
    fluxes = np.tile(pivots**-index, (3, 1))
    for element in ("F106", "F129", "F158"):
        expected = _quadrature(lambda x: x**-index, "WFI05", element)
        rate, wavelength = Interpolated(band("WFI05", element), pivots).moments(fluxes)
        np.testing.assert_allclose(rate, expected, rtol=1e-4)
        moment = _quadrature(lambda x: x ** (1 - index), "WFI05", element)
        np.testing.assert_allclose(wavelength, moment / expected, rtol=1e-5)


@pytest.mark.parametrize("element", [*FILTERS, "PRISM"])
def test_integrals_agree_with_the_spectrum_itself(element):
    """Whatever the fluxes, the integral is that of the curve that ``interpolate`` draws."""
    _, pivots = nodes(FILTERS)
    random = np.random.default_rng(2)
    fluxes = 10 ** random.normal(0, 1.0, (5, pivots.size))
    fluxes[0, 2] = 0
    rates, _ = Interpolated(band("WFI09", element), pivots).moments(fluxes)
    for row, rate in zip(fluxes, rates, strict=True):

        def curve(x, row=row):
            return interpolate(row[None], pivots, x)[0]

        assert rate == pytest.approx(_quadrature(curve, "WFI09", element), rel=1e-4)


def test_interpolate_by_hand():
    found = interpolate(np.array([[1.0, 4.0]]), np.array([1.0, 2.0]), np.array([0.5, 1, 2**0.5, 3]))
    np.testing.assert_allclose(found, [[1, 1, 2, 4]])
    assert interpolate(np.zeros((1, 2)), np.array([1.0, 2.0]), np.array([1.5])) == 0


def test_sources_without_light_have_the_bands_wavelength():
    _, pivots = nodes(["F106", "F158"])
    through = band("WFI01", "F129")
    rate, wavelength = Interpolated(through, pivots).moments(np.zeros((2, 2)))
    np.testing.assert_array_equal(rate, 0)
    np.testing.assert_allclose(wavelength, through.pivot)


def test_quadrature_of_the_tests_is_right():
    """The judge against scipy's adaptive rule, on a smooth area."""
    value, _ = quad(lambda x: x**-2.0, 1.0, 2.0)
    fine = np.linspace(1, 2, 10001)
    assert np.trapezoid(fine**-2.0, fine) == pytest.approx(value, rel=1e-7)
