"""L3 as the mission's own library writes and reads it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roman_datamodels
import roman_datamodels.datamodels as rdm
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from roman_dms.errors import FormatError, MetadataError
from roman_dms.formats import products
from roman_dms.formats.fits import convert
from roman_dms.formats.mosaics import mosaic_of
from roman_dms.formats.preview import panel_of, write_preview
from roman_dms.formats.summary import summarise
from roman_dms.formats.trees import open_tagged
from roman_dms.formats.validation import validate_file
from roman_dms.products.mosaic import Mosaic

ROWS, COLUMNS = 20, 30


@pytest.fixture(scope="session")
def mosaic_path(folder: Path) -> Path:
    """A mosaic of roman_datamodels, with a table of its exposures."""
    model = rdm.MosaicModel.create_fake_data(shape=(2, ROWS, COLUMNS))
    rng = np.random.default_rng(3)
    for name in ("data", "err", "weight", "var_poisson", "var_rnoise", "var_flat"):
        model[name] = rng.uniform(0.1, 2, (ROWS, COLUMNS)).astype(np.float32)
    model.context = rng.integers(0, 9, (2, ROWS, COLUMNS), dtype=np.uint32)
    model.meta.wcsinfo.skycell_name = "270p65x50y50"
    model.meta.individual_image_meta = {"basic": Table({"filename": ["a.asdf", "b.asdf"]})}
    model["unheard_of"] = {"answer": 42}
    path = folder / "mosaic.asdf"
    model.to_asdf(path)
    return path


def test_reads_what_the_mission_writes(mosaic_path: Path) -> None:
    mosaic = products.read_mosaic(mosaic_path)
    with roman_datamodels.open(mosaic_path) as model:
        for field in ("data", "err", "weight", "var_poisson", "var_rnoise", "var_flat", "context"):
            np.testing.assert_array_equal(getattr(mosaic, field), model[field])
    assert mosaic.shape == (ROWS, COLUMNS)
    assert mosaic.var_sky is None
    assert mosaic.extras == {"unheard_of": {"answer": 42}}
    assert isinstance(products.read_product(mosaic_path), Mosaic)


def test_the_mission_reads_what_is_written(mosaic_path: Path, tmp_path: Path) -> None:
    mosaic = products.read_mosaic(mosaic_path)
    products.write_product(mosaic, tmp_path / "again.asdf")
    assert validate_file(tmp_path / "again.asdf") == []
    with roman_datamodels.open(tmp_path / "again.asdf") as model:
        model.validate()
        np.testing.assert_array_equal(model.data, mosaic.data)
        np.testing.assert_array_equal(model.context, mosaic.context)
        assert model.meta.filename == "again.asdf"
        assert model["unheard_of"]["answer"] == 42
        assert list(model.meta.individual_image_meta["basic"]["filename"]) == ["a.asdf", "b.asdf"]
        assert model.meta.wcs(3, 4) == pytest.approx(mosaic.meta["wcs"](3, 4))


def test_fits_holds_all_and_gives_it_back(mosaic_path: Path, tmp_path: Path) -> None:
    """The WCS of the fake is no plane of its wcsinfo: it is fitted."""
    convert(mosaic_path, tmp_path / "m.fits")
    mosaic = products.read_mosaic(mosaic_path)
    with fits.open(tmp_path / "m.fits") as hdus:
        assert hdus[0].header["SKYCELL"] == "270p65x50y50"
        assert "DETECTOR" not in hdus[0].header
        np.testing.assert_array_equal(hdus["SCI"].data, mosaic.data)
        np.testing.assert_array_equal(hdus["CONTEXT"].data, mosaic.context)
        assert hdus["SCI"].header["BUNIT"] == "MJy / sr"
        assert hdus["VAR_FLAT"].header["BUNIT"] == "MJy2 / sr2"
        found = WCS(hdus["SCI"].header).pixel_to_world_values(10, 12)
    assert found == pytest.approx(mosaic.meta["wcs"](10, 12), abs=1e-7)
    convert(tmp_path / "m.fits", tmp_path / "back.asdf")
    back = products.read_mosaic(tmp_path / "back.asdf")
    for field in ("data", "err", "weight", "context", "var_flat"):
        np.testing.assert_array_equal(getattr(back, field), getattr(mosaic, field))
    assert back.meta["wcs"](3, 4) == pytest.approx(mosaic.meta["wcs"](3, 4))


def test_a_summary_and_a_preview_say_what_it_is(mosaic_path: Path, tmp_path: Path) -> None:
    summary = summarise(mosaic_path)
    assert summary.product == "L3: mosaic"
    assert summary.fields["sky cell"] == "270p65x50y50"
    mosaic = products.read_mosaic(mosaic_path)
    weight = mosaic.weight.copy()
    weight[:5] = 0
    panel = panel_of(dataclasses.replace(mosaic, weight=weight))
    assert panel.unit == "MJy / sr"
    assert np.isnan(panel.image[:5]).all()
    np.testing.assert_array_equal(panel.image[5:], mosaic.data[5:])
    write_preview(mosaic, tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context": np.zeros((1, 3, 3), np.uint32)}, "'context' .* has the shape"),
        ({"err": np.zeros((ROWS, COLUMNS), np.float64)}, "'err' .* is float64"),
        ({"weight": None}, "has no 'weight'"),
    ],
)
def test_arrays_that_contradict_each_other_are_named(
    mosaic_path: Path, change: dict[str, Any], message: str
) -> None:
    file = open_tagged(mosaic_path)
    live = {k: v for k, v in (file.live() | change).items() if v is not None}
    with pytest.raises(FormatError, match=message):
        mosaic_of(Stub(live))  # type: ignore[arg-type]


def test_metadata_without_an_optical_element_are_named(mosaic_path: Path) -> None:
    with pytest.raises(MetadataError, match=r"instrument\.optical_element"):
        mosaic_of(Stub({"meta": {"instrument": {}}}))  # type: ignore[arg-type]


class Stub:
    """An opened file with a tree of one's own."""

    schema = "wfi_mosaic"
    name = "stub.asdf"

    def __init__(self, tree: dict[str, Any]) -> None:
        self._tree = tree

    def live(self) -> dict[str, Any]:
        return self._tree
