from __future__ import annotations

import numpy as np
import pytest

from roman_dms.errors import RecipeError, ReferenceDataError
from roman_dms.pipeline.recipe import Recipe, RecipeStep
from roman_dms.pipeline.runner import Observer, run
from roman_dms.pipeline.step import step
from roman_dms.pipeline.tiles import TILE_ROWS
from roman_dms.products.exposure import Ramp, RateImage
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import DarkRate, Flat, Gain

from .conftest import STEPS, Shelf


def recipe_of(*names):
    return Recipe("", tuple(RecipeStep(STEPS[n], STEPS[n].parameters()) for n in names))


@step(scope="pixel")
def fit(ramp: Ramp, gain: Gain) -> RateImage:
    """Never run."""
    raise AssertionError


GAIN = Gain(meta=Metadata({}), data=np.linspace(1, 2, 72 * 128, dtype=np.float32).reshape(72, 128))


def test_tiles_give_what_the_whole_frame_gives(ramp):
    assert ramp.data.shape[1] > 2 * TILE_ROWS
    done = run(recipe_of("scale", "amplify", "level", "last"), ramp, Shelf(gain=GAIN))
    expected = ramp.data * 2 * GAIN.data
    expected = expected - expected.mean()
    np.testing.assert_allclose(done.product.data, expected[2, 4:-4, 4:-4], rtol=1e-6)
    np.testing.assert_array_equal(done.product.dq, ramp.dq[4:-4, 4:-4])
    assert done.product.first_row == 0
    assert done.product.data.shape == (64, 120)
    first_rows = [0, *range(TILE_ROWS - 4, 68, TILE_ROWS)]
    np.testing.assert_array_equal(done.product.jump_indices[:, 1], first_rows)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_change_nothing(ramp, workers):
    done = run(recipe_of("scale", "amplify"), ramp, Shelf(gain=GAIN), workers=workers)
    np.testing.assert_array_equal(done.product.data, ramp.data * np.float32(2) * GAIN.data)


def test_references_meet_the_product_in_its_frame(ramp):
    dark = np.arange(72 * 128, dtype=np.float32).reshape(72, 128)
    flat = np.linspace(1, 2, 64 * 120, dtype=np.float32).reshape(64, 120)
    shelf = Shelf(
        dark=DarkRate(meta=Metadata({}), dark_slope=dark, dark_slope_error=dark, dq=dark),
        flat=Flat(meta=Metadata({}), data=flat, err=flat, dq=flat),
    )
    done = run(recipe_of("last", "calibrated"), ramp, shelf)
    expected = (ramp.data[2, 4:-4, 4:-4] - dark[4:-4, 4:-4]) / flat
    np.testing.assert_allclose(done.product.data, expected, rtol=1e-6)


def test_a_reference_of_another_size_is_refused(ramp):
    gain = Gain(meta=Metadata({}), data=np.ones((64, 64), np.float32))
    with pytest.raises(ReferenceDataError, match="64 x 64 pixels meets WFI01 of 72 x 128"):
        run(recipe_of("amplify"), ramp, Shelf(gain=gain))


def test_states_say_what_was_done_and_why_not(ramp):
    recipe = recipe_of("scale", "only_wfi18", "amplify", "last").skipping(["scale"])
    done = run(recipe, ramp, Shelf())
    states = {record.name: (record.state, record.reason) for record in done.records}
    assert states == {
        "scale": ("SKIPPED", "asked to be skipped"),
        "only_wfi18": ("N/A", "not WFI18"),
        "amplify": ("SKIPPED", "the context says N/A for gain"),
        "last": ("COMPLETE", ""),
    }
    meta = done.product.meta
    assert meta["cal_step.scale"] == "SKIPPED"
    assert meta["ref_file.gain"] == "N/A"
    assert meta["ref_file.crds.context"] == "roman_0042.pmap"
    assert any(line.startswith("amplify: SKIPPED (the context") for line in meta["cal_logs"])
    np.testing.assert_array_equal(done.product.data, ramp.data[2, 4:-4, 4:-4])


def test_a_step_that_makes_the_product_needs_its_references(ramp):
    recipe = Recipe("", (RecipeStep(fit, fit.parameters()),))
    with pytest.raises(RecipeError, match="N/A for gain, which 'fit' needs"):
        run(recipe, ramp, Shelf())


def test_the_first_step_must_take_the_product(ramp):
    with pytest.raises(RecipeError, match="takes a RateImage; a Ramp was given"):
        run(recipe_of("calibrated"), ramp, Shelf())


def test_a_saved_product_is_what_the_step_gave(ramp):
    saved = {}
    run(
        recipe_of("scale", "amplify", "last"),
        ramp,
        Shelf(gain=GAIN),
        save={"scale": lambda product: saved.update(scale=product)},
    )
    np.testing.assert_array_equal(saved["scale"].data, ramp.data * 2)
    assert saved["scale"].meta["cal_step.scale"] == "COMPLETE"


def test_the_observer_hears_everything(ramp):
    class Ear(Observer):
        def __init__(self):
            self.names, self.share, self.done = [], 0.0, []

        def start(self, names):
            self.names += names

        def advance(self, fraction):
            self.share += fraction

        def finish(self, record):
            self.done.append(record.name)

    ear = Ear()
    run(recipe_of("scale", "amplify", "level"), ramp, Shelf(gain=GAIN), observer=ear)
    assert ear.names == ["scale", "amplify", "level"]
    assert ear.share == pytest.approx(2)
    assert sorted(ear.done) == ["amplify", "level", "scale"]


def test_nothing_is_changed_that_came_in(ramp):
    before = ramp.data.copy()
    run(recipe_of("scale", "level"), ramp, Shelf())
    np.testing.assert_array_equal(ramp.data, before)
    assert "cal_logs" not in ramp.meta


def test_a_run_goes_on_from_where_the_file_stopped(ramp):
    half = run(recipe_of("scale"), ramp, Shelf()).product
    done = run(recipe_of("scale", "last"), half, Shelf())
    assert done.records[0].reason == "done before"
    np.testing.assert_array_equal(done.product.data, 2 * ramp.data[2, 4:-4, 4:-4])


def test_a_step_left_out_is_not_made_up_for_after_later_ones(ramp):
    half = run(recipe_of("scale", "amplify").skipping(["scale"]), ramp, Shelf(gain=GAIN)).product
    done = run(recipe_of("scale", "amplify", "last"), half, Shelf(gain=GAIN))
    assert (done.records[0].state, done.records[0].reason) == ("SKIPPED", "the file is past it")
    expected = (ramp.data * GAIN.data)[2, 4:-4, 4:-4]
    np.testing.assert_array_equal(done.product.data, expected)


def test_nothing_left_to_do(ramp):
    done = run(recipe_of("scale"), ramp, Shelf()).product
    with pytest.raises(RecipeError, match="every step"):
        run(recipe_of("scale"), done, Shelf())


def test_the_list_of_jumps_stays_whole_when_a_rate_image_is_cut(ramp):
    shelf = Shelf(dark=dark_of(0), flat=flat_of(1))
    image = run(recipe_of("last"), ramp, shelf).product
    going_on = run(recipe_of("calibrated"), image, shelf).product
    np.testing.assert_array_equal(going_on.jump_indices, image.jump_indices)


def dark_of(value):
    array = np.full((72, 128), value, np.float32)
    return DarkRate(meta=Metadata({}), dark_slope=array, dark_slope_error=array, dq=array)


def flat_of(value):
    array = np.full((64, 120), value, np.float32)
    return Flat(meta=Metadata({}), data=array, err=array, dq=array)
