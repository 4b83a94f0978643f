"""The command ``rdms simulate inject``."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from click.testing import CliRunner

from roman_dms.cli.simulate.inject import command
from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.products import read_product, write_product
from roman_dms.formats.tables import read_table
from roman_dms.simulation.steps import injection_products
from tests.simulation.steps.injected_products import gaussian_psf


@pytest.fixture(autouse=True)
def quick_psf(monkeypatch):
    """A Gaussian for the optical model, which takes long."""
    monkeypatch.setattr(injection_products, "psf_grid", lambda *_: gaussian_psf())
    for variable in ("RDMS_REFERENCES", "CRDS_PATH"):
        monkeypatch.delenv(variable, raising=False)


def inject(*arguments):
    result = CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)
    return result.stdout.split()


@pytest.fixture(scope="module")
def image_file(miniature_raw, miniature_store, tmp_path_factory):
    """The miniature exposure, calibrated."""
    from roman_dms.pipeline.runner import run
    from roman_dms.recipes import load
    from roman_dms.references import ReferenceStore
    from roman_dms.references.selected import SelectedReferences

    references = SelectedReferences(ReferenceStore(miniature_store).context())
    path = tmp_path_factory.mktemp("l2") / "r1_cal.asdf"
    write_product(run(load(), read_product(miniature_raw), references).product, path)
    return path


def test_a_grid_is_injected_and_the_file_stays(image_file, tmp_path):
    before = hashlib.sha256(image_file.read_bytes()).digest()
    target, beside = inject(
        image_file, "--grid", 40, "--magnitudes", 18, 21, "--galaxies", 0, "-o", tmp_path
    )
    assert target == str(tmp_path / "r1_inj_cal.asdf")
    assert beside == str(tmp_path / "r1_inj_cal_injected.parquet")
    assert hashlib.sha256(image_file.read_bytes()).digest() == before
    catalogue = read_table(beside)
    assert 30 < len(catalogue) < 50
    assert catalogue.meta["injected_into"] == "r1_cal.asdf"
    assert set(catalogue["type"]) == {"PSF"}
    added = read_product(target).data - read_product(image_file).data
    column, row = (np.rint(np.asarray(catalogue[axis])).astype(int) for axis in "xy")
    usable = read_product(image_file).dq[row, column] == 0
    assert (added[row, column][usable] > 1).all()


def test_the_mission_reads_the_product(image_file, tmp_path):
    import roman_datamodels

    target, _ = inject(image_file, "--random", 3, "-o", tmp_path / "mine.asdf")
    with roman_datamodels.open(target) as model:
        model.validate()
        assert any("inject: 3 sources" in line for line in model.meta.cal_logs)


def test_the_same_seed_gives_the_same_pixels(image_file, tmp_path):
    targets = [
        inject(image_file, "--random", 5, "--seed", seed, "--threads", threads,
               "-o", tmp_path / f"{k}.asdf")[0]
        for k, (seed, threads) in enumerate([(4, 1), (4, 2), (5, 1)])
    ]  # fmt: skip
    one, two, other = (read_product(target).data for target in targets)
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_a_catalogue_can_be_injected_again_elsewhere(image_file, tmp_path):
    """The catalogue of one injection has places; a scene is made of it and injected."""
    from roman_dms.simulation.steps.injected_light import InjectionSettings
    from roman_dms.simulation.steps.injection import inject_file
    from roman_dms.simulation.steps.injection_layout import Layout, layout
    from roman_dms.simulation.steps.scene_files import write_scene

    image = read_product(image_file)
    write_scene(
        layout(image.meta["wcs"], image.data.shape, Layout(number=4, grid=False, seed=2)),
        tmp_path / "scene.ecsv",
    )
    target, _ = inject(image_file, "--scene", tmp_path / "scene.ecsv", "-o", tmp_path / "a.asdf")
    again, _, _ = inject_file(
        image_file, Layout(number=4, grid=False, seed=2), tmp_path / "b.asdf", InjectionSettings()
    )
    np.testing.assert_allclose(read_product(target).data, read_product(again).data, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "0 of --scene, --grid and --random"),
        (["--grid", "5", "--random", "5"], "2 of"),
        (["--grid", "0"], "0 sources"),
        (["--grid", "5", "--magnitudes", "26", "20"], "magnitude"),
        (["--grid", "5", "--galaxies", "2"], "galaxies"),
        (["--grid", "5", "--margin", "600"], "margin"),
        (["--grid", "5", "--exposure-time", "-1"], "exposure time"),
    ],
)
def test_requests_that_cannot_be_meant_are_errors(image_file, arguments, message):
    with pytest.raises(UsageError, match=message):
        inject(image_file, *arguments)


def test_the_input_is_never_overwritten(image_file):
    with pytest.raises(UsageError, match="the file itself"):
        inject(image_file, "--grid", 5, "-o", image_file)


def test_files_that_are_no_product_are_errors(tmp_path, miniature_store, miniature_raw):
    with pytest.raises(FileError):
        inject(tmp_path / "absent.asdf", "--grid", 5)
    gain = next((miniature_store / "references").rglob("*gain*.asdf"))
    with pytest.raises(FormatError, match="is a Gain"):
        inject(gain, "--grid", 5, "-o", tmp_path)
    with pytest.raises(UsageError, match="needs reference data"):
        inject(miniature_raw, "--grid", 5, "-o", tmp_path)
