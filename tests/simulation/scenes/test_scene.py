"""Count rates, wavelengths and spectra of a scene."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from roman_dms.errors import UsageError
from roman_dms.instrument import throughput
from roman_dms.simulation.scenes.bands import MEAN, band
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.scenes.spectra import spectrum

MJD = 61557.0


def _scene(**columns):
    count = len(next(iter(columns.values())))
    places = {"ra": np.linspace(1, 2, count), "dec": np.zeros(count), "type": ["PSF"] * count}
    return Scene(Table({**places, **columns}))


def test_one_band_means_a_flat_spectrum():
    flux = np.array([1e-10, 3e-8, 0.0])
    scene = _scene(F158=flux)
    for detector in ("WFI01", "WFI14"):
        expected = flux * 3631 * throughput.electrons_per_jansky(detector, "F158")
        np.testing.assert_allclose(scene.count_rates(detector, "F158", MJD), expected, rtol=1e-9)
    assert scene.bands == ("F158",)
    np.testing.assert_allclose(scene.flux_densities([1.5], MJD)[:, 0], flux * 3631)


def test_published_zero_point_of_the_mission():
    """AB magnitude of one electron a second."""
    scene = _scene(F129=[10 ** (-0.4 * throughput.ab_zero_point("WFI02", "F129"))])
    assert scene.count_rates("WFI02", "F129", MJD)[0] == pytest.approx(1, abs=0.01)


def test_flux_is_that_of_the_mean_detector():
    """Whatever the colour: 18 detectors together see the catalogue's magnitude."""
    fluxes = {name: [flux] for name, flux in zip(["F106", "F129", "F158"], [1e-9, 4e-9, 2e-8])}  # noqa: B905
    scene = _scene(**fluxes)
    rates = [scene.count_rates(f"WFI{n:02d}", "F129", MJD)[0] for n in range(1, 19)]
    expected = 4e-9 * 3631 * band(MEAN, "F129").electrons_per_jansky
    assert np.mean(rates) == pytest.approx(expected, rel=1e-9)
    flat = [throughput.electrons_per_jansky(f"WFI{n:02d}", "F129") for n in range(1, 19)]
    ratio = np.array(rates) / flat
    assert 1e-4 < np.ptp(ratio) / ratio.mean() < 0.05


@pytest.mark.parametrize("sed", ["E", "blackbody:4000", "power:1.5"])
def test_named_spectrum_is_scaled_to_its_flux(sed):
    scene = _scene(F158=[1e-9, 1e-9], sed=[sed, ""], redshift=[0.3, 0.0])
    shape, at = spectrum(sed), np.array([0.3])

    def rate(detector, element):
        return band(detector, element).moments(shape, at)[0][0]

    level = 1e-9 * 3631 * band(MEAN, "F158").electrons_per_jansky / rate(MEAN, "F158")
    found = scene.count_rates("WFI06", "F158", MJD)
    assert found[0] == pytest.approx(level * rate("WFI06", "F158"), rel=1e-9)
    assert found[1] == pytest.approx(1e-9 * 3631 * throughput.electrons_per_jansky("WFI06", "F158"))
    # A band without a flux of its own, as all sources have spectra.
    chosen = scene.select([0])
    assert chosen.count_rates("WFI06", "F087", MJD)[0] == pytest.approx(
        level * rate("WFI06", "F087")
    )
    densities = chosen.flux_densities([1.2, 1.9], MJD)[0]
    np.testing.assert_allclose(densities, level * shape.at(np.array([1.2, 1.9]), 0.3))


def test_red_sources_have_longer_wavelengths():
    scene = _scene(F106=[1e-9, 1e-9], F129=[3e-9, 3e-10], F158=[9e-9, 9e-11])
    red, blue = scene.wavelengths("WFI01", "F129")
    assert 1.13 < blue < throughput.pivot_wavelength("WFI01", "F129") < red < 1.45


def test_rates_of_a_spectrum_are_those_of_its_densities():
    """Integrating flux_densities over the prism's area gives its count rate."""
    scene = _scene(F087=[1e-9], F106=[2e-9], F158=[5e-9], F213=[4e-9])
    wavelengths = throughput.wavelengths("WFI01")
    density = scene.flux_densities(wavelengths, MJD)[0]
    area = throughput.effective_area("WFI01", "PRISM")
    expected = 1e-26 / 6.62607015e-34 * np.trapezoid(density * area / wavelengths, wavelengths)
    assert scene.count_rates("WFI01", "PRISM", MJD)[0] == pytest.approx(expected, rel=1e-5)


def test_unknown_bands_say_which_there_are():
    scene = _scene(F129=[1e-9], F158=[1e-9])
    with pytest.raises(UsageError, match="F129, F158"):
        scene.count_rates("WFI01", "F062", MJD)
    scene.count_rates("WFI01", "GRISM", MJD)
    with pytest.raises(UsageError, match="F999"):
        scene.count_rates("WFI01", "F999", MJD)
    with pytest.raises(UsageError, match="WFI99"):
        scene.count_rates("WFI99", "F158", MJD)


def test_spectrum_without_light_in_its_band_is_refused(tmp_path):
    np.savetxt(tmp_path / "blue.txt", [[0.3, 1.0], [0.9, 1.0], [1.0, 0.0], [3.0, 0.0]])
    scene = _scene(F158=[1e-9, 1e-9], sed=["E", f"file:{tmp_path / 'blue.txt'}"])
    with pytest.raises(UsageError, match=r"Row 1 .*F158"):
        scene.count_rates("WFI01", "F158", MJD)


def test_variability_is_in_the_rates():
    scene = _scene(
        F158=[1e-9, 1e-9], variability=["microlensing", ""], t_ref=[MJD, 0], timescale=[20.0, 1],
        amplitude=[1.0, 0],
    )  # fmt: skip
    at, far = (scene.count_rates("WFI01", "F158", mjd) for mjd in (MJD, MJD + 1e5))
    np.testing.assert_allclose(at / far, [3 / 5**0.5, 1], rtol=1e-6)
    np.testing.assert_allclose(scene.flux_densities([1.6], MJD)[:, 0] / 3.631e-6, at / far)


def test_redshift_stretches_light_curves():
    scene = _scene(
        F158=[1e-9, 1e-9], variability=["supernova"] * 2, t_ref=[MJD] * 2,
        timescale=[20.0, 20.0], redshift=[0.0, 1.0],
    )  # fmt: skip
    near = scene.relative_fluxes(MJD + 25)[0]
    assert scene.relative_fluxes(MJD + 50)[1] == pytest.approx(near)


def test_selection_keeps_rows_and_metadata():
    table = Table(
        {"ra": [1.0, 2, 3], "dec": [0.0] * 3, "type": ["PSF"] * 3, "F158": [1e-9, 2e-9, 3e-9]}
    )
    table.meta["epoch"] = 2027.0
    scene = Scene(table)
    part = scene.select(np.array([True, False, True]))
    np.testing.assert_array_equal(part["id"], [1, 3])
    assert part["epoch"][0] == 2027
    rate = scene.count_rates("WFI01", "F158", MJD)
    np.testing.assert_array_equal(part.count_rates("WFI01", "F158", MJD), rate[[0, 2]])
    assert len(scene.select(slice(0, 1))) == 1


def test_results_are_the_callers_own():
    scene = _scene(F158=[1e-9])
    scene.wavelengths("WFI01", "F158")[:] = 0
    scene.count_rates("WFI01", "F158", MJD)[:] = 0
    assert scene.wavelengths("WFI01", "F158")[0] > 1
    assert scene.count_rates("WFI01", "F158", MJD)[0] > 0


def test_million_rows():
    count = 1_000_000
    random = np.random.default_rng(1)
    names = ("F106", "F129", "F158", "F184")
    fluxes = {name: random.uniform(0, 1e-9, count).astype(np.float32) for name in names}
    scene = _scene(**fluxes)
    rates = scene.count_rates("WFI01", "F158", MJD)
    # Neighbouring sources do not influence each other.
    some = [0, 65535, 65536, 999_999]
    np.testing.assert_array_equal(scene.select(some).count_rates("WFI01", "F158", MJD), rates[some])
