import re
from importlib import resources

import numpy as np
import pytest
import yaml
from astropy.table import Table
from astropy.time import Time
from pyarrow import parquet

from roman_dms.errors import FileError, FormatError
from roman_dms.formats.catalogues import (
    catalogue_metadata,
    catalogue_path,
    read_catalogue_metadata,
    write_catalogue,
)
from roman_dms.formats.summary import summarise
from roman_dms.formats.tables import read_table
from roman_dms.products.metadata import Metadata
from roman_dms.products.source_columns import BY_NAME, COLUMNS
from roman_dms.products.sources import Sources

SCHEMAS = resources.files("rad") / "resources" / "schemas" / "tables"
OURS = {
    "detection_snr", "blend", "xy_psf_cov", "psf_bkg", "extendedness", "extendedness_err",
    "shape_e1", "shape_e2", "shape_e1_err", "shape_e2_err", "shape_sigma", "shape_sigma_err",
    "resolution", "resolution_err",
}  # fmt: skip


def rad_columns():
    """Definition of each column of the prompt catalogue, by a pattern of its name."""
    text = (SCHEMAS / "source_catalog_columns-2.0.0.yaml").read_text()
    definitions = yaml.safe_load(text)["definitions"]
    prompt = yaml.safe_load((SCHEMAS / "prompt_catalog_table-2.0.0.yaml").read_text())
    for entry in prompt["properties"]["columns"]["allOf"]:
        reference, named = entry["not"]["items"]["not"]["allOf"]
        yield definitions[reference["$ref"].rpartition("/")[2]], named["properties"]["name"]


def test_columns_are_those_of_rad():
    covered = set()
    for definition, name in rad_columns():
        ours = [column for column in COLUMNS if re.match(name["pattern"], column.name)]
        assert ours, name
        for column in ours:
            covered.add(column.name)
            kind = definition["properties"]["data"]["properties"]["datatype"]["enum"]
            assert column.type.replace("bool", "bool8") in kind, column
            unit = "" if definition["unit"] == "none" else definition["unit"]
            assert column.unit.replace("arcsec2", "arcsec^2") in (
                unit, unit.replace("1/arcsec2", "1/arcsec^2"),
            ), column  # fmt: skip
    of_the_fit = {name for name in BY_NAME if "psf" in name} - OURS
    assert set(BY_NAME) - covered == OURS | of_the_fit


@pytest.fixture
def sources():
    rng = np.random.default_rng(3)
    columns = {c.name: rng.uniform(0, 9, 5).astype(c.type) for c in COLUMNS}
    return Sources(columns=columns, segments=np.zeros((4, 4), np.uint32), settings={"sigma": 5.0})


@pytest.fixture
def path(sources, tmp_path):
    meta = Metadata(
        {"filename": "r1_cal.asdf", "file_date": Time("2027-06-01T00:00:00"), "secret": 1,
         "exposure": {"type": "WFI_IMAGE"}}
    )  # fmt: skip
    target = tmp_path / "r1_cat.parquet"
    write_catalogue(sources, catalogue_metadata(meta, {"filename": target.name}), target)
    return target


def test_astropy_reads_units_descriptions_and_settings(path, sources):
    table = Table.read(path)
    assert table.colnames == list(BY_NAME)
    assert table["psf_flux"].unit == "nJy"
    assert table["ra"].unit == "deg"
    assert table["label"].unit is None
    assert table["x_psf"].description == BY_NAME["x_psf"].description
    assert table.meta["sigma"] == 5.0
    for name, values in sources.columns.items():
        assert table[name].dtype == values.dtype
        np.testing.assert_array_equal(table[name], values)
    assert str(read_table(path)["kron_abmag"].unit) == "mag(AB)"


def test_the_header_is_that_of_the_mission(path):
    schema = parquet.read_schema(path)
    assert schema.field("psf_flux").metadata == {b"unit": b"nJy"}
    assert schema.metadata[b"roman.meta.exposure.type"] == b"WFI_IMAGE"
    assert schema.metadata[b"source_catalog.sigma"] == b"5.0"
    flat = read_catalogue_metadata(path)
    assert flat["filename"] == "r1_cat.parquet"
    assert flat["image.filename"] == "r1_cal.asdf"
    assert "secret" not in flat


def test_unreadable_catalogues(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        read_catalogue_metadata(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(FormatError, match="no Parquet"):
        read_catalogue_metadata(tmp_path / "bad.parquet")


def test_names_follow_the_image():
    assert str(catalogue_path("a/r1_cal.asdf")) == "a/r1_cat.parquet"
    assert str(catalogue_path("a/mine.asdf")) == "a/mine_cat.parquet"


def test_a_catalogue_at_a_glance(path):
    found = summarise(path)
    assert found.fields["sources"] == 5
    assert found.fields["exposure type"] == "WFI_IMAGE"
    assert found.fields["image"] == "r1_cal.asdf"
    assert found.schema == f"parquet, {len(COLUMNS)} columns"
