"""Tables of injected and detected sources, with the names that catalogues give columns."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table

from roman_dms.errors import FormatError, UsageError
from roman_dms.formats.tables import read_table, write_table
from roman_dms.simulation.steps.match_preview import write_match_preview
from roman_dms.simulation.steps.matching import Columns, match_tables, places_of

ARCSEC = 1 / 3600
NANOJANSKYS = np.array([3631e9, 3.631e9, 363.1])
"""AB magnitudes 0, 7.5 and 25."""


def injected():
    table = Table({"id": [1, 2, 3, 4], "ra": [10.0, 10.01, 10.02, 10.03], "dec": [0.0] * 4})
    table["flux"] = [1000.0, 2000.0, 100.0, 50.0] * u.nJy
    return table


def detected():
    """The first and the third of those injected, and one of nothing."""
    return Table(
        {
            "label": [7, 8, 9],
            "ra_centroid": [10.02 + 0.05 * ARCSEC, 50.0, 10.0],
            "dec_centroid": [0.0, 0.0, 0.1 * ARCSEC],
            "kron_f158_flux": [90.0, 70.0, 1010.0],
        }
    )


def test_every_source_of_both_is_in_the_result_once():
    table = match_tables(injected(), detected()).table
    assert table["match"].tolist() == ["both", "input", "both", "input", "output"]
    assert table["input_id"].filled(0).tolist() == [1, 2, 3, 4, 0]
    assert table["output_label"].filled(0).tolist() == [9, 0, 7, 0, 8]
    np.testing.assert_allclose(table["separation"].compressed(), [0.1, 0.05], rtol=1e-6)
    np.testing.assert_allclose(table["flux_ratio"].compressed(), [1.01, 0.9])
    assert table["input_flux"].unit == u.nJy


def test_the_summary_counts_what_a_hand_counts():
    summary = match_tables(injected(), detected(), edges=[20, 25, 30]).summary
    # 1000 and 2000 nJy are 23.9 and 23.1 mag; 100, 70 and 50 are fainter than 25.
    assert summary["injected"].tolist() == [2, 2]
    assert summary["recovered"].tolist() == [1, 1]
    assert summary["detected"].tolist() == [1, 2]
    assert summary["genuine"].tolist() == [1, 1]


def test_bins_hold_all_sources_by_default():
    summary = match_tables(injected(), detected(), step=0.5).summary
    assert summary["injected"].sum() == 4
    assert summary["detected"].sum() == 3
    np.testing.assert_allclose(summary["faint"] - summary["bright"], 0.5)


@pytest.mark.parametrize(
    "names",
    [
        ("ra", "dec", "flux"),
        ("RA", "DEC", "FLUX"),
        ("ra_centroid_win", "dec_centroid_win", "segment_f129_flux"),
        ("ra_psf", "dec_psf", "psf_flux"),
        ("ra_psf_f158", "dec_psf_f158", "psf_f158_flux"),
        ("ALPHA_J2000", "DELTA_J2000", "flux"),
        ("RAJ2000", "DEJ2000", "flux"),
    ],
)
def test_columns_are_found_by_the_names_that_catalogues_use(names):
    ra, dec, flux = names
    table = Table({"x": [1.0] * 3, ra: [1.0, 2, 3], dec: [4.0, 5, 6], flux: NANOJANSKYS})
    found = places_of(table, "output", Columns())
    np.testing.assert_array_equal(found.ra, [1, 2, 3])
    np.testing.assert_array_equal(found.dec, [4, 5, 6])
    np.testing.assert_array_equal(found.flux, NANOJANSKYS)


def test_windowed_positions_come_before_plain_ones():
    table = detected()
    table["ra_centroid_win"], table["dec_centroid_win"] = [1.0, 2, 3], [0.0] * 3
    np.testing.assert_array_equal(places_of(table, "output", Columns()).ra, [1, 2, 3])


@pytest.mark.parametrize(
    ("name", "values", "unit"),
    [
        ("flux", NANOJANSKYS / 1e9, u.Jy),
        ("flux", NANOJANSKYS, None),
        ("magnitude", [0.0, 7.5, 25.0], u.mag),
        ("MAG_AUTO", [0.0, 7.5, 25.0], None),
        ("F158", [1.0, 1e-3, 1e-10], None),
    ],
)
def test_fluxes_and_magnitudes_become_nanojanskys(name, values, unit):
    table = Table({"ra": [1.0] * 3, "dec": [1.0] * 3, name: values})
    table[name].unit = unit
    np.testing.assert_allclose(places_of(table, "input", Columns()).flux, NANOJANSKYS, rtol=1e-9)


def test_positions_in_other_units_become_degrees():
    table = Table({"ra": [np.pi] * u.rad, "dec": [60.0] * u.arcmin, "flux": [1.0]})
    found = places_of(table, "input", Columns())
    assert (found.ra[0], found.dec[0]) == pytest.approx((180, 1))


def test_several_bands_need_a_choice():
    table = detected()
    table["kron_f129_flux"] = [1.0, 2.0, 3.0]
    with pytest.raises(UsageError, match="several bands: kron_f158_flux, kron_f129_flux"):
        match_tables(injected(), table)
    assert places_of(table, "output", Columns(), "F129").flux.tolist() == [1, 2, 3]


def test_columns_can_be_named():
    table = Table({"a": [1.0], "b": [2.0], "c": [3.0]})
    found = places_of(table, "output", Columns("a", "b", "c"))
    assert (found.ra[0], found.dec[0], found.flux[0]) == (1, 2, 3)


@pytest.mark.parametrize(
    ("table", "columns", "error", "message"),
    [
        (Table({"x": [1.0]}), Columns(), FormatError, "no columns of positions"),
        (Table({"ra": [1.0], "dec": [1.0]}), Columns(), FormatError, "no columns of fluxes"),
        (Table({"ra": [1.0], "dec": [1.0], "flux": ["a"]}), Columns(), FormatError, "'flux'"),
        (Table({"ra": [1.0], "dec": [1.0], "flux": [1.0] * u.m}), Columns(), FormatError, "'flux'"),
        (injected(), Columns(ra="ra"), UsageError, "Only one"),
        (injected(), Columns("a", "b", "c"), FormatError, "no columns of a"),
    ],
)
def test_tables_without_what_is_needed_are_errors(table, columns, error, message):
    with pytest.raises(error, match=message):
        match_tables(table, detected(), columns=(columns, Columns()))


@pytest.mark.parametrize("wrong", [{"edges": [20.0]}, {"edges": [25.0, 20.0]}, {"step": 0}])
def test_bins_that_cannot_be_are_errors(wrong):
    with pytest.raises(UsageError, match="bins"):
        match_tables(injected(), detected(), **wrong)


def test_masked_fluxes_are_no_fluxes():
    table = injected()
    table["flux"] = MaskedColumn(table["flux"], mask=[True, False, False, False])
    assert np.isnan(places_of(table, "input", Columns()).flux[0])
    assert match_tables(table, detected()).summary["injected"].sum() == 3


def test_an_empty_detection_is_no_error():
    summary = match_tables(injected(), detected()[:0]).summary
    assert summary["recovered"].sum() == 0
    assert summary["injected"].sum() == 4


@pytest.mark.parametrize("suffix", ["parquet", "ecsv", "fits"])
def test_the_result_can_be_written_and_read(tmp_path, suffix):
    matched = match_tables(injected(), detected())
    write_table(matched.table, tmp_path / f"m.{suffix}")
    found = read_table(tmp_path / f"m.{suffix}")
    assert found["match"].tolist() == matched.table["match"].tolist()
    assert found["separation"][0] == pytest.approx(0.1)


def test_a_picture_is_drawn(tmp_path):
    write_match_preview(match_tables(injected(), detected()), tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
