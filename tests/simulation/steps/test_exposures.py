"""One exposure of a scene: L1 and L2, their files, their truth, and what is refused."""

import dataclasses

import asdf
import galsim
import galsim.roman
import numpy as np
import pytest
from astropy.table import Table
from scipy.ndimage import convolve

from roman_dms.errors import FileError, UsageError
from roman_dms.formats import read_rate_image, read_raw_exposure
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.steps.image import make_image
from roman_dms.simulation.steps.pointing import aimed, middle_of, pointing_of
from roman_dms.simulation.steps.raw import make_raw
from roman_dms.simulation.steps.request import ExposureRequest

datamodels = pytest.importorskip("roman_datamodels.datamodels")

EXPOSURE = aimed(
    PlannedExposure(ra=30.0, dec=-20.0, position_angle=25.0, element="F158", ma_table=3,
                    start=61430.0), "WFI01",
)  # fmt: skip
FLUXES = 10 ** (-0.4 * np.array([15.0, 15.5, 18.0, 15.5]))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Three stars and a galaxy far from each other, and a moving object."""
    offsets = np.array([(0, 0), (0.006, 0.004), (-0.007, 0.005), (0.004, -0.007)])
    table = Table(
        {
            "ra": 30 + offsets[:, 0] / np.cos(np.radians(20)),
            "dec": -20 + offsets[:, 1],
            "type": ["PSF", "PSF", "PSF", "SER"],
            "n": [0.0, 0.0, 0.0, 1.0],
            "half_light_radius": [0.0, 0.0, 0.0, 0.3],
            "ba": [1.0, 1.0, 1.0, 0.5],
            "pa": [0.0, 0.0, 0.0, 40.0],
            "F158": FLUXES,
        }
    )
    path = tmp_path_factory.mktemp("scene") / "scene.ecsv"
    table.write(path)
    return path


@pytest.fixture(scope="module")
def request_(scene, miniature_store):
    return ExposureRequest(scene=scene, store=miniature_store, seed=3, truth_image=True)


@pytest.fixture(scope="module")
def image(request_, tmp_path_factory):
    paths = make_image(request_, EXPOSURE, "WFI01", tmp_path_factory.mktemp("l2"))
    return read_rate_image(paths[0]), Table.read(paths[1]), paths


@pytest.fixture(scope="module")
def raw(request_, tmp_path_factory):
    return make_raw(request_, EXPOSURE, "WFI01", tmp_path_factory.mktemp("l1"))


def aperture(wide):
    """The inner 61 pixels of 121, less the mean of the rows at the edge."""
    return wide[30:91, 30:91] - np.mean(np.concatenate([wide[:15], wide[-15:]]))


def centroid(stamp):
    """First moments from the middle of a stamp, (x, y) [pixel]."""
    v, u = np.indices(stamp.shape) - (np.array(stamp.shape) // 2)[:, None, None]
    return np.array([(stamp * u).sum(), (stamp * v).sum()]) / stamp.sum()


def galsim_light(size):
    """A star of one electron as GalSim draws it; coma moves its light by a tenth of a pixel."""
    psf = galsim.roman.getPSF(1, "H158", SCA_pos=galsim.PositionD(2048, 2048), wavelength=1577.0)
    whole = galsim.Convolve(psf, galsim.Pixel(0.11))
    return whole.drawImage(nx=size, ny=size, scale=0.11, method="no_pixel").array


def test_image_is_the_mission_s(image):
    with datamodels.open(image[2][0]) as model:
        model.validate()
        assert isinstance(model, datamodels.ImageModel)


def test_fluxes_and_places_of_the_image_are_those_of_the_scene(image):
    """By apertures, through the conversion and the WCS that the file itself states."""
    product, truth, _ = image
    data = product.data
    factor = product.meta["photometry.conversion_megajanskys"]
    area = product.meta["photometry.pixel_area"]
    light, expected = aperture(galsim_light(121)).sum(), centroid(galsim_light(13))
    for row, maggies in zip(truth, FLUXES, strict=True):
        ra, dec = product.meta["wcs"](row["x"], row["y"])
        x, y = round(row["x"]), round(row["y"])
        stamp = aperture(data[y - 60 : y + 61, x - 60 : x + 61].astype(float))
        flux = stamp.sum() * factor * 1e6 * area
        assert flux == pytest.approx(light * 3631 * maggies, rel=5e-3 if maggies > 1e-7 else 0.06)
        assert row["flux"] == pytest.approx(3631e9 * maggies, rel=1e-6)
        offset = np.array([row["x"] - x, row["y"] - y])
        if row["type"] == "PSF":  # of a galaxy too much lies outside
            assert np.allclose(centroid(stamp[24:37, 24:37]), offset + expected, atol=0.05)
        assert abs(ra - row["ra"]) * np.cos(np.radians(dec)) * 3.6e6 < 0.05  # mas
        assert abs(dec - row["dec"]) * 3.6e6 < 0.05


def test_errors_of_the_image_are_its_scatter(image):
    product = image[0]
    empty = product.data[700:, 700:]
    assert empty.std() == pytest.approx(np.median(product.err[700:, 700:]), rel=0.03)


def test_raw_exposure_is_the_mission_s(raw):
    with datamodels.open(raw[0]) as model:
        model.validate()
        assert isinstance(model, datamodels.ScienceRawModel)
        assert model.data.shape == (5, 1024, 1024)
    assert [path.name.rpartition("_")[2] for path in raw] == [
        "uncal.asdf", "truth.parquet", "state.parquet", "truth.asdf",
    ]  # fmt: skip


def test_same_seed_gives_the_same_files(raw, request_, tmp_path):
    again = make_raw(dataclasses.replace(request_, threads=1), EXPOSURE, "WFI01", tmp_path)
    for one, other in zip(raw, again, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    different = dataclasses.replace(request_, seed=4)
    changed = make_raw(different, EXPOSURE, "WFI01", tmp_path)
    assert changed[0].read_bytes() != raw[0].read_bytes()
    assert changed[1].read_bytes() == raw[1].read_bytes()


def test_truth_image_is_what_fell_on_the_detector(raw, image):
    with asdf.open(raw[3], memmap=False) as file:
        rate, sky = np.array(file["rate"]), file["sky"]
        hits = np.array(file["cosmic_rays"])
    assert np.median(rate) == pytest.approx(sky, rel=0.03)  # pixels are smaller than nominal
    gain = rate.sum() / image[0].data.sum()
    assert gain == pytest.approx(1.79, rel=0.01)
    assert hits[:, 0].max() <= 18
    assert hits[:, 1:].max() < 1016


def test_pixels_of_the_image_are_coupled(raw, image):
    """The brightest star is its light, convolved with GalSim's kernel, within the errors."""
    with asdf.open(raw[3], memmap=False) as file:
        light = np.array(file["rate"], float)
    product, truth, _ = image
    gain = np.median(light) / np.median(product.data)
    kernel = galsim.roman.ipc_kernel.array[::-1, ::-1]  # which GalSim correlates
    seen = convolve(light, kernel / kernel.sum(), mode="constant")
    star = truth[np.argmax(truth["rate"] * (truth["type"] == "PSF"))]
    x, y = round(star["x"]), round(star["y"])
    part = np.s_[y - 4 : y + 5, x - 4 : x + 5]
    chi2 = [
        np.mean(((gain * product.data - expected)[part] / (gain * product.err[part])) ** 2)
        for expected in (seen, light)
    ]
    assert chi2[0] < 1.6  # four standard deviations of the mean of 81
    assert chi2[1] > 20
    assert product.meta["ref_file.ipc"] == "roman_wfi_ipc_0001.asdf"


def test_raw_counts_rise_with_the_light(request_, tmp_path):
    """The last resultant less the first, of a star, in electrons."""
    request = dataclasses.replace(request_, settings={"cosmic_rays": False})
    raw = make_raw(request, EXPOSURE, "WFI01", tmp_path)
    exposure = read_raw_exposure(raw[0])
    truth = Table.read(raw[1])
    x, y = round(truth["x"][2]) + 4, round(truth["y"][2]) + 4
    data = np.asarray(exposure.data).astype(float)
    rise = data[-1] - data[0]
    rise -= np.median(rise)
    seconds = (18 - 1) * 3.16247
    found = 1.79 * rise[y - 20 : y + 21, x - 20 : x + 21].sum()
    assert found == pytest.approx(truth["rate"][2] * seconds, rel=0.1)  # not yet linear


def test_moving_object_leaves_a_trail(miniature_store, tmp_path):
    table = Table(
        {
            "ra": [30.0], "dec": [-20.0], "type": ["PSF"], "F158": [10 ** (-0.4 * 18)],
            "motion_ra": [600.0], "motion_dec": [0.0],
            "epoch": [2000 + (EXPOSURE.start - 51544.5) / 365.25],
        }
    )  # fmt: skip
    table.write(tmp_path / "scene.ecsv")
    request = ExposureRequest(scene=tmp_path / "scene.ecsv", store=miniature_store)
    image = read_rate_image(make_image(request, EXPOSURE, "WFI01", tmp_path)[0])
    bright = np.argwhere(image.data > 5 * np.median(image.data))
    length = np.hypot(*np.ptp(bright, axis=0)) * 0.11
    assert length == pytest.approx(600 / 3600 * 18 * 3.16247, rel=0.15)


def test_aim_brings_a_detector_to_the_target():
    found = pointing_of(EXPOSURE, "WFI01")
    assert found.ra_ref == pytest.approx(30.0, abs=1e-9)
    assert found.dec_ref == pytest.approx(-20.0, abs=1e-9)


def test_middle_of_a_scene_across_the_meridian():
    table = Table(
        {"ra": [359.9, 0.1], "dec": [10.0, 10.0], "type": ["PSF"] * 2, "F158": [1e-8] * 2}
    )
    ra, dec = middle_of(Scene(table))
    assert min(ra, 360 - ra) < 1e-6
    assert dec == pytest.approx(10, abs=1e-3)


def test_empty_scene_gives_sky_alone(miniature_store, tmp_path, scene):
    Table.read(scene)[:0].write(tmp_path / "empty.ecsv")
    request = ExposureRequest(scene=tmp_path / "empty.ecsv", store=miniature_store)
    paths = make_image(request, EXPOSURE, "WFI01", tmp_path)
    assert len(Table.read(paths[1])) == 0
    data = read_rate_image(paths[0]).data
    assert abs(data - np.median(data)).max() < 7 * data.std()


def test_scene_elsewhere_gives_sky_alone(request_, tmp_path):
    far = aimed(dataclasses.replace(EXPOSURE, ra=200.0, dec=70.0, start=61557.0), "WFI01")
    assert len(Table.read(make_image(request_, far, "WFI01", tmp_path)[1])) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [({"element": "DARK"}, "no light"), ({"dec": 95.0}, "dec = 95"), ({"ra": np.nan}, "ra = nan"),
     ({"ma_table": 999}, "999")],
)  # fmt: skip
def test_impossible_exposures_are_refused(request_, tmp_path, change, told):
    with pytest.raises(UsageError, match=told):
        make_image(request_, dataclasses.replace(EXPOSURE, **change), "WFI01", tmp_path)


def test_scene_that_is_missing_or_none(miniature_store, tmp_path):
    with pytest.raises(FileError, match=r"none\.parquet"):
        make_image(
            ExposureRequest(scene=tmp_path / "none.parquet", store=miniature_store),
            EXPOSURE, "WFI01", tmp_path,
        )  # fmt: skip
    with pytest.raises(UsageError, match="nothing"):
        ExposureRequest(store=miniature_store)


OWN = """
class Stripes:
    def prepare(self, exposure):
        def stage(band):
            def action(signal, read):
                signal[:, ::2] += 500
            return action
        return stage
"""


def test_effect_of_ones_own_takes_the_place_of_another(request_, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    mine = {"read_noise": f"{tmp_path / 'mine.py'}:Stripes"}
    paths = make_raw(dataclasses.replace(request_, own_effects=mine), EXPOSURE, "WFI01", tmp_path)
    data = np.asarray(read_raw_exposure(paths[0]).data)[0].astype(float)
    inside = data[4:-4, 4:-4]
    assert np.median(inside[:, ::2] - inside[:, 1::2]) == pytest.approx(500, abs=2)


@pytest.mark.parametrize(
    ("own", "told"),
    [({"read_nois": "mine.py:Stripes"}, "read_noise"), ({"ipc": "no.py:Stripes"}, "loaded"),
     ({"ipc": "mine"}, "module:function"), ({"cosmic_rays": "builtins:dict"}, "deposits")],
)  # fmt: skip
def test_own_effects_that_cannot_work_are_refused(scene, own, told):
    with pytest.raises(UsageError, match=told):
        ExposureRequest(scene=scene, own_effects=own)


def test_jitter_blurs(request_, image, tmp_path):
    blurred = dataclasses.replace(request_, jitter=0.06)
    wide = read_rate_image(make_image(blurred, EXPOSURE, "WFI01", tmp_path)[0])
    x, y = (round(image[1][name][0]) for name in ("x", "y"))
    assert wide.data[y, x] < 0.9 * image[0].data[y, x]
