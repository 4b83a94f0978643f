"""``rdms simulate raw`` and ``image``: what is written, what is told, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from roman_dms.cli.main import EXIT_CODES, main
from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats import read_rate_image, read_raw_exposure
from roman_dms.instrument.ma_tables import ma_table

AIMED = ["--ra", "270", "--dec", "66", "--ma-table", "3"]


@pytest.fixture(autouse=True)
def _store(miniature_store, monkeypatch):
    monkeypatch.setenv("RDMS_REFERENCES", str(miniature_store))


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *map(str, arguments)])
    return ended.value.code


@pytest.fixture
def scene(tmp_path):
    table = Table({"ra": [269.83], "dec": [66.03], "type": ["PSF"], "F158": [1e-8]})
    table.write(tmp_path / "scene.ecsv")
    return tmp_path / "scene.ecsv"


def test_first_detector_looks_at_the_scene(scene, tmp_path, capsys):
    assert run("image", scene, "--ma-table", "3", "-o", tmp_path / "l2") == 0
    paths = capsys.readouterr().out.split()
    truth = Table.read(paths[1])
    assert truth["x"][0] == pytest.approx(507.5, abs=1)
    assert truth["y"][0] == pytest.approx(507.5, abs=1)
    assert read_rate_image(paths[0]).data.shape == (1016, 1016)


def test_scene_elsewhere_is_told(scene, tmp_path, capsys):
    where = ["--ra", "200", "--dec", "70", "--ma-table", "3"]
    assert run("image", scene, *where, "-o", tmp_path) == 0
    assert "No source of the scene falls on WFI01" in capsys.readouterr().err


def test_rate_of_ones_own_is_read_out(tmp_path, capsys):
    np.save(tmp_path / "rate.npy", np.full((1016, 1016), 50.0, np.float32))
    left_out = [word for name in ("ipc", "cosmic_rays") for word in ("--without", name)]
    code = run("raw", "--rate", tmp_path / "rate.npy", *AIMED, *left_out, "-o", tmp_path)
    assert code == 0
    data = np.asarray(read_raw_exposure(capsys.readouterr().out.split()[0]).data).astype(float)
    rise = np.median((data[-1] - data[0])[4:-4, 4:-4])
    times = ma_table(3).read_pattern.mean_times
    assert rise == pytest.approx(50 / 1.789 * (times[-1] - times[0]), rel=0.02)


def test_effects_are_listed(capsys):
    assert run("raw", "--effects") == 0
    told = capsys.readouterr().out
    assert "cosmic_rays" in told
    assert "rate = 8.0" in told


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (["--filter", "F999"], UsageError, "F999"),
        (["--detector", "WFI19"], UsageError, "WFI19"),
        (["--without", "ip"], UsageError, "ipc"),
        (["--set", "cosmic_rays.rat=1"], UsageError, "rate"),
        (["--set", "cosmic_rays=1"], UsageError, "EFFECT.NAME=VALUE"),
        (["--start", "soon"], UsageError, "soon"),
        (["--start", "2026-12-21", "--dec", "-20", "--ra", "270"], UsageError, "from the Sun"),
        (["--rate", "none.npy"], UsageError, "scene and rate"),
    ],
)
def test_mistakes_are_told(scene, capsys, arguments, error, told):
    assert run("raw", scene, *AIMED, *arguments) == EXIT_CODES[error]
    assert told in capsys.readouterr().err


def test_missing_scene(capsys, tmp_path):
    assert run("raw", tmp_path / "none.parquet", *AIMED) == EXIT_CODES[FileError]
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("F158", np.nan, "F158"),
        ("F158", -1e-9, "F158"),
        ("dec", 91.0, "dec"),
        ("type", "STAR", "type"),
    ],
)
def test_bad_rows_are_named(scene, capsys, column, value, told):
    table = Table.read(scene)
    table[column] = [value]
    table.write(scene, overwrite=True)
    assert run("raw", scene, *AIMED) == EXIT_CODES[FormatError]
    message = capsys.readouterr().err
    assert told in message
    assert "row" in message
