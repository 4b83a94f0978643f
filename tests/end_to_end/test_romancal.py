"""romancal and this pipeline on the same exposure, each going on where the other stopped.

Reference pixels and the dark decay are left out: romancal knows these for
detectors of 4096 pixels alone (benchmarks/ compare them at full size).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from roman_dms.cli.main import main
from roman_dms.formats.mosaics import read_mosaic
from roman_dms.formats.products import read_product, write_product
from roman_dms.pipeline.runner import run
from roman_dms.recipes import load

HERE = Path(__file__).parent
BEFORE = "dq_init,saturation,linearity"
AFTER = "ramp_fit,dark,assign_wcs,photom,flat_field"


def romancal(source, store, output, names):
    command = [sys.executable, HERE / "romancal_steps.py", source, store, output, names]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CRDS_")}
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def ours(miniature_raw, references):
    recipe = load().skipping(["refpix", "dark_decay"])
    return run(recipe, read_product(miniature_raw), references).product


@pytest.fixture(scope="module")
def half(miniature_raw, miniature_store, tmp_path_factory):
    """What romancal made of the L1 file, up to the linear ramp."""
    path = tmp_path_factory.mktemp("romancal") / "romancal_linearity.asdf"
    romancal(miniature_raw, miniature_store, path, BEFORE)
    return path


@pytest.fixture(scope="module")
def whole(half, miniature_store):
    """The L2 image that romancal makes of it; the file holds no ``var_rnoise``."""
    path = half.with_name("romancal_cal.asdf")
    states = romancal(half, miniature_store, path, AFTER)
    assert {states[name] for name in f"{BEFORE},{AFTER}".split(",")} == {"COMPLETE"}
    return path


def test_romancal_runs_on_our_cache_and_agrees(whole, ours):
    theirs = read_product(whole)
    for kind in ("mask", "linearity", "gain", "dark", "flat", "distortion", "photom"):
        assert theirs.meta[f"ref_file.{kind}"].removeprefix("crds://") == ours.meta[
            f"ref_file.{kind}"
        ].removeprefix("crds://")
    assert_alike(theirs, ours)


def test_ours_goes_on_from_an_image_of_romancal(whole, ours, miniature_store, tmp_path):
    """Its sources and its mosaics are those of our own image."""
    write_product(ours, tmp_path / "ours_cal.asdf")
    files = {"theirs": whole, "ours": tmp_path / "ours_cal.asdf"}
    field = ("--centre", *ours.meta["wcs"](508.0, 508.0), "--size", 900, "--pixel-scale", 0.11)
    mosaics, sources = {}, {}
    for name, file in files.items():
        folder = tmp_path / name
        rdms("mosaic", file, *field, "-o", folder)
        rdms("catalog", file, "--store", miniature_store, "-o", folder)
        mosaics[name] = read_mosaic(next(folder.glob("*_coadd.asdf")))
        sources[name] = len(Table.read(next(folder.glob("*_cat.parquet"))))
    assert sources["theirs"] == pytest.approx(sources["ours"], rel=0.03)
    a, b = mosaics["theirs"], mosaics["ours"]
    seen = np.isfinite(a.data) & np.isfinite(b.data)
    assert seen.mean() > 0.97
    off = np.abs(a.data - b.data)[seen] / b.err[seen]
    assert np.percentile(off, 98) < 0.1
    for variance in ("var_poisson", "var_rnoise"):
        ratio = getattr(a, variance)[seen] / getattr(b, variance)[seen]
        assert np.median(ratio) == pytest.approx(1, abs=0.02), variance


def rdms(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert not ended.value.code


def test_ours_goes_on_from_a_ramp_of_romancal(half, references, ours):
    recipe = load().skipping(["refpix", "dark_decay"])
    done = run(recipe, read_product(half), references)
    assert {record.reason for record in done.records[:2]} == {"done before"}
    assert_alike(done.product, ours, tolerance=1e-2)


def test_romancal_goes_on_from_a_ramp_of_ours(
    miniature_raw, miniature_store, references, ours, tmp_path
):
    recipe = load().skipping(["refpix", "dark_decay"]).until("linearity")
    ramp = run(recipe, read_product(miniature_raw), references).product
    write_product(ramp, tmp_path / "ours_linearity.asdf")
    output = tmp_path / "romancal_cal.asdf"
    romancal(tmp_path / "ours_linearity.asdf", miniature_store, output, AFTER)
    assert_alike(read_product(output), ours)


def assert_alike(theirs, ours, tolerance=0.1):
    """Rates agree within a part of their error; sky positions and units exactly.

    romancal keeps the error as float16, and rejects jumps at 4.5 sigma of either sign.
    """
    good = (theirs.dq == 0) & (ours.dq == 0)
    assert good.mean() > 0.97
    difference = np.abs(theirs.data - ours.data)[good] / ours.err[good]
    assert np.percentile(difference, 99) < tolerance
    assert np.median(difference) < 1e-3
    ratio = theirs.err[good] / ours.err[good]
    low, high = np.percentile(ratio, [1, 99])
    assert low > 0.98
    assert high < 1.02
    x, y = np.meshgrid(np.linspace(0, 1015, 7), np.linspace(0, 1015, 7))
    for a, b in zip(theirs.meta["wcs"](x, y), ours.meta["wcs"](x, y), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11, rtol=0)
    for key in ("conversion_megajanskys", "pixel_area"):
        assert theirs.meta[f"photometry.{key}"] == ours.meta[f"photometry.{key}"]
