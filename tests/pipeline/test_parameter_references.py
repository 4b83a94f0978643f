from __future__ import annotations

import pytest

from roman_dms.errors import RecipeError
from roman_dms.pipeline.parameter_references import with_parameter_references
from roman_dms.products.metadata import Metadata
from roman_dms.recipes import load


class Pars:
    def __init__(self, **files):
        self.files = files

    def parameters(self, meta, kinds):
        found = {f"pars-{name}": (f"{name}_1.asdf", values) for name, values in self.files.items()}
        assert set(found) <= set(kinds)
        return found


def changed(**files):
    recipe, notes = with_parameter_references(load(), Pars(**files), Metadata({}))
    return {entry.name: entry for entry in recipe.steps}, notes


def test_the_missions_names_and_values_are_understood():
    steps, notes = changed(
        rampfitstep={"algorithm": "ols_cas22", "rejection_threshold": 5.5, "suffix": "x"},
        saturationstep={"n_pix_grow_sat": 2},
    )
    assert steps["ramp_fit"].parameters.algorithm == "casertano"
    assert steps["ramp_fit"].parameters.jump_threshold == 5.5
    assert steps["saturation"].parameters.grow == 2
    assert notes == (
        "saturation: parameters from saturationstep_1.asdf",
        "ramp_fit: parameters from rampfitstep_1.asdf",
    )


def test_what_is_not_ours_is_noted_and_not_dropped_in_silence():
    _, notes = changed(rampfitstep={"expand_large_events": True})
    assert notes[-1].endswith("also sets expand_large_events, which are not ours")


def test_a_step_can_be_switched_off_but_not_one_that_makes_the_product():
    steps, _ = changed(flatfieldstep={"skip": True}, rampfitstep={"skip": True})
    assert steps["flat_field"].skip
    assert not steps["ramp_fit"].skip


def test_a_value_that_cannot_be_is_an_error():
    with pytest.raises(RecipeError, match="jump_threshold"):
        changed(rampfitstep={"rejection_threshold": -1})


def test_every_kind_and_name_exists():
    """Kinds are those of the store, translated names those of the steps."""
    from roman_dms.references.kinds import KINDS

    for entry in load().steps:
        model = entry.step.parameters
        assert not model.kind or model.kind in KINDS
        assert set(model.mission_names.values()) <= set(model.model_fields)
