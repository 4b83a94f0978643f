"""Segments against photutils and against Gaussians whose moments are known."""

import numpy as np
import pytest

from roman_dms.measure.measurements import Caution
from roman_dms.measure.moments import boxes_of
from roman_dms.measure.sources import measure_sources
from tests.measure.drawn_sources import gaussian, gaussian_psf, lattice, pull


def measure(light, segments, x=(20.0,), y=(20.0,), **more):
    variance = more.pop("variance", np.ones(light.shape, np.float32))
    return measure_sources(light.astype(np.float32), variance, 0.0, segments, x, y, **more)


@pytest.fixture(scope="module")
def tilted():
    """A tilted elliptical Gaussian by GalSim, with its matrix of second moments."""
    import galsim

    source = galsim.Gaussian(sigma=2.2).shear(e1=0.3, e2=-0.2)
    image = source.shift(0.3, -0.2).drawImage(nx=61, ny=61, scale=1.0, dtype=float).array
    shear = galsim.Shear(e1=0.3, e2=-0.2).getMatrix()
    return image, 2.2**2 * shear @ shear.T + np.eye(2) / 12


def test_moments_of_a_gaussian(tilted):
    image, matrix = tilted
    rows = measure(image, np.ones(image.shape, np.uint32), (30.3,), (29.8,))
    major, minor = np.sqrt(np.linalg.eigvalsh(matrix)[::-1])
    assert rows.x_centroid[0] == pytest.approx(30.3, abs=1e-4)
    assert rows.y_centroid[0] == pytest.approx(29.8, abs=1e-4)
    assert rows.semimajor[0] == pytest.approx(major, rel=5e-4)
    assert rows.semiminor[0] == pytest.approx(minor, rel=5e-4)
    assert rows.ellipticity[0] == pytest.approx(1 - minor / major, rel=1e-3)
    angle = 0.5 * np.degrees(np.arctan2(2 * matrix[0, 1], matrix[0, 0] - matrix[1, 1])) % 360
    assert rows.orientation_pix[0] == pytest.approx(angle, abs=0.01)
    assert rows.fwhm[0] == pytest.approx(2 * np.sqrt(np.log(2) * np.trace(matrix)), rel=5e-4)
    inverse = np.linalg.inv(matrix)
    assert rows.cxx[0] == pytest.approx(inverse[0, 0], rel=1e-3)
    assert rows.cxy[0] == pytest.approx(2 * inverse[0, 1], rel=1e-3)
    assert rows.cyy[0] == pytest.approx(inverse[1, 1], rel=1e-3)
    assert rows.segment_flux[0] == pytest.approx(1, abs=1e-5)


def test_segments_as_photutils_sees_them(tilted):
    from photutils.segmentation import SegmentationImage, SourceCatalog

    image, _ = tilted
    noisy = (500 * image + np.random.default_rng(1).normal(size=image.shape)).astype(np.float32)
    segments = np.zeros(image.shape, np.uint32)
    segments[image > 0.1 * image.max()] = 1
    segments[3:5, 50:57] = 2
    rows = measure(noisy, segments, (30.0, 53.0), (30.0, 3.5))
    peer = SourceCatalog(noisy, SegmentationImage(segments.astype(int)), error=np.ones_like(noisy))
    for ours, theirs in {
        "bbox_xmin": "bbox_xmin", "bbox_ymax": "bbox_ymax", "segment_area": "area",
        "segment_flux": "segment_flux", "segment_flux_err": "segment_flux_err",
        "x_centroid": "x_centroid", "y_centroid": "y_centroid", "semimajor": "semimajor_axis",
        "semiminor": "semiminor_axis", "orientation_pix": "orientation", "fwhm": "fwhm",
        "cxx": "ellipse_cxx", "cxy": "ellipse_cxy", "cyy": "ellipse_cyy",
    }.items():  # fmt: skip
        expected = getattr(peer, theirs)
        np.testing.assert_allclose(
            getattr(rows, ours), getattr(expected, "value", expected), rtol=2e-4, err_msg=ours
        )


@pytest.mark.parametrize("flux", [5, 20, 200])
def test_errors_of_light_and_centroid(flux):
    stamp = flux * gaussian((25, 25), 12.2, 11.9, 1.5)
    field = lattice(stamp, (0.2, -0.1), 26, radius=3.5, seed=flux)
    truth = measure_sources(*field.noiseless)
    rows = measure_sources(*field.arguments)
    mean, scatter = pull(rows.segment_flux, truth.segment_flux, rows.segment_flux_err)
    assert abs(mean) < 0.13
    assert abs(scatter - 1) < 0.1
    for axis in "xy":
        name = f"{axis}_centroid"
        _, scatter = pull(getattr(rows, name), getattr(truth, name), getattr(rows, f"{name}_err"))
        assert abs(scatter - 1) < 0.1


def test_a_single_pixel_is_as_wide_as_a_pixel():
    light, segments = np.zeros((41, 41)), np.zeros((41, 41), np.uint32)
    light[20, 20], segments[20, 20] = 10, 1
    rows = measure(light, segments)
    assert rows.semimajor[0] == pytest.approx(np.sqrt(1 / 12), rel=1e-5)
    assert rows.ellipticity[0] == pytest.approx(0, abs=1e-5)


def test_flags_are_gathered_over_the_segment():
    light = gaussian((41, 41), 20, 20, 1.5)
    segments = (light > 1e-3).astype(np.uint32)
    flags, full = np.zeros(light.shape, np.uint32), np.zeros(light.shape, bool)
    flags[20, 20], flags[21, 20], flags[0, 0] = 4, 1 << 31, 64
    full[20, 19] = True
    rows = measure(light, segments, dq=flags, saturated=full)
    assert rows.image_flags.view(np.uint32)[0] == 4 | 1 << 31
    assert rows.warning_flags[0] == Caution.SATURATED


def test_a_segment_of_unusable_pixels():
    light = gaussian((81, 81), 40, 40, 1.5)
    segments = (light > 1e-4).astype(np.uint32)
    variance = np.where(segments == 1, np.inf, 1).astype(np.float32)
    rows = measure(light, segments, (40.0,), (40.0,), variance=variance, psf=gaussian_psf(1.5))
    assert rows.segment_area[0] == segments.sum()
    assert np.isnan([rows.segment_flux[0], rows.kron_flux[0], rows.x_centroid_win[0]]).all()
    assert np.isnan(rows.circle_flux[0]).all()
    expected = Caution.CENTRE_UNUSABLE | Caution.UNUSABLE | Caution.NO_PIXELS
    assert rows.warning_flags[0] & expected == expected


def test_boxes_of_scattered_segments():
    segments = np.random.default_rng(5).integers(0, 400, (90, 130)).astype(np.uint32)
    segments[segments == 7] = 0
    boxes = boxes_of(segments, 399, workers=3)
    for label in (1, 200, 399):
        rows, columns = np.nonzero(segments == label)
        assert tuple(boxes[label - 1]) == (columns.min(), columns.max(), rows.min(), rows.max())
    assert boxes[6, 0] > boxes[6, 1]
