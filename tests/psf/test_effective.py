"""Images of stars against GalSim and closed forms; their errors against true errors."""

from dataclasses import replace

import galsim
import numpy as np
import pytest
from scipy.special import erf

from roman_dms.errors import UsageError
from roman_dms.psf.colours import colours
from roman_dms.psf.effective import EXACT_NODES, PsfModel, effective_psf
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.optics import optical_psf
from tests.psf import galsim_truth

DETECTOR, ELEMENT, WAVE = "WFI18", "F158", 1.6


def in_pixels(half, oversample, sigma, x=0.0, y=0.0):
    """A Gaussian at (x, y) integrated over pixels around each sample."""

    def line(centre):
        place = np.arange(-half, half + 1) / oversample - centre
        upper, lower = ((place + side) / (np.sqrt(2) * sigma) for side in (0.5, -0.5))
        return (erf(upper) - erf(lower)) / 2

    return np.outer(line(y), line(x))


def gaussian_grid(sigma_at, nodes, reach=8, oversample=4, waves=(WAVE,)):
    """Gaussians as wide as ``sigma_at(x, y, wave)`` at nodes."""
    samples = [
        [
            [in_pixels(reach * oversample, oversample, sigma_at(x, y, w)) for x in nodes]
            for y in nodes
        ]
        for w in waves
    ]
    wings = in_pixels(40, 1, sigma_at(nodes.mean(), nodes.mean(), waves[0]))
    return PsfGrid(
        DETECTOR, ELEMENT, oversample, nodes, nodes, np.array(waves),
        np.array(samples, np.float32), wings.astype(np.float32),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("place", "oversample", "jitter", "phase"),
    [
        ((1000.3, 2000.8), 1, None, True),
        ((1000.3, 2000.8), 1, 0.03, True),
        ((1000.47, 2000.11), 2.5, 0.014, True),
        ((1000.3, 2000.8), 3.3, 0.02, False),
    ],
)
def test_a_star_as_galsim_draws_it(galsim_pupil, place, oversample, jitter, phase):
    """The only difference is GalSim's point-like bins, 2e-4 of the peak (test_optics)."""
    one = optical_psf(DETECTOR, ELEMENT, *place, [WAVE], size=25)
    grid = PsfGrid(
        DETECTOR, ELEMENT, 4, np.zeros(1), np.zeros(1), np.array([WAVE]),
        one[None, None, None].astype(np.float32), one[2::4, 2::4].astype(np.float32),
    )  # fmt: skip

    found = effective_psf(
        DETECTOR, ELEMENT, *place, oversample=oversample, size=13, jitter=jitter,
        source=PsfModel(grid), phase=phase, wavelength=WAVE,
    )  # fmt: skip

    scale = galsim.roman.pixel_scale
    profile = galsim.Convolve(
        galsim_truth.optics(DETECTOR, ELEMENT, *place, WAVE),
        galsim.Gaussian(sigma=np.hypot(jitter or 0.014, 0.1 * scale)),
        galsim.Pixel(scale),
        gsparams=galsim_truth.ACCURATE,
    )
    moved = [0.0, 0.0]
    if phase:
        moved = [p * oversample - round(p * oversample) for p in place]
    width = 2 * int(6 * oversample) + 1
    truth = profile.drawImage(
        nx=width, ny=width, scale=scale / oversample, offset=moved, method="no_pixel"
    )
    truth = truth.array * oversample**2
    assert found.images.shape == (1, width, width)
    assert found.middle_x[0] == pytest.approx(place[0] - moved[0] / oversample)
    assert np.abs(found.images[0] - truth).max() < 4e-4 * truth.max()


def test_many_places_wide_images_and_their_light():
    """Closed form: a Gaussian, whose far parts come from the wings."""
    grid = gaussian_grid(lambda *_: 3.0, np.array([0.0, 4087.0]))
    x, y = np.array([10.2, 4000.7, 30.0]), np.array([50.5, 60.1, 9.0])

    found = effective_psf(DETECTOR, ELEMENT, x, y, size=61, source=grid, wavelength=WAVE)

    for image, middle, star in zip(
        found.images,
        zip(found.middle_x, found.middle_y, strict=True),
        zip(x, y, strict=True),
        strict=True,
    ):
        truth = in_pixels(30, 1, 3.0, star[0] - middle[0], star[1] - middle[1])
        np.testing.assert_allclose(image, truth, atol=2e-5 * truth.max())
        assert image.sum() == pytest.approx(1, abs=1e-4)


def test_more_jitter_widens_by_its_variance():
    grid = gaussian_grid(lambda *_: 1.0, np.array([0.0]))
    jitter = float(np.hypot(0.014, 0.05))

    found = effective_psf(
        DETECTOR, ELEMENT, 0.0, 0.0, size=13, jitter=jitter, source=grid, wavelength=WAVE
    )

    truth = in_pixels(6, 1, np.hypot(1.0, 0.05 / galsim.roman.pixel_scale))
    np.testing.assert_allclose(found.images[0], truth, atol=2e-5 * truth.max())


def test_errors_between_nodes_are_as_large_as_they_say():
    """The width is a parabola along x, so that all second differences are alike: pull 1."""

    def width(x, *_):
        return 1 + 0.1 * (x / 4087) ** 2

    grid = gaussian_grid(width, np.linspace(0, 4087, 5))
    x, y = np.random.default_rng(1).uniform(0, 4087, (2, 100))
    found = effective_psf(
        DETECTOR, ELEMENT, x, y, size=9, oversample=2, phase=False, wavelength=WAVE,
        source=PsfModel(grid, between=EXACT_NODES),
    )  # fmt: skip

    errors = found.images - np.array([in_pixels(8, 2, width(place)) for place in x])
    assert found.causes == ("between nodes along x", "between nodes along y")
    ratio = np.sqrt(np.mean(errors**2) / np.mean(found.error**2))
    assert ratio == pytest.approx(1.0, abs=0.1)
    direction = np.linalg.eigh(found.covariance(0))[1][:, -1]
    along = errors.reshape(100, -1) @ direction
    spread = [np.sqrt(direction @ found.covariance(i) @ direction) for i in range(100)]
    assert np.sqrt(np.mean((along / spread) ** 2)) == pytest.approx(1.0, abs=0.1)


def test_light_that_is_not_told_is_uncertain_by_the_range_of_stars():
    grid = gaussian_grid(lambda x, y, wave: wave, np.array([0.0]), waves=(1.5, 1.65))

    unknown = effective_psf(DETECTOR, ELEMENT, 0.0, 0.0, size=9, source=grid)
    hot, cool = (
        effective_psf(DETECTOR, ELEMENT, 0.0, 0.0, size=9, source=grid, temperature=t)
        for t in (9700, 3000)
    )

    assert unknown.causes == ("colour of the light",)
    assert hot.causes == ()
    difference = hot.images[0] - cool.images[0]
    np.testing.assert_allclose(2 * unknown.error[0], abs(difference), atol=1e-6)
    assert hot.images.max() > unknown.images.max() > cool.images.max()


def test_scatter_is_correlated_as_noise_that_the_telescope_passes():
    """Noise made by definition: white in the disc of frequencies of the telescope."""
    grid = gaussian_grid(lambda *_: 1.0, np.array([0.0]))
    noisy = PsfModel(grid, scatter=np.full(grid.samples.shape[1:], 1e-4, np.float32))
    found = effective_psf(
        DETECTOR, ELEMENT, 0.0, 0.0, size=5, oversample=4, source=noisy, wavelength=WAVE
    )
    random, width = np.random.default_rng(3), 256
    frequency = np.fft.fftfreq(width, 1 / 4)
    disc = np.hypot(*np.meshgrid(frequency, frequency)) < found.cutoff
    fields = np.fft.ifft2(np.fft.fft2(random.standard_normal((40, width, width))) * disc).real
    fields *= 1e-4 / fields.std()
    stamps = fields[:, : 17 * 15, : 17 * 15].reshape(40, 15, 17, 15, 17).transpose(0, 1, 3, 2, 4)
    truth = np.cov(stamps.reshape(-1, 17 * 17).T)

    covariance = found.covariance()

    np.testing.assert_allclose(found.error[0], 1e-4, rtol=1e-3)
    np.testing.assert_allclose(np.diag(covariance), 1e-8, rtol=1e-2)
    assert np.abs(covariance - truth).max() < 6e-10  # 9000 samples: 1e-10 each
    assert (covariance < -5e-10).any()


def test_errors_of_the_optical_model(monkeypatch):
    """The grid's own errors against exact PSFs: stated within a factor of 2.5, and small."""
    from roman_dms.psf.build import psf_grid

    def small(*names, **settings):
        return psf_grid(*names, nodes=(1, 4), size=13, wing_size=65, cache=False)

    monkeypatch.setattr("roman_dms.psf.effective.psf_grid", small)
    x, y = np.full(5, 2043.5), np.random.default_rng(2).uniform(300, 3700, 5)
    light = colours("WFI01", "F158")
    found = effective_psf(
        "WFI01", "F158", x, y, oversample=4, size=9, phase=False, wavelength=light.means[0]
    )
    truth = np.array(
        [
            optical_psf("WFI01", "F158", *place, light.wavelengths, light.shares[0], size=9)
            for place in zip(x, y, strict=True)
        ]
    )

    error = np.sqrt(np.mean((found.images - truth) ** 2))
    assert np.abs(found.images - truth).max() < 1e-3 * truth.max()
    assert 0.4 < error / np.sqrt(np.mean(found.error**2)) < 2.5


def refused(**asked):
    grid = gaussian_grid(lambda *_: 1.0, np.array([0.0]))
    settings = {"source": grid, "size": 9, "wavelength": WAVE} | asked
    detector = settings.pop("detector", DETECTOR)
    with pytest.raises(UsageError) as error:
        effective_psf(detector, ELEMENT, settings.pop("x", 0.0), 0.0, **settings)
    return str(error.value)


def test_what_cannot_be_meant_is_refused():
    assert "blur can be added and not taken away" in refused(jitter=0.01)
    assert "WFI18 in F158" in refused(detector="WFI02")
    assert "finite" in refused(x=np.nan)
    assert "odd" in refused(size=8)
    assert "above zero" in refused(oversample=0)
    assert "2001" in refused(oversample=1000)
    assert "focus" in refused(defocus=0.1)
    assert "one of them" in refused(temperature=5000)
    assert "band" in refused(wavelength=0.5)
    assert "'optical'" in refused(source="webb")


def test_colours_interpolate_in_the_mean_wavelength():
    grid = gaussian_grid(lambda x, y, wave: 1.0, np.array([0.0]), waves=(1.5, 1.6))
    grid = replace(grid, samples=grid.samples * np.array([1, 3])[:, None, None, None, None])

    found = effective_psf(DETECTOR, ELEMENT, 0.0, 0.0, size=9, source=grid, wavelength=1.525)

    np.testing.assert_allclose(found.images[0], 1.5 * in_pixels(4, 1, 1.0), rtol=1e-3, atol=1e-6)
