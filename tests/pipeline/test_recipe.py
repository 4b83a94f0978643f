from __future__ import annotations

import pytest

from roman_dms.errors import FileError, RecipeError
from roman_dms.pipeline.recipe import load_recipe

from .conftest import STEPS


def write(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


TWO = '[[step]]\nname = "scale"\nfactor = 3.0\n[[step]]\nname = "last"\n'


def test_steps_and_parameters_in_order(tmp_path):
    recipe = load_recipe(write(tmp_path, TWO), STEPS)
    assert recipe.names == ("scale", "last")
    assert recipe.steps[0].parameters.factor == 3.0


def test_one_value_is_overridden(tmp_path):
    recipe = load_recipe(write(tmp_path, TWO), STEPS).with_settings(["scale.factor=0.5"])
    assert recipe.steps[0].parameters.factor == 0.5


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ('[[step]]\nname = "scael"\n', "did you mean scale?"),
        ('[[step]]\nname = "scale"\nfactr = 1\n', "did you mean factor?"),
        ('[[step]]\nname = "scale"\nfactor = -1\n', "greater than 0"),
        ('[[step]]\nname = "scale"\nfactor = "x"\n', "valid number"),
        ('[[step]]\nname = "calibrated"\n[[step]]\nname = "scale"\n', "gives a RateImage"),
        ('[[step]]\nname = "scale"\n[[step]]\nname = "scale"\n', "more than once"),
        ("description = 1\n", "lists no steps"),
        ("step = 3\n", "lists no steps"),
        ("[[step]\n", "not valid TOML"),
        ('[[step]]\nname = "x"\nfunction = "nowhere.py:x"\n', "cannot be loaded"),
        ('[[step]]\nname = "x"\nfunction = "os.path:join"\n', "not a step"),
        ('[[step]]\nname = "x"\nfunction = "json"\n', "module:function"),
    ],
)
def test_mistakes_are_told(tmp_path, text, near):
    with pytest.raises(RecipeError, match=near.replace("?", r"\?")):
        load_recipe(write(tmp_path, text), STEPS)


def test_missing_file(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml", STEPS)


@pytest.mark.parametrize("setting", ["scale=1", "scale.factor", "scale.fact=1", "scal.factor=1"])
def test_bad_settings(tmp_path, setting):
    with pytest.raises(RecipeError):
        load_recipe(write(tmp_path, TWO), STEPS).with_settings([setting])


def test_only_steps_that_keep_the_product_can_be_skipped(tmp_path):
    recipe = load_recipe(write(tmp_path, TWO), STEPS)
    assert recipe.skipping(["scale"]).steps[0].skip
    with pytest.raises(RecipeError, match="makes a RateImage"):
        recipe.skipping(["last"])


def test_until(tmp_path):
    assert load_recipe(write(tmp_path, TWO), STEPS).until("scale").names == ("scale",)


def test_a_step_of_the_user_from_a_file(tmp_path):
    (tmp_path / "glow.py").write_text(
        "import dataclasses\n"
        "from pydantic import Field\n"
        "from roman_dms.pipeline.step import Parameters, step\n"
        "from roman_dms.products.exposure import Ramp\n"
        "class P(Parameters):\n"
        "    level: float = Field(1.0, description='Level.')\n"
        "@step(scope='pixel')\n"
        "def remove_glow(ramp: Ramp, parameters: P) -> Ramp:\n"
        "    '''Subtract a constant.'''\n"
        "    return dataclasses.replace(ramp, data=ramp.data - parameters.level)\n"
    )
    text = '[[step]]\nname = "remove_glow"\nfunction = "glow.py:remove_glow"\nlevel = 7.0\n'
    recipe = load_recipe(write(tmp_path, text), STEPS)
    assert recipe.steps[0].parameters.level == 7.0
    assert recipe.steps[0].step.summary == "Subtract a constant."
