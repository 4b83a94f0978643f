"""Metadata of simulated exposures: the mission's own library opens what they are written into."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import roman_datamodels
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

from roman_dms.errors import MetadataError, UsageError
from roman_dms.formats.fits import convert
from roman_dms.formats.products import read_mosaic, write_product
from roman_dms.formats.validation import validate_file
from roman_dms.instrument.detectors import detector
from roman_dms.instrument.ma_tables import ma_table
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.products.exposure import Borders, RateImage, RawExposure
from roman_dms.simulation.steps.metadata import image_metadata, raw_metadata
from roman_dms.simulation.steps.pointing import pointing_of
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.wcs import build_wcs

EXPOSURE = PlannedExposure(
    ra=270, dec=66, position_angle=0, element="F158", ma_table=4, start=61557.0, pass_=3, exposure=2
)
PATTERN = ma_table(4).read_pattern
SHAPE = (32, 128)


@pytest.fixture(scope="module")
def raw():
    return raw_metadata(
        EXPOSURE, "WFI01", PATTERN, reference_files={"gain": "gain.asdf"}, context="roman_0001.pmap"
    )


def written_raw(meta, path):
    count = len(meta.read_pattern)
    exposure = RawExposure(
        meta=meta,
        data=np.zeros((count, *SHAPE), np.uint16),
        amp33=np.zeros((count, SHAPE[0], 128), np.uint16),
    )
    write_product(exposure, path)
    return path


@pytest.mark.parametrize(
    ("element", "kind"),
    [("F158", "WFI_IMAGE"), ("GRISM", "WFI_SPECTRAL"), ("PRISM", "WFI_SPECTRAL")],
)
def test_the_missions_library_opens_a_raw_exposure(element, kind, tmp_path):
    exposure = dataclasses.replace(EXPOSURE, element=element)
    path = written_raw(raw_metadata(exposure, "WFI18", PATTERN), tmp_path / "raw.asdf")
    with roman_datamodels.open(path) as model:
        model.validate()
        assert isinstance(model, roman_datamodels.datamodels.ScienceRawModel)
        assert model.meta.exposure.type == kind
        assert model.meta.instrument.optical_element == element
        assert model.meta.instrument.detector == "WFI18"
        assert model.meta.wcsinfo.aperture_name == "WFI18_FULL"


def test_times_follow_from_the_read_pattern(raw):
    start, end = raw["exposure.start_time"], raw["exposure.end_time"]
    assert start.isot == "2027-06-01T00:00:00.000"
    assert (end - start).to_value("s") == pytest.approx(44 * 3.16247)
    middle = Time((start.mjd + end.mjd) / 2, format="mjd")
    assert abs((raw["exposure.mid_time"] - middle).to_value("s")) < 1e-4
    assert raw["exposure.effective_exposure_time"] == pytest.approx(43 * 3.16247)
    assert raw["exposure.ma_table_name"] == "C2A_IMG_HLWAS"
    assert not raw["exposure.truncated"]


def test_a_pattern_that_stops_early_is_truncated():
    short = type(PATTERN)(PATTERN.reads[:5], PATTERN.frame_time)
    meta = raw_metadata(EXPOSURE, "WFI01", short)
    assert meta["exposure.truncated"]
    assert meta["exposure.nresultants"] == 5


def test_identifiers_are_those_of_the_mission(raw):
    assert raw["observation.visit_id"] == "0000101003001001001"
    assert raw["observation.observation_id"] == "0000101003001001001" + "01" + "1" + "01" + "0002"
    assert raw["filename"] == "r0000101003001001001_0002_wfi01_f158_uncal.asdf"
    assert raw["ref_file.gain"] == "gain.asdf"
    assert raw["ref_file.crds.context"] == "roman_0001.pmap"


def test_the_pointing_is_where_the_wcs_has_it(raw):
    place = pointing_of(EXPOSURE, "WFI01")
    wcs = build_wcs(distortion_model("WFI01"), place, (4088, 4088))
    ra, dec = wcs(2043.5, 2043.5)
    assert (ra, dec) == pytest.approx((raw["wcsinfo.ra_ref"], raw["wcsinfo.dec_ref"]), abs=1e-9)
    assert raw["velocity_aberration.scale_factor"] == place.velocity_scale != 1
    assert raw["pointing.target_dec"] == 66


def test_neighbours_agree_on_a_star_between_them_under_aberration():
    """Detectors stretched each around its own centre, whose places were stretched too."""
    exposure = dataclasses.replace(EXPOSURE, ra=359.9, dec=-30, position_angle=123)
    attitudes = [
        build_wcs(distortion_model(name), pointing_of(exposure, name), (4088, 4088))
        for name in ("WFI01", "WFI02")
    ]
    v2, v3 = 1312.0, -700.0
    first, second = (wcs.get_transform("v2v3", "world")(v2, v3) for wcs in attitudes)
    assert np.abs(np.subtract(first, second)).max() * 3.6e6 < 0.1  # mas


@pytest.mark.parametrize(
    ("field", "value"), [("dec", 95), ("ra", float("nan")), ("position_angle", 1e4)]
)
def test_an_impossible_pointing_is_named(field, value):
    with pytest.raises(UsageError, match=f"{field} = {value}"):
        raw_metadata(dataclasses.replace(EXPOSURE, **{field: value}), "WFI01", PATTERN)


def test_unknown_element_and_detector_are_errors():
    with pytest.raises(UsageError, match="F999"):
        raw_metadata(dataclasses.replace(EXPOSURE, element="F999"), "WFI01", PATTERN)
    with pytest.raises((UsageError, MetadataError), match="WFI19"):
        raw_metadata(EXPOSURE, "WFI19", PATTERN)


@pytest.mark.parametrize("element", ["F158", "GRISM"])
def test_the_missions_library_opens_an_idealised_image(element, tmp_path):
    exposure = dataclasses.replace(EXPOSURE, element=element)
    image = rate_image(exposure, 1.5 if element == "F158" else None)
    write_product(image, tmp_path / "cal.asdf")
    with roman_datamodels.open(tmp_path / "cal.asdf") as model:
        model.validate()
        assert isinstance(model, roman_datamodels.datamodels.ImageModel)
        assert model.meta.cal_step.ramp_fit == "COMPLETE"
        assert model.meta.cal_step.skymatch == "INCOMPLETE"
        assert model.meta.statistics.image_median == pytest.approx(2.0, abs=0.02)
        assert model.meta.statistics.image_rms == pytest.approx(0.5, rel=0.05)
        assert model.meta.statistics.good_pixel_fraction == pytest.approx(1 - 1 / 2880)
        assert model.meta.filename == "cal.asdf"
        assert model.meta.wcs(0, 0)[1] == pytest.approx(66, abs=0.2)


def test_romancal_goes_on_from_an_idealised_image(miniature_store, tmp_path):
    """It converts to flux, matches the sky and makes a mosaic, which we read and convert."""
    write_product(rate_image(EXPOSURE, 1.5), tmp_path / "r_cal.asdf")
    script = Path(__file__).with_name("romancal_resample.py")
    arguments = (tmp_path / "r_cal.asdf", miniature_store, tmp_path / "r_coadd.asdf")
    subprocess.run([sys.executable, script, *arguments], check=True, capture_output=True)
    mosaic = read_mosaic(tmp_path / "r_coadd.asdf")
    assert mosaic.meta["cal_step.flux"] == "COMPLETE"
    assert np.median(mosaic.data[mosaic.weight > 0]) == pytest.approx(2 * 1.5, rel=0.02)
    assert validate_file(tmp_path / "r_coadd.asdf") == []
    convert(tmp_path / "r_coadd.asdf", tmp_path / "r_coadd.fits")
    header = fits.getheader(tmp_path / "r_coadd.fits", "SCI")
    assert header["CTYPE1"] == "RA---TAN"
    found = WCS(header).pixel_to_world_values(20, 10)
    assert found == pytest.approx(mosaic.meta["wcs"](20, 10), abs=1e-10)


def rate_image(exposure, conversion):
    kind = detector("WFI01", SHAPE)
    rows, columns = kind.science_shape
    rng = np.random.default_rng(1)
    data = rng.normal(2, 0.5, (rows, columns)).astype(np.float32)
    dq = np.zeros((rows, columns), np.uint32)
    dq[0, 0], data[0, 0] = 1, np.nan
    wcs = build_wcs(
        distortion_model("WFI01", 0, 0, (rows, columns)),
        pointing_of(exposure, "WFI01"),
        (rows, columns),
    )
    meta = image_metadata(
        raw_metadata(exposure, "WFI01", PATTERN),
        wcs,
        data,
        dq,
        conversion=conversion,
        conversion_uncertainty=conversion and 0.02 * conversion,
        pixel_area=conversion and 2.8e-13,
    )
    edges = {"left": (SHAPE[0], 4), "right": (SHAPE[0], 4), "top": (4, 128), "bottom": (4, 128)}
    borders = {side: np.zeros((9, *shape), np.float32) for side, shape in edges.items()}
    flags = {f"dq_{side}": np.zeros(shape, np.uint32) for side, shape in edges.items()}
    blank, variance = (np.full((rows, columns), value, np.float32) for value in (0, 0.01))
    return RateImage(
        meta=meta, detector=kind, data=data, dq=dq, err=blank + 0.15, var_poisson=variance,
        var_rnoise=variance, chisq=blank, dumo=blank, amp33=np.zeros((9, SHAPE[0], 128), np.uint16),
        borders=Borders(**borders, **flags),
    )  # fmt: skip
