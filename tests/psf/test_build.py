from pathlib import Path

import numpy as np
import pytest
from galsim import meta_data

from roman_dms.errors import UsageError
from roman_dms.instrument.throughput import effective_area, wavelengths
from roman_dms.psf.build import psf_grid
from roman_dms.psf.colours import colours, gaussian_quadrature
from tests.psf import galsim_truth


def photons(detector, element, spectrum):
    """Wavelengths of a band [micron] and how many photons of a spectrum are detected there."""
    wave, area = wavelengths(detector), effective_area(detector, element)
    wave, area = wave[area > 1e-4 * area.max()], area[area > 1e-4 * area.max()]
    if spectrum == "flat":
        return wave, area / wave
    path = Path(meta_data.share_dir) / "SEDs" / f"CWW_{spectrum}_ext.sed"
    angstrom, flux = np.loadtxt(path, usecols=(0, 1)).T
    return wave, np.interp(wave, angstrom * 1e-4, flux) * area * wave


def test_a_grid_against_galsim(galsim_pupil, monkeypatch):
    detector, element, x, y = "WFI18", "F158", 777.0, 3500.0
    monkeypatch.setattr(galsim_truth, "BINNING", 8)
    grid = psf_grid(detector, element, size=13, wing_size=65, cache=False)
    band, _ = photons(detector, element, "flat")
    parts = np.array_split(np.arange(len(band)), 8)
    waves = [band[part].mean() for part in parts]
    single = [
        galsim_truth.effective_psf(detector, element, x, y, wave, oversample=4, size=13)
        for wave in waves
    ]

    for spectrum in ("E", "Im", "flat"):
        _, light = photons(detector, element, spectrum)
        shares = np.array([light[part].sum() for part in parts])
        truth = np.average(single, axis=0, weights=shares)
        found = grid.at(x, y, float(np.average(waves, weights=shares)))

        assert np.abs(found - truth).max() < 4e-4 * truth.max(), spectrum


def test_what_a_grid_holds():
    grid = psf_grid("WFI02", "F129", nodes=(2, 3), size=9, wing_size=65, oversample=3, cache=False)

    assert (grid.detector, grid.element, grid.oversample) == ("WFI02", "F129", 3)
    assert grid.samples.shape == (2, 3, 2, 25, 25)
    assert grid.samples.dtype == grid.wings.dtype == np.float32
    assert grid.samples.flags.c_contiguous
    np.testing.assert_allclose(grid.nodes_x, [0, 4087])
    np.testing.assert_allclose(grid.nodes_y, [0, 2043.5, 4087])
    mean = grid.samples.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(grid.wings[28:37, 28:37], mean[::3, ::3], rtol=1e-5)


def test_dispersed_light_is_held_by_wavelength():
    grid = psf_grid("WFI01", "GRISM", nodes=(1, 1), size=9, wing_size=65, cache=False)
    wave = float(np.sqrt(grid.wavelengths[5] * grid.wavelengths[6]))

    direct = galsim_truth.effective_psf(
        "WFI01", "GRISM", 2043.5, 2043.5, wave, oversample=4, size=9, binning=2
    )

    assert (grid.wavelengths[0], grid.wavelengths[-1]) == pytest.approx((1.0, 1.93))
    # GalSim's pupil is fatter by half a bin of 2 pixels here, which makes most of this
    np.testing.assert_allclose(grid.at(0, 0, wave), direct, atol=6e-3 * direct.max())


def test_the_cache_gives_the_same_grid(tmp_path, monkeypatch):
    monkeypatch.setenv("RDMS_CACHE", str(tmp_path))
    asked = {"nodes": (1, 1), "size": 9, "wing_size": 65}

    built = psf_grid("WFI01", "F184", **asked)
    kept = psf_grid("WFI01", "F184", **asked)
    other = psf_grid("WFI01", "F184", defocus=0.1, **asked)

    np.testing.assert_array_equal(kept.samples, built.samples)
    np.testing.assert_array_equal(kept.wings, built.wings)
    assert other.samples.max() < built.samples.max()


def test_components_bracket_the_spectra_of_stars_and_galaxies():
    for element in ("F062", "F106", "F146", "F213"):
        means = colours("WFI01", element).means
        assert (np.diff(means) > 0).all()
        for spectrum in ("E", "Im", "flat"):
            wave, light = photons("WFI01", element, spectrum)
            assert means[0] < np.average(wave, weights=light) < means[-1]


def test_a_few_wavelengths_stand_for_a_band():
    """Moments of the band up to the eleventh, of which six points are able."""
    wave, light = photons("WFI01", "F158", "flat")
    points, weights = gaussian_quadrature(wave, light / light.sum(), 6)

    for power in range(12):
        truth = np.average((wave - 1.58) ** power, weights=light)
        assert weights @ (points - 1.58) ** power == pytest.approx(truth, rel=1e-6, abs=1e-14)


@pytest.mark.parametrize("asked", [{"nodes": (0, 5)}, {"size": 45, "wing_size": 33}])
def test_impossible_grids(asked):
    with pytest.raises(UsageError):
        psf_grid("WFI01", "F158", cache=False, **asked)
