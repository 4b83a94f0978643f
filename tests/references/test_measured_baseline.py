"""A baseline as it would be measured: the errors have the sizes that the files state."""

from dataclasses import replace

import asdf
import numpy as np
import pytest

from roman_dms.instrument.detectors import Detector
from roman_dms.references.bootstrap import baseline, bootstrap, measurement, noise, pixels, response
from roman_dms.references.bootstrap.baseline import RECIPES
from roman_dms.references.bootstrap.frame import Frame

TRUE = Frame(Detector("WFI07", 512, 512), seed=3)
SEEN = replace(TRUE, measured=8)
SCIENCE = (slice(4, -4),) * 2


def relative_error(make, field="data"):
    return (make(SEEN)[field].astype(float) / make(TRUE)[field] - 1)[SCIENCE]


@pytest.mark.parametrize("seed", [8, 9])
def test_dark_and_flat_differ_by_the_error_that_they_state(seed):
    seen = replace(TRUE, measured=seed)
    true, found = pixels.dark(TRUE), pixels.dark(seen)
    pull = (found["dark_slope"] - true["dark_slope"]) / found["dark_slope_error"]
    np.testing.assert_allclose((pull[SCIENCE].mean(), pull[SCIENCE].std()), (0, 1), atol=0.01)
    assert np.all(found["dark_slope"][TRUE.is_border] == 0)
    for element in ("F062", "F158"):
        true, found = pixels.flat(TRUE, element), pixels.flat(seen, element)
        lit = true["data"] > 0
        pull = ((found["data"] - true["data"]) / found["err"])[lit]
        np.testing.assert_allclose((pull.mean(), pull.std()), (0, 1), atol=0.01)
        assert np.all(found["data"][~lit] == 0)


def test_gain_read_noise_and_saturation_scatter_as_documented():
    errors = {
        pixels.gain: (0, measurement.GAIN_ERROR),
        pixels.readnoise: (0, measurement.READ_NOISE_ERROR),
        pixels.saturation: (-measurement.SATURATION_MARGIN, measurement.SATURATION_ERROR),
    }
    for make, (mean, deviation) in errors.items():
        error = relative_error(make)
        assert np.mean(error) == pytest.approx(mean, abs=0.02 * deviation + 1e-6)
        assert np.std(error) == pytest.approx(deviation, rel=0.02)


def test_linear_signal_is_right_to_three_parts_in_ten_thousand_at_saturation():
    true, seen = (response.linearity(frame)["coeffs"].astype(float) for frame in (TRUE, SEEN))
    measured = 54000.0 ** np.arange(5)
    error = (np.tensordot(measured, seen, 1) / np.tensordot(measured, true, 1) - 1)[SCIENCE]
    assert 2e-4 < np.std(error) < 4e-4
    assert abs(np.mean(error)) < 1e-5


def test_measured_linearity_and_its_inverse_are_of_the_same_pixels():
    forth = response.linearity(SEEN)["coeffs"].astype(float)
    back = response.inverselinearity(SEEN)["coeffs"].astype(float)
    linear = np.tensordot(40000.0 ** np.arange(5), forth, 1)
    again = sum(back[power] * linear**power for power in range(5))
    np.testing.assert_allclose(again[SCIENCE], 40000, rtol=2e-4)


def test_converters_and_the_decaying_dark_signal_are_known_to_two_per_cent():
    true, seen = (response.integralnonlinearity(frame)["inl_table"] for frame in (TRUE, SEEN))
    ratios = [
        np.median(np.array(seen[key]["correction"][1:200]) / true[key]["correction"][1:200])
        for key in true
    ]
    assert 0.002 < np.std(ratios) < 0.06
    true, seen = (noise.darkdecaysignal(frame)["decay_table"] for frame in (TRUE, SEEN))
    for quantity in ("amplitude", "time_constant"):
        ratio = [seen[name][quantity] / true[name][quantity] for name in true]
        assert 0.01 < np.std(ratio) < 0.03


def test_masks_and_flags_are_the_same():
    for make in (pixels.mask, pixels.dark, pixels.saturation, response.linearity):
        np.testing.assert_array_equal(make(TRUE)["dq"], make(SEEN)["dq"])
    np.testing.assert_array_equal(noise.refpix(TRUE)["alpha"], noise.refpix(SEEN)["alpha"])


def test_errors_depend_on_their_seed_and_are_the_same_through_a_window():
    assert not np.array_equal(
        pixels.gain(SEEN)["data"], pixels.gain(replace(TRUE, measured=9))["data"]
    )
    part = replace(SEEN, window=(256, 100), size=256)
    np.testing.assert_array_equal(
        pixels.gain(part)["data"][4:-4, 4:-4], pixels.gain(SEEN)["data"][104:352, 260:508]
    )
    assert np.corrcoef(relative_error(pixels.gain).ravel(),
                       relative_error(pixels.readnoise).ravel())[0, 1] < 0.01  # fmt: skip


def test_the_files_say_what_they_are(tmp_path, monkeypatch):
    few = tuple(recipe for recipe in RECIPES if recipe.kind in ("gain", "flat", "mask"))
    monkeypatch.setattr(baseline, "RECIPES", few)
    for folder, measured in (("true", None), ("seen", 8)):
        bootstrap(tmp_path / folder, ["WFI01"], ["F158"], size=256, seed=5, measured=measured)

    def description(folder, kind):
        path = tmp_path / folder / "references" / "roman" / f"roman_wfi_{kind}_0001.asdf"
        with asdf.open(path) as file:
            return file["roman"]["meta"]["description"]

    assert description("true", "gain").endswith("Synthetic baseline, seed 5.")
    assert description("seen", "gain").endswith("with errors of measurement, seed 8.")
    assert description("seen", "flat").endswith("with errors of measurement, seed 8.")
    assert description("seen", "mask").endswith("Synthetic baseline, seed 5.")
