"""``rdms simulate scene``."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from roman_dms.cli import main as cli
from roman_dms.simulation.steps.scene_files import read_scene


def _run(*arguments):
    runner = CliRunner()
    with pytest.raises(SystemExit) as caught, runner.isolation() as (out, *_):
        cli.main(["simulate", "scene", *arguments])
    return caught.value.code, out.getvalue().decode()


def test_a_scene_is_written_and_told(tmp_path):
    path = tmp_path / "scene.parquet"
    code, out = _run(
        "--radius", "0.03", "--limit", "23", "--variables", "3", "--supernovae", "2",
        "--moving", "1", "--preview", str(tmp_path / "scene.png"), "-o", str(path),
    )  # fmt: skip
    assert code == 0, out
    scene = read_scene(path)
    assert f"{len(scene):,} sources" in out
    assert "2 supernova" in out
    assert "1 moving" in out
    assert (tmp_path / "scene.png").stat().st_size > 1000


def test_a_square_of_the_bulge(tmp_path):
    path = tmp_path / "bulge.ecsv"
    code, _ = _run(
        "--ra", "268.5", "--dec", "-29.2", "--size", "0.02", "--stars", "bulge", "--star-count",
        "500", "--no-galaxies", "--filters", "F146, F213", "--epoch", "2028-01-01", "-o", str(path),
    )  # fmt: skip
    assert code == 0
    scene = read_scene(path)
    assert (len(scene), scene.bands) == (500, ("F146", "F213"))
    assert scene["epoch"][0] == pytest.approx(2028.0, abs=0.003)


def test_an_empty_scene_is_told(tmp_path):
    code, out = _run("--no-galaxies", "--stars", "none", "-o", str(tmp_path / "s.parquet"))
    assert code == 0
    assert "empty" in out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--dec", "91"), "declination"),
        (("--radius", "0"), "radius"),
        (("--radius", "0.1", "--size", "0.1"), "--size"),
        (("--filters", "F158,H"), "H"),
        (("--epoch", "soon"), "soon"),
        (("--limit", "40"), "40"),
        (("--limit", "22", "--radius", "0.01", "--supernovae", "100000"), "100000"),
        (("--radius", "0.01", "-o", "scene.xls"), "xls"),
    ],
)
def test_impossible_requests(arguments, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    with pytest.raises(SystemExit) as caught, runner.isolation() as (_, err, *_rest):
        cli.main(["simulate", "scene", *arguments])
    assert caught.value.code == 2
    assert word in err.getvalue().decode()
    assert not list(tmp_path.iterdir())
