import numpy as np
import pytest
from astropy.table import Table

from roman_dms.errors import CalibrationError, MetadataError, UsageError
from roman_dms.instrument.apertures import detector_aperture
from roman_dms.instrument.detectors import detector
from roman_dms.instrument.quality import Pixel
from roman_dms.products.exposure import Borders, RateImage
from roman_dms.products.metadata import Metadata
from roman_dms.psf.empirical.build import Settings
from roman_dms.psf.empirical.finishing import centroid
from roman_dms.psf.steps.empirical import build_empirical
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.wcs import Pointing, build_wcs
from tests.psf.empirical import field


def sky_map(shift=(0.0, 0.0)):
    """A WCS whose telescope has moved, so that stars are ``shift`` farther on the detector."""
    place = detector_aperture("WFI01")
    shape = (field.SIZE, field.SIZE)
    still = build_wcs(
        distortion_model("WFI01"),
        Pointing(place.v2_ref, place.v3_ref, 30.0, -10.0, 20.0, 1.0),
        shape,
    )
    if shift == (0.0, 0.0):
        return still
    here = np.array(still(160.0, 160.0))
    there = np.array(still(160.0 - shift[0], 160.0 - shift[1]))
    ra, dec = np.array([30.0, -10.0]) + there - here
    return build_wcs(
        distortion_model("WFI01"),
        Pointing(place.v2_ref, place.v3_ref, ra, dec, 20.0, 1.0),
        shape,
    )


def rate_image(exposure, wcs, element="F158", dq=None):
    meta = {
        "filename": f"{exposure.name}.asdf",
        "instrument": {"detector": "WFI01", "optical_element": element},
        "exposure": {"start_time": "2027-06-01T00:00:00"},
    }
    if wcs is not None:
        meta["wcs"] = wcs
    empty, flags = np.zeros((0, 4, 4), np.float32), np.zeros((4, 4), np.uint32)
    data, error = exposure.data, np.sqrt(exposure.variance)
    return RateImage(
        meta=Metadata(meta),
        detector=detector("WFI01"),
        data=data,
        dq=np.zeros(data.shape, np.uint32) if dq is None else dq,
        err=error,
        **dict.fromkeys(("var_poisson", "var_rnoise"), error**2),
        **dict.fromkeys(("chisq", "dumo"), error),
        amp33=np.zeros((0, 4, 128), np.uint16),
        borders=Borders(
            **dict.fromkeys(("left", "right", "top", "bottom"), empty),
            **dict.fromkeys(("dq_left", "dq_right", "dq_top", "dq_bottom"), flags),
        ),
    )


@pytest.fixture(scope="module")
def scene():
    exposures, sources = field.dithered(seed=3)
    images = [
        rate_image(one, sky_map(shift)) for one, shift in zip(exposures, field.SHIFTS, strict=True)
    ]
    return images, sources


FEW = Settings(degree=1, rounds=4, origin="centroid")


def test_images_become_a_psf(scene):
    images, sources = scene
    ra, dec = sky_map()(sources[::2, 0], sources[::2, 1])
    stars = Table({"ra": ra, "dec": dec, "wavelength": np.full(len(ra), 1.6)})
    psf = build_empirical(
        images, stars=stars, nodes=(1, 1), optical=field.optical_model(), settings=FEW
    )
    assert 40 <= psf.stars <= len(stars)
    assert psf.exposures == tuple(f"dither {i}.asdf" for i in range(4))
    assert psf.dates == 4 * ("2027-06-01T00:00:00",)
    assert psf.grid.wavelengths == pytest.approx([1.6])
    expected = field.oversampled(field.SIZE / 2)
    np.testing.assert_allclose(psf.grid.samples[0, 0, 0], expected, atol=0.01 * expected.max())
    assert np.abs(centroid(psf.grid.samples[0, 0, 0], 4)).max() < 1e-3
    assert psf.position_rms < 0.02


def test_flagged_pixels_do_not_count(scene):
    images, _ = scene
    dq = np.zeros((field.SIZE, field.SIZE), np.uint32)
    dq[:, :160] = Pixel.DO_NOT_USE
    half = [
        rate_image(one, sky_map(shift), dq=dq)
        for one, shift in zip(field.dithered(seed=3)[0], field.SHIFTS, strict=True)
    ]
    with_all, with_half = (
        build_empirical(some, nodes=(1, 1), optical=field.optical_model(), settings=FEW)
        for some in (images, half)
    )
    assert with_half.stars < 0.6 * with_all.stars


def test_what_does_not_belong_together_is_said(scene):
    images, _ = scene
    one = field.dithered(seed=3)[0][0]
    with pytest.raises(UsageError, match="No images"):
        build_empirical([])
    with pytest.raises(UsageError, match="F106"):
        build_empirical([images[0], rate_image(one, sky_map(), "F106")])
    with pytest.raises(CalibrationError, match="GRISM"):
        build_empirical([rate_image(one, sky_map(), "GRISM")])
    with pytest.raises(MetadataError, match="no WCS"):
        build_empirical([rate_image(one, None)], optical=field.optical_model())
    with pytest.raises(UsageError, match="no column 'ra'"):
        build_empirical(images, stars=Table({"x": [1.0]}), optical=field.optical_model())
    far = Table({"ra": [200.0], "dec": [60.0]})
    with pytest.raises(CalibrationError, match="0 bright stars"):
        build_empirical(images, stars=far, optical=field.optical_model())
    with pytest.raises(UsageError, match="WFI01 in F158"):
        build_empirical([rate_image(one, sky_map(), "F106")], optical=field.optical_model())
