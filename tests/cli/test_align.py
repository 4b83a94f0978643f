"""``rdms align``."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

from roman_dms.cli.align import command
from roman_dms.errors import UsageError
from roman_dms.formats.catalogues import catalogue_path
from roman_dms.formats.tables import write_table
from roman_dms.formats.trees import open_tagged
from tests.astrometry.steps.exposure_on_disk import make_exposure, scramble


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_exposure(tmp_path_factory.mktemp("align"), ("WFI02", "WFI05"), stars=120)


@pytest.fixture
def files(made, tmp_path):
    folder = shutil.copytree(made.files[0].parent, tmp_path / "l2")
    return [str(folder / file.name) for file in made.files]


def run(*arguments):
    return CliRunner().invoke(command, arguments, standalone_mode=False)


def state_of(path):
    return open_tagged(path).roman["meta"]["cal_step"]["tweakreg"]


def test_what_was_found_is_told_and_drawn(made, files, tmp_path):
    picture = tmp_path / "fit.png"
    result = run(*files, "--gaia", str(made.gaia), "--preview", str(picture))
    assert result.return_value == 0, result.output
    assert "aligned to gaia" in result.output
    for name in ("WFI02", "WFI05", "sources", "weighted rms", "Wrote"):
        assert name in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [state_of(file) for file in files] == ["COMPLETE"] * 2


def test_a_dry_run(made, files):
    result = run(*files, "--gaia", str(made.gaia), "--dry-run")
    assert result.return_value == 0
    assert "nothing was written" in result.output
    assert state_of(files[0]) == "INCOMPLETE"


def test_quiet(made, files):
    result = run(*files, "--gaia", str(made.gaia), "--dry-run", "--quiet")
    assert (result.return_value, result.output) == (0, "")


def test_an_exposure_that_cannot_be_aligned(made, files, tmp_path):
    result = run(*files, "--gaia", str(made.gaia), "--radius", "0.3", "--quiet")
    assert result.return_value == 8
    assert "Not aligned: visit 0000101001001001001, exposure 1: No attitude" in result.output
    assert state_of(files[0]) == "FAILED"


def test_a_detector_that_fails_alone(tmp_path):
    made = make_exposure(tmp_path / "l2", ("WFI02", "WFI05", "WFI08"), stars=120)
    scramble(catalogue_path(made.files[1]))
    result = run(*map(str, made.files), "--gaia", str(made.gaia))
    assert result.return_value == 8
    assert "Not aligned: visit 0000101001001001001, exposure 1: WFI05" in result.output
    assert [state_of(file) for file in made.files] == ["COMPLETE", "FAILED", "COMPLETE"]


def test_one_picture_is_of_one_exposure(made, files, tmp_path):
    import dataclasses

    from tests.astrometry.steps.exposure_on_disk import PLANNED, wcs_pair, write_image

    second = tmp_path / "second_cal.asdf"
    header, _ = wcs_pair(PLANNED, "WFI01", (0, 0, 0), (0, 0))
    write_image(dataclasses.replace(PLANNED, exposure=2), "WFI01", header, second)
    result = run(*files, str(second), "--gaia", str(made.gaia), "--preview", "x.png")
    assert isinstance(result.exception, UsageError)


def test_help_teaches():
    result = CliRunner().invoke(command, ["--help"])
    assert "rdms align l2/*_cal.asdf --gaia gaia.parquet" in result.output


def test_places_are_learned_and_used(tmp_path):
    """Four rich exposures at once, each of a field of its own, then one with few stars."""
    from astropy.table import vstack

    from tests.astrometry.steps.test_placements import exposure

    rich = [exposure(tmp_path, number, stars=100) for number in range(1, 5)]
    gaia, placement = tmp_path / "gaia.parquet", tmp_path / "placement.ecsv"
    write_table(vstack([one.stars for one in rich]), gaia)
    files = [str(path) for one in rich for path in one.files]
    result = run(*files, "--gaia", str(gaia), "--dry-run", "--learn-placement", str(placement))
    assert result.return_value == 0, result.output
    assert "3 detectors from 4 exposures, known to 0." in " ".join(result.output.split())
    assert state_of(files[0]) == "INCOMPLETE"
    poor = exposure(tmp_path, 9, stars=6)
    files = [str(path) for path in poor.files]
    result = run(*files, "--gaia", str(poor.gaia), "--placement", str(placement))
    assert result.return_value == 0, result.output
    assert [state_of(file) for file in files] == ["COMPLETE"] * 3


def test_too_few_exposures_to_learn_from(made, files, tmp_path):
    placement = tmp_path / "placement.ecsv"
    arguments = (*files, "--gaia", str(made.gaia), "--dry-run", "--learn-placement")
    result = run(*arguments, str(placement))
    assert isinstance(result.exception, UsageError)
    assert "3 exposures or more" in str(result.exception)
    assert not placement.exists()
    result = run(*arguments, str(tmp_path / "placement.fits"))
    assert ".ecsv" in str(result.exception)
    assert "Solved" not in result.output


def test_a_placement_that_is_none(made, files, tmp_path):
    result = run(*files, "--gaia", str(made.gaia), "--placement", "frist")
    assert "no placement 'frist'" in str(result.exception)
    result = run(*files, "--gaia", str(made.gaia), "--placement", str(tmp_path / "none.ecsv"))
    assert "no such file" in str(result.exception)
    assert state_of(files[0]) == "INCOMPLETE"
