import numpy as np
import pytest
from astropy.table import Table

from roman_dms.errors import FormatError, MetadataError, UsageError
from roman_dms.formats.tables import write_table
from roman_dms.instrument.apertures import detector_aperture
from roman_dms.instrument.detectors import detector
from roman_dms.instrument.quality import Pixel
from roman_dms.products.exposure import Borders, RateImage
from roman_dms.products.metadata import Metadata
from roman_dms.psf.steps.validation import validate_image
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.wcs import Pointing, build_wcs
from tests.psf.validation.closed_form import grid, star

SIZE = 700
TRUE = grid(0.8, 0.8)
NOISE = 0.05


def sky_map():
    place = detector_aperture("WFI01")
    return build_wcs(
        distortion_model("WFI01"),
        Pointing(place.v2_ref, place.v3_ref, 30.0, -10.0, 20.0, 1.0),
        (SIZE, SIZE),
    )


def rate_image(data, dq=None, wcs=None):
    meta = {"instrument": {"detector": "WFI01", "optical_element": "F158"}}
    if wcs is not None:
        meta["wcs"] = wcs
    flat = np.full(data.shape, NOISE, np.float32)
    empty, flags = np.zeros((0, 4, 4), np.float32), np.zeros((4, 4), np.uint32)
    return RateImage(
        meta=Metadata(meta),
        detector=detector("WFI01"),
        data=data.astype(np.float32),
        dq=np.zeros(data.shape, np.uint32) if dq is None else dq,
        err=flat,
        **dict.fromkeys(("var_poisson", "var_rnoise"), flat**2),
        **dict.fromkeys(("chisq", "dumo"), flat),
        amp33=np.zeros((0, 4, 128), np.uint16),
        borders=Borders(
            **dict.fromkeys(("left", "right", "top", "bottom"), empty),
            **dict.fromkeys(("dq_left", "dq_right", "dq_top", "dq_bottom"), flags),
        ),
    )


@pytest.fixture(scope="module")
def field():
    """81 stars on a bright sky, a faint neighbour of each third, one galaxy, one saturated."""
    rng = np.random.default_rng(2)
    data = 2.0 + NOISE * rng.normal(size=(SIZE, SIZE))
    x, y = (axis.ravel() + 50.0 for axis in np.meshgrid(*[np.arange(9) * 74.0] * 2))
    x, y = x + rng.uniform(-0.5, 0.5, 81), y + rng.uniform(-0.5, 0.5, 81)
    flux = np.full(81, 300.0)
    x, y = np.append(x, x[::3] + 9.3), np.append(y, y[::3])
    flux = np.append(flux, np.full(27, 30.0))
    for column, row, light in zip(x, y, flux, strict=True):
        i, j = round(row), round(column)
        image = star(0.8, 0.8, column - j, row - i, half=12)
        data[i - 12 : i + 13, j - 12 : j + 13] += light * image
    dq = np.zeros(data.shape, np.uint32)
    dq[round(y[1]), round(x[1])] = Pixel.SATURATED
    kind = np.array(["PSF"] * 108)
    kind[2] = "SER"
    catalogue = Table({"x": x, "y": y, "flux": flux * 1000, "type": kind})
    return data, dq, catalogue


def number(found):
    return found.table()[0].value


def test_stars_are_chosen_and_compared(field):
    data, dq, catalogue = field

    found = validate_image(TRUE, rate_image(data, dq), catalogue, flux_unit=1e-3)

    # of 81 stars 27 have a neighbour, one is saturated and one is a galaxy
    assert number(found) == 52
    rows = {row.name: row for row in found.table()}
    for name in ("size", "e1", "e2", "flux", "x", "y"):
        assert abs(rows[name].value) < 4 * rows[name].error, name
    assert rows["flux"].error < 2e-3
    assert rows["chi2"].value == pytest.approx(1, abs=0.03)


def test_places_on_the_sky_and_files(field, tmp_path):
    data, dq, catalogue = field
    wcs = sky_map()
    ra, dec = wcs(catalogue["x"], catalogue["y"], with_bounding_box=False)
    sky = Table({"ra": ra, "dec": dec, "psf_flux": catalogue["flux"], "type": catalogue["type"]})
    write_table(sky, tmp_path / "stars.parquet")

    found = validate_image(TRUE, rate_image(data, dq, wcs), tmp_path / "stars.parquet")

    assert number(found) == 52
    assert np.abs(found.shift.mean(axis=0)).max() < 2e-3


def test_a_wrong_psf_is_found_out(field):
    data, dq, catalogue = field

    found = validate_image(grid(0.75, 0.8), rate_image(data, dq), catalogue)

    assert any(line.startswith("size") for line in found.failures())
    assert any(line.startswith("e1") for line in found.failures())


def test_what_cannot_be_used(field):
    data, dq, catalogue = field
    image = rate_image(data, dq)
    with pytest.raises(UsageError, match="WFI02"):
        validate_image(grid(0.8, 0.8, detector="WFI02"), image, catalogue)
    with pytest.raises(FormatError, match="columns"):
        validate_image(TRUE, image, Table({"flux": [1.0]}))
    with pytest.raises(FormatError, match="light"):
        validate_image(TRUE, image, Table({"x": [1.0], "y": [1.0]}))
    with pytest.raises(MetadataError, match="WCS"):
        validate_image(TRUE, image, Table({"ra": [1.0], "dec": [1.0], "flux": [1.0]}))
    with pytest.raises(UsageError, match="isolated"):
        validate_image(TRUE, image, catalogue, significance=1e9)
    with pytest.raises(UsageError, match="isolated"):
        validate_image(TRUE, rate_image(data * np.nan, dq), catalogue)
