"""The kinds are those of the mission, with its matching keys and RAD tags."""

from importlib.resources import files

import pytest

from roman_dms.errors import UsageError
from roman_dms.products.reference import KINDS as PRODUCTS
from roman_dms.references.kinds import KINDS, START_TIME, kind_of
from roman_dms.references.mappings import parse


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_keys_are_those_of_the_templates_of_crds(kind):
    path = files("crds.roman").joinpath("specs", f"wfi_{kind.name}.rmap")
    assert parse(path.read_text(), path.name).header["parkey"] == (kind.keys, (START_TIME,))


def test_every_kind_has_a_rad_schema():
    folder = files("rad.resources").joinpath("schemas", "reference_files")
    schemas = {path.name.rpartition("-")[0] for path in folder.iterdir()}
    assert {kind.schema for kind in KINDS.values() if not kind.is_parameters} <= schemas


def test_every_product_that_steps_ask_for_has_a_kind():
    assert set(PRODUCTS) <= set(KINDS)


def test_descriptions_are_one_line():
    assert all(kind.description.endswith(".") for kind in KINDS.values())


def test_unknown_kind():
    assert kind_of("FLAT").name == "flat"
    with pytest.raises(UsageError, match="no kind"):
        kind_of("halo")
