"""The whole way from L1 to L2, on the miniature exposure of the mission's simulator.

Truth are the electrons that the simulator collected; gain, dark rate and flat
field are those of the references that simulator and calibration share.
"""

from __future__ import annotations

import asdf
import numpy as np
import pytest
import roman_datamodels

from roman_dms.formats.products import read_product
from roman_dms.formats.reference_files import read_reference
from roman_dms.instrument.quality import Pixel
from roman_dms.pipeline.runner import run
from roman_dms.recipes import load
from roman_dms.references import ReferenceStore, parameters_of


@pytest.fixture(scope="module")
def truth(miniature_raw, miniature_store, image):
    """Rate [DN/s] of each science pixel, and where a cosmic ray struck."""
    path = next(miniature_raw.parent.glob("*_truth.asdf"))
    with asdf.open(path) as file:
        electrons = np.square(np.array(file["root_electrons"], float))
        time = file["exposure_time"]
        struck = np.zeros((9, 1024, 1024), bool)
        struck[tuple(np.array(file["hit"]).T)] = True
    hit = struck[:, 4:-4, 4:-4]
    context = ReferenceStore(miniature_store).context()
    paths = context.select(parameters_of(image.meta), ["gain", "dark", "flat"])
    gain, dark, flat = (read_reference(paths[kind]) for kind in ("gain", "dark", "flat"))
    rate = electrons / time / np.asarray(gain.data)[4:-4, 4:-4]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = (rate - np.asarray(dark.dark_slope)[4:-4, 4:-4]) / np.asarray(flat.data)
    return rate, hit


def test_shapes_and_frames(image):
    assert image.data.shape == (1016, 1016)
    assert image.data.dtype == np.float32
    assert image.borders.left.shape == (9, 1024, 4)
    assert image.amp33.shape == (9, 1024, 128)
    assert image.first_row == 0


@pytest.mark.parametrize(
    ("low", "high", "tolerance"),
    [(0.6, 3, 2e-3), (3, 30, 1e-3), (30, 200, 5e-4)],
)
def test_rates_are_those_that_the_simulator_drew(image, truth, low, high, tolerance):
    """Photon noise is in the truth: what is left is read noise and bias."""
    rate, hit = truth
    pixels = (image.dq == 0) & ~hit.any(axis=0) & (rate > low) & (rate < high)
    assert pixels.sum() > 30
    bias = (image.data[pixels] - rate[pixels]).sum() / rate[pixels].sum()
    assert abs(bias) < tolerance


def test_read_noise_is_what_the_error_says(image, truth):
    """Sky pixels scatter about the truth by read noise, by the noise that the
    reference pixels cannot see and by the weights, which are not those of the sum."""
    rate, hit = truth
    pixels = (image.dq == 0) & ~hit.any(axis=0) & (rate < 0.6)
    difference = image.data[pixels] - rate[pixels]
    scatter = 1.4826 * np.median(np.abs(difference - np.median(difference)))
    expected = np.median(np.sqrt(image.var_rnoise[pixels]))
    assert 0.95 < scatter / expected < 1.3
    assert abs(np.median(difference)) < 0.0015  # DN/s: 0.2 DN in the whole exposure


def test_cosmic_rays_are_found(image, truth):
    """The truth tells every pixel that was touched, also by charge far below the noise."""
    _, hit = truth
    found = (image.dq & Pixel.JUMP_DET) != 0
    struck = hit.any(axis=0)
    clean = (image.dq & ~np.uint32(Pixel.JUMP_DET)) == 0
    assert found[struck & clean].mean() > 0.9
    assert found[~struck & clean].mean() < 2e-4


def test_struck_pixels_keep_their_rate(image, truth):
    rate, hit = truth
    found = (image.dq == Pixel.JUMP_DET) & hit.any(axis=0) & (rate < 0.6)
    difference = image.data[found] - rate[found]
    expected = np.median(image.err[found])
    assert abs(np.median(difference)) < 0.1 * expected
    assert len(image.jump_indices) >= found.sum()


def test_the_mission_accepts_the_product(image, tmp_path):
    from roman_dms.formats.products import write_product

    write_product(image, tmp_path / "r0000101001001001001_0001_wfi01_f158_cal.asdf")
    with roman_datamodels.open(next(tmp_path.glob("*.asdf"))) as model:
        model.validate()
        assert type(model).__name__ == "ImageModel"
        np.testing.assert_array_equal(np.asarray(model.data), image.data)
        assert model.meta.cal_step.ramp_fit == "COMPLETE"
        assert model.meta.cal_step.source_catalog == "COMPLETE"
        assert model.meta.cal_step.tweakreg == "INCOMPLETE"
        assert model.meta.ref_file.dark == "roman_wfi_dark_0001.asdf"
        assert model.meta.photometry.conversion_megajanskys > 0
        assert model.meta.wcsinfo.s_region.startswith("POLYGON ICRS")


def test_the_sky_is_where_the_pointing_says(image):
    """The reference pixel of the whole detector lies 1536 pixels further in."""
    ra, dec = image.meta["wcs"].forward_transform(2043.5 - 1536, 2043.5 - 1536)
    cosine = np.cos(np.radians(dec))
    assert abs(ra - image.meta["wcsinfo.ra_ref"]) * cosine * 3600 < 0.01
    assert abs(dec - image.meta["wcsinfo.dec_ref"]) * 3600 < 0.01


def test_statistics_are_in_the_metadata(image):
    assert image.meta["statistics.image_median"] == pytest.approx(
        np.median(image.data[(image.dq & 1) == 0]), rel=1e-6
    )


def test_casertano_weights_agree(raw, references, image):
    other = run(load().with_settings(["ramp_fit.algorithm=casertano"]), raw, references).product
    good = (image.dq == 0) & (other.dq == 0)
    assert good.mean() > 0.9
    assert not np.array_equal(other.data, image.data)  # another fit was made
    difference = (other.data - image.data)[good] / image.err[good]
    # its weights follow the signal, and so the noise: a bias where both are alike
    assert abs(np.median(difference)) < 0.06
    assert np.percentile(np.abs(difference), 68) < 0.2


def test_the_variance_of_the_flat_field_on_request(raw, references, image, tmp_path):
    from roman_dms.formats.products import write_product

    recipe = load().with_settings(["flat_field.include_var_flat=true"])
    other = run(recipe, raw, references).product
    np.testing.assert_allclose(
        other.err**2, other.var_poisson + other.var_rnoise + other.var_flat, rtol=1e-4
    )
    assert (other.err >= image.err * (1 - 1e-6)).all()
    write_product(other, tmp_path / "flat_cal.asdf")
    back = read_product(tmp_path / "flat_cal.asdf")
    np.testing.assert_allclose(back.var_flat, other.var_flat, rtol=1e-3, atol=1e-7)
