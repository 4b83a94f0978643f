"""The command line from L1 to L2, as a user meets it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roman_dms.cli.main import EXIT_CODES, main
from roman_dms.formats.products import read_product

pytestmark = pytest.mark.usefixtures("miniature_references")
NAME = "r0000101001001001001_0001_wfi01_f158"
RDMS = Path(sys.executable).parent / "rdms"


def test_help_is_quick():
    """The limit is 0.3 s; a loaded machine gets some grace."""
    best = min(timed([RDMS, "--help"]) for _ in range(3))
    assert best < 0.5


def timed(command):
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def test_help_loads_no_scientific_library():
    code = (
        "import sys, roman_dms.cli.main\n"
        "try: roman_dms.cli.main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'astropy', 'numba', 'asdf', 'galsim', 'pysiaf'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_is_calibrated_and_the_summary_tells(rdms, miniature_raw, tmp_path):
    code, out, _ = rdms("calibrate", miniature_raw, "-o", tmp_path)
    assert code == 0
    assert "ramp_fit" in out
    assert "WFI01 shows no such transient" in out
    assert read_product(tmp_path / f"{NAME}_cal.asdf").meta["cal_step.photom"] == "COMPLETE"


def test_until_save_and_going_on(rdms, miniature_raw, tmp_path):
    code, *_ = rdms("calibrate", miniature_raw, "-o", tmp_path, "--until", "linearity",
                    "--save", "saturation", "--quiet")  # fmt: skip
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{NAME}_linearity.asdf",
        f"{NAME}_saturation.asdf",
    ]
    code, out, _ = rdms("calibrate", tmp_path / f"{NAME}_linearity.asdf", "-o", tmp_path / "b")
    assert code == 0
    assert "done before" in out
    rdms("calibrate", miniature_raw, "-o", tmp_path / "whole", "--quiet")
    half, whole = (tmp_path / name / f"{NAME}_cal.asdf" for name in ("b", "whole"))
    assert (read_product(half).data == read_product(whole).data).all()


def test_a_rate_image_that_is_not_finished_is_not_called_cal(rdms, miniature_raw, tmp_path):
    rdms("calibrate", miniature_raw, "-o", tmp_path, "--until", "ramp_fit", "--quiet")
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}_ramp_fit.asdf"]
    code, *_ = rdms("calibrate", tmp_path / f"{NAME}_ramp_fit.asdf", "--quiet")
    assert code == 0
    done = read_product(tmp_path / f"{NAME}_cal.asdf")
    assert done.meta["cal_step.flat_field"] == "COMPLETE"


def test_resume_leaves_what_is_there(rdms, miniature_raw, tmp_path):
    rdms("calibrate", miniature_raw, "-o", tmp_path, "--quiet")
    output = tmp_path / f"{NAME}_cal.asdf"
    before = output.stat().st_mtime_ns
    code, out, _ = rdms("calibrate", miniature_raw, "-o", tmp_path, "--resume")
    assert code == 0
    assert "already there" in out.replace("\n", " ")
    assert output.stat().st_mtime_ns == before


def test_one_bad_file_does_not_stop_the_others(rdms, miniature_raw, tmp_path):
    bad = tmp_path / "bad_uncal.asdf"
    bad.write_bytes(miniature_raw.read_bytes()[:100_000])
    for jobs in ("1", "2"):
        folder = tmp_path / jobs
        code, _, err = rdms("calibrate", bad, miniature_raw, "-o", folder, "--jobs", jobs)
        assert code in EXIT_CODES.values()
        assert "bad_uncal.asdf" in err
        assert "Traceback" not in err
        made = sorted(path.name for path in folder.iterdir())
        assert made == [f"{NAME}_{end}" for end in ("cal.asdf", "cat.parquet", "segm.asdf")]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--set", "dark.scael=1"], 2, "did you mean scale"),
        (["--set", "dark.scale=-1"], 2, "greater than or equal to 0"),
        (["--skip", "ramp_fit"], 2, "--until"),
        (["--until", "flatfield"], 2, "did you mean flat_field"),
        (["--context", "roman_9999.pmap"], 7, "roman_9999.pmap"),
        (["--store", "/nowhere"], 7, "rdms references bootstrap"),
        (["--recipe", "/nowhere.toml"], 3, "cannot be read"),
        (["--save", "dreams"], 2, "no step named"),
    ],
)
def test_mistakes_end_with_their_code_and_a_way_out(
    rdms, miniature_raw, tmp_path, arguments, code, says
):
    found, _, err = rdms("calibrate", miniature_raw, "-o", tmp_path, *arguments)
    assert found == code
    assert says in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("*.asdf"))


def test_missing_file_and_unwritable_folder(rdms, miniature_raw, tmp_path):
    assert rdms("calibrate", tmp_path / "none_uncal.asdf")[0] == 3
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert rdms("calibrate", miniature_raw, "-o", blocked / "below")[0] == 3


def test_a_kill_leaves_nothing_half_written(miniature_raw, miniature_store, tmp_path):
    """Killed at many moments, the product is whole or absent, and a resume makes it."""
    command = [RDMS, "calibrate", miniature_raw, "-o", tmp_path, "--store", miniature_store,
               "--resume", "--quiet"]  # fmt: skip
    output = tmp_path / f"{NAME}_cal.asdf"
    for delay in (0.8, 1.6, 2.2, 2.6):
        process = subprocess.Popen(command)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if output.exists():
            read_product(output)
            output.unlink()
    subprocess.run(command, check=True)
    assert read_product(output).data.shape == (1016, 1016)


def test_a_fault_of_the_program_shows_no_traceback_unless_asked(monkeypatch, capsys):
    import roman_dms.cli.main as module

    def fail(*_arguments, **_settings):
        raise ZeroDivisionError("secret of the kernel")

    monkeypatch.setattr(module.rdms, "main", fail)
    with pytest.raises(SystemExit) as ended:
        main(["info"])
    assert ended.value.code == 1
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert "--debug" in printed
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "info"])


def test_parameter_references_are_used_and_settings_are_stronger(rdms, miniature_raw, tmp_path):
    """The bootstrapped store has one for the ramp fit."""
    rdms(
        "calibrate", miniature_raw, "-o", tmp_path, "--quiet", "--set", "ramp_fit.find_jumps=false"
    )
    log = read_product(tmp_path / f"{NAME}_cal.asdf").meta["cal_logs"]
    assert "ramp_fit: parameters from roman_wfi_pars-rampfitstep_0001.asdf" in log
    assert any("find_jumps=False" in line for line in log)


def test_recipe_command(rdms, tmp_path):
    code, out, _ = rdms("recipe")
    assert code == 0
    (tmp_path / "mine.toml").write_text(out)
    assert "is right" in rdms("recipe", tmp_path / "mine.toml")[1]
    assert "jump_threshold" in rdms("recipe", "--describe")[1]


@pytest.fixture
def gaia(miniature_raw, tmp_path):
    """A reference catalogue of another part of the sky."""
    from astropy.table import Table

    path = tmp_path / "gaia.ecsv"
    columns = {"ra": [10.0, 11.0], "dec": [0.0, 1.0], "ref_epoch": [2016.0] * 2}
    Table(columns | {"ra_error": [0.1] * 2, "dec_error": [0.1] * 2}).write(path)
    return path


def test_exposures_are_aligned_when_asked(rdms, miniature_raw, tmp_path, gaia, monkeypatch):
    """Its own catalogue serves as the reference stars; a resume leaves it alone."""
    from astropy.table import Table

    folder = tmp_path / "l2"
    monkeypatch.setenv("RDMS_GAIA", str(gaia))
    assert rdms("calibrate", miniature_raw, "-o", folder, "--quiet")[0] == 0
    output = folder / f"{NAME}_cal.asdf"
    assert read_product(output).meta["cal_step.tweakreg"] == "INCOMPLETE"
    found = Table.read(folder / f"{NAME}_cat.parquet")
    year = 2000 + (read_product(output).meta["exposure.mid_time"].mjd - 51544.5) / 365.25
    stars = Table({"ra": found["ra_psf"], "dec": found["dec_psf"],
                   "ra_error": [0.1] * len(found), "dec_error": [0.1] * len(found),
                   "ref_epoch": [year] * len(found)})  # fmt: skip
    stars.write(tmp_path / "stars.ecsv")
    again = ("calibrate", miniature_raw, "-o", folder, "--resume", "--gaia")
    code, out, err = rdms(*again, tmp_path / "stars.ecsv")
    assert (code, err) == (0, "")
    assert "aligned to stars" in out
    assert read_product(output).meta["cal_step.tweakreg"] == "COMPLETE"
    before = output.stat().st_mtime_ns
    assert "is aligned already" in rdms(*again, tmp_path / "stars.ecsv")[1]
    assert output.stat().st_mtime_ns == before


def test_an_exposure_that_is_not_aligned_is_calibrated_all_the_same(
    rdms, miniature_raw, tmp_path, gaia
):
    code, _, err = rdms("calibrate", miniature_raw, "-o", tmp_path, "--gaia", gaia, "--quiet")
    assert code == 8
    assert "Not aligned" in err
    assert read_product(tmp_path / f"{NAME}_cal.asdf").meta["cal_step.tweakreg"] == "FAILED"


def test_bulge_exposures_are_not_aligned_and_no_error(rdms, miniature_raw, tmp_path, gaia):
    from roman_dms.formats.metadata_update import update_metadata

    raw = tmp_path / miniature_raw.name
    raw.write_bytes(miniature_raw.read_bytes())
    update_metadata(raw, {"program.subcategory": "GBTD"})
    code, out, _ = rdms("calibrate", raw, "-o", tmp_path, "--gaia", gaia)
    assert code == 0
    assert "bulge survey" in out


def test_what_cannot_be_aligned_is_told_first(rdms, miniature_raw, tmp_path, gaia):
    code, _, err = rdms("calibrate", miniature_raw, "--until", "ramp_fit", "--gaia", gaia)
    assert code == 2
    assert "--until" in err
    code, *_ = rdms("calibrate", miniature_raw, "-o", tmp_path / "none", "--gaia", "/nowhere.ecsv")
    assert code == 3
    assert not (tmp_path / "none").exists()


def test_a_placement_goes_with_reference_stars(rdms, miniature_raw, tmp_path, gaia):
    from roman_dms.astrometry.priors import Priors
    from roman_dms.cli.calibrate import _alignment
    from roman_dms.recipes import load

    assert _alignment(str(gaia), "calibrated", load())[1].priors == Priors.calibrated()
    begin = ("calibrate", miniature_raw, "-o", tmp_path / "none", "--placement")
    code, _, err = rdms(*begin, "calibrated")
    assert (code, "--gaia" in err) == (2, True)
    assert rdms(*begin, "/nowhere.ecsv", "--gaia", gaia)[0] == 3
    assert rdms(*begin, "frist", "--gaia", gaia)[0] == 2
    assert not (tmp_path / "none").exists()
