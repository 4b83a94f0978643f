"""What a table must be to stand as a scene; every error names row and column."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table

from roman_dms.errors import FormatError
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.scenes.validation import distinct


def _table(**columns):
    rows = {
        "ra": [10.0, 20.0, 30.0, 40.0],
        "dec": [-5.0, 0.0, 5.0, 66.0],
        "type": ["PSF", "SER", "PSF", "SER"],
        "n": [-1.0, 1.0, -1.0, 4.0],
        "half_light_radius": [0.0, 0.3, -1.0, 0.5],
        "pa": [0.0, 45.0, 0.0, 270.0],
        "ba": [1.0, 0.5, -1.0, 1.0],
        "F158": [1e-10, 2e-10, 0.0, 5e-9],
    }
    return Table({**rows, **columns})


def test_a_good_table_is_taken_as_it_is():
    table = _table(mine=[1, 2, 3, 4])
    scene = Scene(table)
    assert len(scene) == 4
    np.testing.assert_array_equal(scene["id"], [1, 2, 3, 4])
    np.testing.assert_array_equal(scene.table["mine"], table["mine"])
    np.testing.assert_array_equal(scene["pmra"], 0)
    assert "id" not in table.colnames
    assert table["ra"].unit is None


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("ra", 2, np.nan),
        ("ra", 0, np.inf),
        ("dec", 3, 90.5),
        ("dec", 1, np.nan),
        ("F158", 1, -1e-12),
        ("F158", 3, np.nan),
        ("n", 1, 0.1),
        ("n", 3, 9.0),
        ("half_light_radius", 1, -0.3),
        ("half_light_radius", 3, 0.0),
        ("half_light_radius", 3, np.nan),
        ("ba", 3, 0.0),
        ("ba", 1, 1.2),
        ("pa", 0, np.nan),
    ],
)
def test_bad_values_are_named(column, row, value):
    table = _table()
    table[column][row] = value
    with pytest.raises(FormatError, match=rf"Row {row} .* {column} = ") as caught:
        Scene(table)
    assert caught.value.expected


@pytest.mark.parametrize(
    ("column", "values", "row"),
    [
        ("type", ["PSF", "SER", "DISK", "SER"], 2),
        ("sed", ["", "E", "Z", ""], 2),
        ("variability", ["sine", "", "", "flare"], 3),
        ("redshift", [0.0, -0.5, 0, 0], 1),
        ("timescale", [1.0, 1, 0, 1], 2),
        ("amplitude", [1.0, 1, -1, 1], 2),
        ("id", [4, 2, 3, 2], 3),
        ("id", [1.0, 2, np.nan, 4], 2),
        ("id", [1.0, 2.5, 3, 4], 1),
        ("parallax", [1.0, -1, np.nan, 0], 2),
    ],
)
def test_bad_names_and_options_are_named(column, values, row):
    with pytest.raises(FormatError, match=rf"Row {row} .* {column} = "):
        Scene(_table(**{column: values}))


def test_how_many_rows_are_bad():
    table = _table()
    table["F158"][1:] = -1
    with pytest.raises(FormatError, match="2 more rows"):
        Scene(table)


@pytest.mark.parametrize("name", ["ra", "dec", "type"])
def test_missing_columns_are_named(name):
    table = _table()
    table.remove_column(name)
    with pytest.raises(FormatError, match=f"no column {name}"):
        Scene(table)


def test_galaxies_need_sizes_and_all_need_a_flux():
    table = _table()
    table.remove_column("half_light_radius")
    with pytest.raises(FormatError, match="half_light_radius"):
        Scene(table)
    table = _table()
    table.rename_column("F158", "H")
    with pytest.raises(FormatError, match="F062"):
        Scene(table)


def test_masked_values():
    table = _table(sed=MaskedColumn(["E", "", "", ""], mask=[False, True, False, True]))
    assert list(Scene(table)["sed"]) == ["E", "", "", ""]
    table["F158"] = MaskedColumn([1e-9] * 4, mask=[False, False, True, False])
    with pytest.raises(FormatError, match=r"Row 2 .* F158 = missing"):
        Scene(table)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("nJy", 3631e9), ("Jy", 3631.0), ("uJy", 3631e6), ("nmgy", 1e9), ("", 1.0),
     ("erg / (s cm2 Hz)", 3.631e-20)],
)  # fmt: skip
def test_fluxes_in_other_units(unit, factor):
    table = _table()
    expected = np.array(table["F158"])
    table["F158"] = table["F158"] * factor
    table["F158"].unit = unit or None
    np.testing.assert_allclose(Scene(table)["F158"], expected, rtol=1e-9)


def test_magnitudes_and_hour_angles():
    table = _table(F158=[20.0, 22.5, 25, 30])
    table["F158"].unit = "mag(AB)"
    table["ra"] = np.array([1.0, 2, 3, 4]) * u.hourangle
    scene = Scene(QTable(table))
    np.testing.assert_allclose(scene["F158"], [1e-8, 1e-9, 1e-10, 1e-12])
    np.testing.assert_allclose(scene["ra"], [15, 30, 45, 60])


def test_wrong_units_and_types():
    table = _table()
    table["ra"].unit = "kg"
    with pytest.raises(FormatError, match=r"ra .* kg"):
        Scene(table)
    table = _table()
    table["F158"].unit = "m"
    with pytest.raises(FormatError, match="F158"):
        Scene(table)
    with pytest.raises(FormatError, match="dec"):
        Scene(_table(dec=["a", "b", "c", "d"]))


@pytest.mark.parametrize("epoch", ["then", -5.0, np.nan, [1]])
def test_bad_epochs(epoch):
    table = _table()
    table.meta["epoch"] = epoch
    with pytest.raises(FormatError, match="epoch"):
        Scene(table)


def test_epoch_of_fits():
    table = _table()
    table.meta["EPOCH"] = 2020.5
    np.testing.assert_array_equal(Scene(table)["epoch"], 2020.5)


def test_empty_scene_is_fine():
    scene = Scene(_table()[:0])
    assert len(scene) == 0
    assert scene.count_rates("WFI01", "F158", 61557.0).shape == (0,)
    assert scene.wavelengths("WFI01", "F158").shape == (0,)
    assert scene.positions(61557.0)[0].shape == (0,)
    assert scene.motions(61557.0).shape == (0, 2)
    assert scene.flux_densities([1.0, 2.0], 61557.0).shape == (0, 2)


def test_distinct_names():
    names = np.array(["b", "a", "b", "", "a", "b"])
    found = {name: list(rows) for name, rows in distinct(names)}
    assert found == {"b": [0, 2, 5], "a": [1, 4], "": [3]}
    assert list(distinct(names[:0])) == []
    many = np.random.default_rng(1).integers(0, 500, 3000).astype(str)
    groups = dict(distinct(many))
    assert len(groups) == len(set(many))
    for name, rows in groups.items():
        np.testing.assert_array_equal(rows, np.flatnonzero(many == name))


def test_hundreds_of_spectra():
    """Each star its own temperature."""
    count = 300
    columns = {"ra": np.ones(count), "dec": np.ones(count), "type": ["PSF"] * count}
    seds = [f"blackbody:{3000 + k}" for k in range(count)]
    scene = Scene(Table({**columns, "F158": np.full(count, 1e-9), "sed": seds}))
    rates = scene.count_rates("WFI01", "F062", 61557.0)
    assert np.all(np.diff(rates) > 0)  # hotter stars are bluer
