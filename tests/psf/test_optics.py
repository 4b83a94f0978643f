import numpy as np
import pytest
from galsim.roman import roman_psfs

from roman_dms.errors import UsageError
from roman_dms.instrument.throughput import PIXEL_SCALE
from roman_dms.psf import pupil
from roman_dms.psf.optics import Blur, optical_psf, wide_psf
from tests.psf import galsim_truth


def moments(psf, oversample):
    """Centroid [pixel], size and two ellipticities, within a Gaussian window of 1.5 pixels."""
    steps = (np.arange(len(psf)) - len(psf) // 2) / oversample
    x, y = np.meshgrid(steps, steps)
    light = psf * np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    light = light / light.sum()
    mean_x, mean_y = (light * x).sum(), (light * y).sum()
    xx, yy = (light * (x - mean_x) ** 2).sum(), (light * (y - mean_y) ** 2).sum()
    xy = (light * (x - mean_x) * (y - mean_y)).sum()
    return np.array([mean_x, mean_y]), np.array(
        [xx + yy, (xx - yy) / (xx + yy), 2 * xy / (xx + yy)]
    )


def assert_same(found, truth, oversample):
    assert found.shape == truth.shape
    assert np.abs(found - truth).max() < 2e-4 * truth.max()
    light, expected = (image[::oversample, ::oversample].sum() for image in (found, truth))
    assert light == pytest.approx(expected, abs=3e-4)
    centroid, shape = moments(found, oversample)
    true_centroid, true_shape = moments(truth, oversample)
    np.testing.assert_allclose(centroid, true_centroid, atol=3e-3)
    np.testing.assert_allclose(shape, true_shape, atol=5e-4)


def bin_pattern(psf, oversample, wavelength):
    """Diffraction of a square bin of the pupil: ours are made up for it, GalSim's are points."""
    bin_width = galsim_truth.BINNING * 1.1798e-3
    angles = (np.arange(len(psf)) - len(psf) // 2) / oversample * np.deg2rad(0.11 / 3600)
    pattern = np.sinc(angles * bin_width / (wavelength * 1e-6)) ** 2
    return np.outer(pattern, pattern)


def test_the_whole_pupil_at_full_resolution():
    """GalSim with all pixels of the mask; ours are binned, each as bright as it is lit."""
    where = ("WFI03", "F106", 100.0, 3000.0)

    found = optical_psf(*where, [0.98], oversample=2, size=33)

    truth = galsim_truth.effective_psf(*where, 0.98, oversample=2, size=33, binning=1)
    assert_same(found, truth, 2)


@pytest.mark.parametrize(
    ("detector", "element", "x", "y", "wavelength", "others"),
    [
        ("WFI01", "F062", 10.0, 4080.0, 0.5, {}),
        ("WFI18", "F087", 4000.0, 4000.0, 0.87, {"jitter": 0.008}),
        ("WFI05", "F158", 2043.5, 2043.5, 1.58, {"defocus": 0.05}),
        ("WFI09", "PRISM", 50.0, 3000.0, 1.2, {"diffusion": 0.0}),
        ("WFI10", "F213", 3900.0, 20.0, 2.1, {"diffusion": 0.3}),
    ],
)
def test_one_wavelength_against_galsim(galsim_pupil, detector, element, x, y, wavelength, others):
    truth = galsim_truth.effective_psf(
        detector, element, x, y, wavelength, oversample=4, size=33, **others
    )

    ours = {{"diffusion": "charge_diffusion"}.get(name, name): v for name, v in others.items()}
    found = optical_psf(detector, element, x, y, [wavelength], oversample=4, size=33, **ours)

    assert_same(found * bin_pattern(found, 4, wavelength), truth, 4)


def test_spectra_against_galsim(galsim_pupil):
    waves = (1.74, 1.85, 1.96)
    where = ("WFI12", "F184", 1000.0, 250.0)
    single = [galsim_truth.effective_psf(*where, wave, oversample=3, size=25) for wave in waves]
    for weights in ((0.6, 0.3, 0.1), (1.0, 1.0, 1.0), (0.1, 0.2, 0.7)):
        truth = np.average(single, axis=0, weights=weights)

        found = optical_psf(*where, waves, weights, oversample=3, size=25)

        assert_same(found * bin_pattern(found, 3, 1.85), truth, 3)


def test_wings_against_galsim(galsim_pupil):
    """Far out, whole pixels: rings and spikes together, and all the light in them."""
    where = ("WFI07", "F158", 300.0, 900.0)
    binned = pupil.pupil("WFI07", False, 4)
    period = round(1 / binned.frequency(1.6))
    wavelength = 1.6 * binned.frequency(1.6) * period  # to a whole number of pixels
    truth = galsim_truth.effective_psf(*where, wavelength, oversample=1, size=129)

    found = wide_psf(*where, np.array([wavelength]), np.ones(1), Blur(), size=129)
    found = found * bin_pattern(found, 1, wavelength)

    assert found.sum() == pytest.approx(truth.sum(), abs=3e-4)
    assert np.abs(found - truth).max() < 2e-4 * truth.max()
    far = np.hypot(*np.indices(found.shape) - 64.0) > 20
    assert found[far].sum() == pytest.approx(truth[far].sum(), rel=0.01)
    assert np.corrcoef(found[far], truth[far])[0, 1] > 0.999


def test_wings_hold_the_light_that_diffraction_theory_says():
    """Light outside a radius falls as one over it (van de Hulst; Goodman, Fourier Optics)."""
    size = 385
    wings = wide_psf(
        "WFI01", "F158", 2000.0, 2000.0, np.linspace(1.4, 1.75, 12), np.ones(12), Blur(), size=size
    )
    radius = np.hypot(*np.indices(wings.shape) - size // 2)
    outside = [1 - wings[radius <= edge].sum() for edge in (45, 90, 180)]

    assert outside[0] / outside[1] == pytest.approx(2, rel=0.05)
    assert outside[1] / outside[2] == pytest.approx(2, rel=0.05)
    assert 0.002 < outside[2] < 0.006


def test_defocus_is_a_wavefront_in_microns():
    """The Strehl ratio of a small error is exp(-(2 pi rms / wavelength)2) (Mahajan 1983)."""
    pure = {"jitter": 0.0, "charge_diffusion": 0.0, "oversample": 1, "size": 3}
    sharpest, best = max(
        (optical_psf("WFI01", "F213", 2000, 2000, [2.0], defocus=d, **pure).max(), d)
        for d in np.linspace(-0.1, 0.1, 21)
    )
    blurred = optical_psf("WFI01", "F213", 2000, 2000, [2.0], defocus=best + 0.1, **pure).max()

    # a pixel averages over the core, so the loss is less than the Strehl ratio's
    loss, strehl_loss = 1 - blurred / sharpest, 1 - np.exp(-((2 * np.pi * 0.1 / 2.0) ** 2))
    assert 0.4 * strehl_loss < loss < 1.05 * strehl_loss


def test_places_in_the_field_follow_the_aperture_file():
    """The corner of a detector that SIAF puts nearest to a tabulated field point has its
    coefficients, so the science frame is mirrored to the focal plane in x alone."""
    pysiaf = pytest.importorskip("pysiaf")
    siaf = pysiaf.Siaf("Roman")
    tables = {number: pupil._field_table(f"WFI{number:02d}") for number in range(1, 19)}
    middles = np.array([table[0, 3:5] for table in tables.values()])
    sky = np.array([siaf[f"WFI{n:02d}_FULL"].reference_point("tel") for n in tables])
    fit, *_ = np.linalg.lstsq(np.c_[middles, np.ones(18)], sky)
    for number in (1, 6, 8, 15):
        aperture = siaf[f"WFI{number:02d}_FULL"]
        table = tables[number]
        for x, y in ((0, 0), (4087, 0), (0, 4087), (4087, 4087)):
            offset = np.array(aperture.sci_to_tel(x + 1, y + 1)) - sky[number - 1]
            place = offset @ np.linalg.inv(fit[:2])
            nearest = np.argmin(np.linalg.norm(table[1:, 1:3] - place, axis=1)) + 1

            found = pupil.zernike_coefficients(f"WFI{number:02d}", x, y)[4:] / 1.293

            np.testing.assert_allclose(found, table[nearest, 8:], atol=1e-3)


@pytest.mark.parametrize("detector", ["WFI04", "WFI15"])
def test_position_for_galsim(detector):
    x, y = 321.0, 3456.0
    sca = pupil.galsim_position(detector, x, y)

    table = roman_psfs._read_aberrations(int(detector[3:]))
    place = galsim_truth.galsim.PositionD(*sca)
    theirs = roman_psfs._interp_aberrations_bilinear(*table, place)[4:]
    ours = pupil.zernike_coefficients(detector, x, y)[4:] / 1.293
    np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_the_effective_psf_is_a_share_of_the_light():
    psf = optical_psf("WFI01", "F129", 100, 100, [1.29], oversample=5, size=65)

    for row in range(5):  # wherever the star lies in its pixel
        pixels = psf[row::5, 2::5]
        assert 0.975 < pixels.sum() < 0.992
    assert psf.min() > -1e-7
    assert PIXEL_SCALE == 0.11


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"detector": "WFI19"}, "WFI19"),
        ({"element": "F999"}, "F999"),
        ({"element": "DARK"}, "DARK"),
        ({"size": 44}, "44"),
        ({"oversample": 0}, "0 samples"),
        ({"wavelengths": [1.5, -1.0]}, "-1.0"),
        ({"wavelengths": [np.nan]}, "nan"),
        ({"weights": [1.0, 2.0]}, "2 weights"),
        ({"weights": [0.0]}, "1 weights"),
    ],
)
def test_impossible_requests(change, found):
    asked = {"detector": "WFI01", "element": "F158", "wavelengths": [1.5], "x": 0.0, "y": 0.0}

    with pytest.raises(UsageError, match=found):
        optical_psf(**(asked | change))
