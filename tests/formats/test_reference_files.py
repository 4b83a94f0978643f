"""Reference files as the mission's library writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roman_datamodels.datamodels as rdm

from roman_dms.errors import FormatError
from roman_dms.formats.products import read_product, read_reference
from roman_dms.formats.writing import write_tree
from roman_dms.products.arrays import StoredArray
from roman_dms.products.reference import (
    KINDS,
    DarkDecay,
    IntegralNonlinearity,
    Ipc,
    Linearity,
    Photometry,
    ReferencePixels,
)
from tests.formats.test_writing import reference_meta

MODELS = {
    "mask": rdm.MaskRefModel,
    "saturation": rdm.SaturationRefModel,
    "linearity": rdm.LinearityRefModel,
    "inverselinearity": rdm.InverselinearityRefModel,
    "gain": rdm.GainRefModel,
    "readnoise": rdm.ReadnoiseRefModel,
    "dark": rdm.DarkRefModel,
    "flat": rdm.FlatRefModel,
    "refpix": rdm.RefpixRefModel,
}


@pytest.mark.parametrize("kind", MODELS)
def test_files_of_the_missions_library(kind: str, tmp_path: Path) -> None:
    shape = (2, 20, 30) if kind in {"linearity", "inverselinearity", "dark"} else (20, 30)
    model: Any = MODELS[kind].create_fake_data(shape=shape)
    path = tmp_path / f"{kind}.asdf"
    rng = np.random.default_rng(0)
    if len(shape) == 3 and kind != "dark":
        model.dq = np.zeros((20, 30), np.uint32)  # which the library makes 2 x 20
    arrays = {name: value for name, value in model.items() if isinstance(value, np.ndarray)}
    for name, value in arrays.items():
        arrays[name] = model[name] = (rng.random(value.shape) * 9).astype(value.dtype)
    model.to_asdf(path)
    reference = read_reference(path)
    assert type(reference) is KINDS[kind]
    for name, value in vars(reference).items():
        if name != "meta":
            np.testing.assert_array_equal(np.asarray(value), arrays[name])
    assert reference.meta["instrument.detector"] == model.meta.instrument.detector


def test_a_kernel_is_read_whole_and_scaled_to_keep_the_charge(tmp_path: Path) -> None:
    model: Any = rdm.IpcRefModel.create_fake_data(shape=(3, 5))
    model.data = np.arange(15, dtype=np.float32).reshape(3, 5)
    model.to_asdf(tmp_path / "ipc.asdf")
    reference = read_reference(tmp_path / "ipc.asdf")
    assert isinstance(reference, Ipc)
    np.testing.assert_allclose(reference.data, np.arange(15).reshape(3, 5) / 105, rtol=1e-6)
    model.data = np.ones((4, 3), dtype=np.float32)
    model.to_asdf(tmp_path / "even.asdf")
    with pytest.raises(FormatError, match=r"even\.asdf is \(4, 3\)"):
        read_reference(tmp_path / "even.asdf")


def test_weights_are_read_by_channel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(size=(3, 50)) + 1j * rng.normal(size=(3, 50))
        for name in ("gamma", "zeta", "alpha")
    }
    tree = {"meta": reference_meta("REFPIX"), **weights}
    write_tree("reference_files/refpix", tree, tmp_path / "r.asdf")
    reference = read_reference(tmp_path / "r.asdf")
    assert isinstance(reference, ReferencePixels)
    assert isinstance(reference.zeta, StoredArray)
    np.testing.assert_array_equal(reference.zeta.rows(1, 2), weights["zeta"][1:2])


def inl_tree(channels: int, points: int) -> dict[str, Any]:
    meta = reference_meta("INTEGRALNONLINEARITY") | {"n_channels": 2, "n_pixels_per_channel": 128}
    table = {
        f"science_channel_{number:02}": {
            "instrument_channel": channels - number,
            "correction": np.full(points, float(number)),
        }
        for number in range(1, channels + 1)
    }
    return {"meta": meta, "inl_table": table, "value": np.arange(points, dtype=np.uint16)}


def test_tables_of_channels_are_stacked_in_the_science_frame(tmp_path: Path) -> None:
    write_tree("reference_files/integralnonlinearity", inl_tree(11, 9), tmp_path / "i.asdf")
    reference = read_reference(tmp_path / "i.asdf")
    assert isinstance(reference, IntegralNonlinearity)
    np.testing.assert_array_equal(reference.corrections[:, 0], np.arange(1, 12))
    np.testing.assert_array_equal(reference.value, np.arange(9))


def test_tables_of_different_lengths_are_an_error(tmp_path: Path) -> None:
    tree = inl_tree(2, 9)
    tree["inl_table"]["science_channel_02"]["correction"] = np.zeros(8)
    write_tree("reference_files/integralnonlinearity", tree, tmp_path / "i.asdf")
    with pytest.raises(FormatError, match="stacked"):
        read_reference(tmp_path / "i.asdf")


def test_tables_of_numbers(tmp_path: Path) -> None:
    photom: Any = rdm.WfiImgPhotomRefModel.create_fake_data()
    photom.phot_table["F158"] = {
        "photmjsr": 0.7, "uncertainty": 0.01, "pixelareasr": 2.8e-13, "collecting_area": 3.7,
        "wavelength": np.ones(3, np.float32), "effective_area": np.ones(3, np.float32),
    }  # fmt: skip
    photom.to_asdf(tmp_path / "p.asdf")
    reference = read_product(tmp_path / "p.asdf")
    assert isinstance(reference, Photometry)
    assert reference.phot_table["F158"]["photmjsr"] == 0.7
    decay: Any = rdm.DarkdecaysignalRefModel.create_fake_data()
    decay.decay_table["WFI01"] = {"amplitude": 0.4, "time_constant": 23.0}
    decay.to_asdf(tmp_path / "d.asdf")
    reference = read_product(tmp_path / "d.asdf")
    assert isinstance(reference, DarkDecay)
    assert reference.decay_table["WFI01"]["time_constant"] == 23


def test_planes_that_disagree_are_an_error(tmp_path: Path) -> None:
    tree = {
        "meta": reference_meta("LINEARITY"),
        "coeffs": np.zeros((4, 20, 30), np.float32),
        "dq": np.zeros((20, 31), np.uint32),
    }
    write_tree("reference_files/linearity", tree, tmp_path / "l.asdf")
    with pytest.raises(FormatError, match=r"\(20, 31\)"):
        read_reference(tmp_path / "l.asdf")
    tree["dq"] = np.zeros((20, 30), np.uint32)
    write_tree("reference_files/linearity", tree, tmp_path / "l.asdf")
    assert isinstance(read_reference(tmp_path / "l.asdf"), Linearity)


def test_other_kinds_are_an_error(tmp_path: Path, raw_path: Path) -> None:
    rdm.AbvegaoffsetRefModel.create_fake_data().to_asdf(tmp_path / "offsets.asdf")
    for path in (tmp_path / "offsets.asdf", raw_path):
        with pytest.raises(FormatError, match="a reference file of one of the kinds"):
            read_reference(path)
