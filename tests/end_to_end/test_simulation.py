"""From a scene to a calibrated image: the sky comes back, by our calibration and by romancal's."""

from __future__ import annotations

import asdf
import numpy as np
import pytest
from astropy.table import Table

from roman_dms import recipes
from roman_dms.formats.products import read_product
from roman_dms.instrument.quality import Pixel
from roman_dms.pipeline.process import process_file
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.references import ReferenceStore
from roman_dms.references.bootstrap import MINIATURE, bootstrap
from roman_dms.references.selected import SelectedReferences
from roman_dms.simulation.steps.pointing import aimed
from roman_dms.simulation.steps.raw import make_raw
from roman_dms.simulation.steps.request import ExposureRequest
from tests.end_to_end.test_romancal import romancal

EXPOSURE = aimed(
    PlannedExposure(ra=270.0, dec=66.0, position_angle=0.0, element="F158", ma_table=4,
                    start=61557.0), "WFI01",
)  # fmt: skip
STEPS = "dq_init,saturation,linearity,ramp_fit,dark,assign_wcs,photom,flat_field"
GAIN = 1.7887791820349288
"""Nominal gain of the bootstrapped WFI01 [electron / DN]."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Stars and galaxies of 18 to 24 mag on a grid."""
    path = tmp_path_factory.mktemp("scene") / "scene.ecsv"
    east, north = np.meshgrid(np.linspace(-0.012, 0.012, 6), np.linspace(-0.012, 0.012, 6))
    number = east.size
    table = Table(
        {
            "ra": 270 + east.ravel() / np.cos(np.radians(66)),
            "dec": 66 + north.ravel(),
            "type": np.where(np.arange(number) % 3, "PSF", "SER"),
            "n": np.full(number, 1.5),
            "half_light_radius": np.full(number, 0.3),
            "ba": np.full(number, 0.7),
            "F158": 10 ** (-0.4 * np.linspace(18, 24, number)),
        }
    )
    table.write(path)
    return path


@pytest.fixture(scope="module")
def request_(scene, miniature_store):
    # interpixel capacitance is not taken back by the calibration; romancal knows the
    # reference pixels of whole detectors alone
    left_out = dict.fromkeys(("ipc", "correlated_noise", "dark_decay"), False)
    return ExposureRequest(
        scene=scene, store=miniature_store, seed=2, truth_image=True, settings=left_out
    )


@pytest.fixture(scope="module")
def raw(request_, tmp_path_factory):
    return make_raw(request_, EXPOSURE, "WFI01", tmp_path_factory.mktemp("l1"))


def assert_sky_comes_back(image, truth_path):
    """Pulls of all good pixels that no particle hit, from the sky to 18 mag."""
    with asdf.open(truth_path, memmap=False) as file:
        rate = np.array(file["rate"]) / GAIN
        _, row, column = np.array(file["cosmic_rays"]).T
    good = (image.dq & np.uint32(Pixel.DO_NOT_USE | Pixel.SATURATED)) == 0
    good[row, column] = False
    assert good.mean() > 0.97
    pull = ((image.data - rate) / image.err)[good]
    faint = rate[good] < 0.3
    # 2 DN of 16 bits are cut off on the way, a tenth of the noise of the sky
    assert abs(pull[faint].mean()) < 0.1
    assert abs(pull[~faint].mean()) < 0.1
    assert pull[faint].std() == pytest.approx(1, abs=0.03)
    assert pull[~faint & (np.abs(pull) < 5)].std() == pytest.approx(1, abs=0.05)
    assert np.mean(np.abs(pull) > 5) < 1e-3


def test_ours_returns_the_sky(request_, raw, tmp_path):
    references = SelectedReferences(ReferenceStore(request_.store).context())
    recipe = recipes.load().skipping(["refpix", "dark_decay"])
    done = process_file(str(raw[0]), tmp_path, recipe, references)
    assert_sky_comes_back(read_product(done.output), raw[3])


def test_romancal_returns_the_sky(request_, raw, tmp_path):
    output = tmp_path / "romancal_cal.asdf"
    states = romancal(raw[0], request_.store, output, STEPS)
    assert {states[name] for name in STEPS.split(",")} == {"COMPLETE"}
    assert_sky_comes_back(read_product(output), raw[3])


def test_stars_of_a_grism_are_rows_of_light(tmp_path):
    """A star's first order: 965 pixels along y, all of its light, calibrated to the end."""
    bootstrap(tmp_path / "store", **(MINIATURE | {"filters": ("GRISM",)}))
    table = Table({"ra": [270.0], "dec": [66.0], "type": ["PSF"], "F158": [10 ** (-0.4 * 15)]})
    table.write(tmp_path / "star.ecsv")
    request = ExposureRequest(
        scene=tmp_path / "star.ecsv", store=tmp_path / "store", truth_image=True,
        settings={"cosmic_rays": False},
    )  # fmt: skip
    exposure = PlannedExposure(**(vars(EXPOSURE) | {"element": "GRISM"}))
    paths = make_raw(request, exposure, "WFI01", tmp_path)
    references = SelectedReferences(ReferenceStore(request.store).context())
    done = process_file(str(paths[0]), tmp_path, recipes.load(), references)
    image = read_product(done.output)
    assert image.meta.exposure_type == "WFI_SPECTRAL"
    light = np.where(image.dq & np.uint32(Pixel.DO_NOT_USE), 0, image.data - np.median(image.data))
    x = round(Table.read(paths[1])["x"][0])
    along = light[:, x - 8 : x + 9].sum(axis=1) * GAIN
    with asdf.open(paths[3], memmap=False) as file:
        truth = np.array(file["rate"]) - file["sky"]
    expected = truth[:, x - 8 : x + 9].sum(axis=1)
    assert along[100:-100].sum() == pytest.approx(expected[100:-100].sum(), rel=0.03)
    smooth = [np.convolve(line, np.ones(20), "valid")[::20] for line in (along, expected)]
    assert np.corrcoef(*smooth)[0, 1] > 0.98
