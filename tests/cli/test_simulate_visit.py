"""Plans and visits from the command line, as a user meets them."""

import hashlib

import numpy as np
import pytest
from astropy.table import Table

from roman_dms.cli.simulate import visit
from roman_dms.cli.simulate.choices import effect_settings
from roman_dms.errors import CalibrationError, UsageError
from roman_dms.formats.products import read_product
from roman_dms.formats.tables import read_table
from roman_dms.planning.pointing_plan import read_plan

pytestmark = pytest.mark.usefixtures("miniature_references")
PLAN = ("simulate", "plan", "--ra", 270, "--dec", 66)


@pytest.fixture
def scene(tmp_path):
    """Stars around the field, as romanisim's catalogues have them."""
    random = np.random.default_rng(5)
    count = 5000
    table = Table(
        {
            "ra": 270 + random.uniform(-0.6, 0.6, count),
            "dec": 66 + random.uniform(-0.3, 0.3, count),
            "type": np.full(count, "PSF"),
            "n": np.full(count, -1.0),
            "half_light_radius": np.zeros(count),
            "pa": np.zeros(count),
            "ba": np.ones(count),
            "F158": 10 ** (-0.4 * random.uniform(18, 22, count)),
        }
    )
    path = tmp_path / "scene.ecsv"
    table.write(path, format="ascii.ecsv")
    return path


@pytest.fixture
def plan(rdms, tmp_path):
    path = tmp_path / "plan.sim.ecsv"
    assert rdms(*PLAN, "--dithers", 2, "-o", path)[0] == 0
    return path


@pytest.fixture
def cheap(monkeypatch):
    """Makes text files in place of exposures; gives what was asked for."""
    asked = []

    def make(request, exposure, detector, output, previous):
        asked.append((request, exposure, detector))
        if request.seed == 13 and exposure.exposure == 1:
            raise CalibrationError("bad luck")
        path = output / f"{exposure.stem(detector)}_uncal.asdf"
        path.write_text(f"{request.seed} {exposure} {detector}")
        return [path]

    monkeypatch.setattr(visit, "_maker", lambda level: make)
    return asked


def test_a_plan_is_written_told_and_drawn(rdms, tmp_path):
    path, picture = tmp_path / "plan.sim.ecsv", tmp_path / "plan.png"
    code, out, _ = rdms(
        *PLAN, "--pa", 20, "--dithers", 4, "--subpixel", 2, "--filters", "F158", "--filters",
        "f129", "--rolls", 0, "--rolls", 15, "--epochs", 2, "--cadence", 3, "--ma-table", 3,
        "--start", "2027-07-01T06:00", "--preview", picture, "-o", path,
    )  # fmt: skip
    assert code == 0
    assert "2027-07-01 06:00" in out
    assert "64 exposures" in out
    assert picture.read_bytes()[:4] == b"\x89PNG"
    plan = read_plan(path)
    assert len(plan) == 64
    assert {exposure.element for exposure in plan} == {"F158", "F129"}
    assert {exposure.position_angle for exposure in plan} == {20.0, 35.0}
    assert plan[32].start - plan[0].start == pytest.approx(3)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--filters", "F999"], 2, "F999"),
        (["--ma-table", 1], 2, "one of 3, 4"),
        (["--start", "tomorrow"], 2, "'tomorrow'"),
        (["--dithers", 2, "--pattern", "box"], 2, "line or sub"),
        (["--epochs", 2, "--cadence", 0.001], 2, "longer cadence"),
        (["-o", "plan.txt"], 2, "plan.sim.ecsv"),
    ],
)
def test_impossible_plans(rdms, tmp_path, options, code, says):
    found, _, err = rdms(*PLAN, "-o", tmp_path / "p.ecsv", *options)
    assert found == code
    assert says in err


def test_a_visit_is_made_and_resumed(rdms, plan, scene, cheap, tmp_path):
    folder = tmp_path / "l1"
    visit_of = ("simulate", "visit", plan, "--scene", scene, "-o", folder)
    detectors = ("--detector", "WFI01", "--detector", "wfi02")
    code, out, _ = rdms(*visit_of, *detectors, "--dry-run")
    assert (code, len(cheap)) == (0, 0)
    assert "4 to make, 0 finished" in out
    assert not folder.exists()
    code, out, err = rdms(*visit_of, *detectors, "--seed", 3)
    assert code == 0
    assert "4 made" in out
    assert "r0000101001001001001_0002_wfi02_f158" in err
    assert {request.seed for request, *_ in cheap} == {3}
    code, out, _ = rdms(*visit_of, "--detector", "all", "--seed", 3, "--dry-run")
    assert "32 to make, 4 finished" in out
    code, out, _ = rdms(*visit_of, *detectors, "--seed", 3)
    assert (code, len(cheap)) == (0, 4)
    assert "4 kept" in out
    code, _, err = rdms(*visit_of, *detectors, "--seed", 4)
    assert code == 2
    assert "seed 3, now 4" in err
    assert rdms(*visit_of, *detectors, "--seed", 4, "--overwrite")[0] == 0


def test_another_scene_or_effect_is_another_visit(rdms, plan, scene, cheap, tmp_path):
    visit_of = ("simulate", "visit", plan, "--scene", scene, "-o", tmp_path / "l1")
    rdms(*visit_of, "--without", "cosmic_rays")
    code, _, err = rdms(*visit_of)
    assert code == 2
    assert "effects cosmic_rays None, now 'not set'" in err
    scene.write_text(scene.read_text().replace("PSF", "PSF", 1) + "270.0 66.0 PSF -1 0 0 1 1e-9\n")
    code, _, err = rdms(*visit_of, "--without", "cosmic_rays")
    assert code == 2
    assert "scene" in err


def test_a_failure_names_row_and_detector_and_sets_the_exit_code(
    rdms, plan, scene, cheap, tmp_path
):
    code, out, err = rdms(
        "simulate", "visit", plan, "--scene", scene, "-o", tmp_path / "l1", "--seed", 13,
        "--without", "persistence",
    )  # fmt: skip
    assert code == 8
    assert "row 1 of the plan, r0000101001001001001_0001_wfi01_f158: bad luck" in err
    assert "1 failed, 1 made" in out


@pytest.mark.parametrize(
    ("change", "options", "code", "says"),
    [
        (("F158", "F15"), [], 4, "row 1, column BANDPASS"),
        ((" PA ", " PB "), [], 4, "lacks the column PA"),
        (("", ""), ["--detector", "WFI19"], 2, "WFI19"),
        (("", ""), ["--set", "cosmic_rays=1"], 2, "EFFECT.NAME=VALUE"),
        (("", ""), ["--without", "cosmic_ray"], 2, "cosmic_rays"),
        (("", ""), ["--context", "roman_9999.pmap"], 7, "roman_9999"),
        (("", ""), ["--scene", "none.ecsv"], 3, "none.ecsv"),
    ],
)
def test_impossible_visits(rdms, plan, scene, cheap, tmp_path, change, options, code, says):
    plan.write_text(plan.read_text().replace(*change, 1) if change[0] else plan.read_text())
    found, _, err = rdms(
        "simulate", "visit", plan, "--scene", scene, "-o", tmp_path / "l1", *options
    )
    assert says in err
    assert found == code
    assert not cheap


def test_a_mistake_in_the_scene_is_told_before_anything_is_made(rdms, plan, scene, cheap, tmp_path):
    table = Table.read(scene)
    table["F158"][7] = np.nan
    table.write(scene, overwrite=True)
    visit_of = ("simulate", "visit", plan, "--scene", scene, "-o", tmp_path / "l1")
    code, _, err = rdms(*visit_of)
    assert code == 4
    assert "F158" in err
    assert not cheap


def test_what_varies_is_told_for_the_middle_of_each_exposure(rdms, plan, scene, cheap, tmp_path):
    first, second = read_plan(plan)
    middle = (first.start + first.end) / 2
    table = Table.read(scene)[:3]
    table["variability"] = ["", "sine", ""]
    table["t_ref"] = middle
    table["timescale"] = 2 * (second.start - first.start)
    table["amplitude"] = 1.0
    table.write(scene, overwrite=True)
    visit_of = ("simulate", "visit", plan, "--scene", scene, "-o", tmp_path / "l1")
    assert rdms(*visit_of, "--detector", "all")[0] == 0
    curves = read_table(tmp_path / "l1" / "plan_light_curves.parquet")
    assert list(curves["element"]) == ["F158", "F158"]
    assert curves["mjd"][0] == pytest.approx(middle, abs=1e-9)
    expected = [10**0.2, 10**-0.2]  # brightest, and faintest half a period later
    np.testing.assert_allclose(curves["magnification"], expected, rtol=1e-4)


def test_changes_of_effects():
    found = effect_settings(["read_noise"], ["a.b=1.5", "a.c=true", "d.e=text", "d.f=[1, 2]"])
    assert found == {
        "read_noise": None, "a": {"b": 1.5, "c": True}, "d": {"e": "text", "f": [1, 2]},
    }  # fmt: skip
    with pytest.raises(UsageError, match="left out and changed"):
        effect_settings(["a"], ["a.b=1"])


def test_real_exposures_are_the_same_in_other_processes_and_when_resumed(
    rdms, plan, scene, tmp_path
):
    folder = tmp_path / "l1"
    visit_of = ("simulate", "visit", plan, "--scene", scene, "-o", folder, "--threads", 1,
                "--without", "persistence")  # fmt: skip
    code, out, err = rdms(*visit_of, "--jobs", 2)
    assert code == 0, err
    assert "2 made" in out
    second = next(folder.glob("*_0002_*_uncal.asdf"))
    before = checksum(second)
    second.unlink()
    _, out, err = rdms(*visit_of)
    assert "1 kept, 1 made" in out, err
    assert checksum(second) == before


def checksum(path):
    """Of the counts; a file also holds the date at which it was written."""
    exposure = read_product(path)
    counts = exposure.data.rows(0, exposure.data.shape[-2])
    return hashlib.sha256(counts.tobytes()).hexdigest()
