"""``rdms references`` at the level of what a user types and reads."""

import json

import pytest
from click.testing import CliRunner

from roman_dms.cli.references import command
from roman_dms.errors import FileError, RdmsError, ReferenceDataError
from roman_dms.psf.steps.reference_files import baseline_epsf
from roman_dms.references import ReferenceStore, build_context
from tests.references.support import make_exposure, make_reference


@pytest.fixture
def store(tmp_path):
    files = [
        make_reference(tmp_path, "gain.asdf", "gain"),
        make_reference(tmp_path, "mask.asdf", "mask"),
    ]
    build_context(tmp_path / "store", files, "first light")
    return tmp_path / "store"


@pytest.fixture
def exposure(tmp_path):
    return make_exposure(tmp_path / "exposure.asdf")


@pytest.fixture
def rdms(store):
    def run(subcommand, *arguments):
        words = [subcommand, "--store", str(store), *map(str, arguments)]
        result = CliRunner().invoke(command, words, standalone_mode=False)
        if isinstance(result.exception, RdmsError):
            raise result.exception
        assert result.exception is None, result.output
        return result.output

    return run


@pytest.mark.parametrize("name", [None, *command.commands])
def test_every_command_explains_itself_and_its_options(name):
    result = CliRunner().invoke(command, [name, "--help"] if name else ["--help"])
    assert result.exit_code == 0
    target = command.commands[name] if name else command
    assert len(target.help) > 50
    for parameter in target.params:
        described = getattr(parameter, "help", None) or parameter.name in result.output.lower()
        assert described, parameter.name


def test_select(rdms, exposure, store):
    text = rdms("select", exposure)
    assert "roman_0001.pmap" in text
    assert str(store / "references" / "roman" / "gain.asdf") in text
    chosen = json.loads(rdms("select", exposure, "--json"))
    assert chosen["context"] == "roman_0001.pmap"
    assert chosen["files"]["flat"] == "N/A"
    assert chosen["files"]["mask"].endswith("mask.asdf")
    one = json.loads(rdms("select", exposure, "--kind", "gain", "--json"))
    assert list(one["files"]) == ["gain"]


def test_select_tells_what_is_missing(rdms, tmp_path):
    other = make_exposure(tmp_path / "other.asdf", detector="WFI09")
    assert "none: No reference file of the kind 'gain'" in rdms("select", other)
    with pytest.raises(ReferenceDataError, match="WFI09"):
        rdms("select", other, "--kind", "gain")
    with pytest.raises(FileError):
        rdms("select", tmp_path / "none.asdf")


def test_a_delivery_from_certify_to_affected(rdms, tmp_path, exposure):
    late = make_reference(tmp_path, "late.asdf", "gain", useafter="2027-01-01")
    assert rdms("certify", late).split() == [str(late), "fit"]
    assert rdms("submit", late, "--description", "better gain").strip() == "roman_0002.pmap"
    listed = rdms("contexts").splitlines()
    assert listed[0].split()[:2] == ["roman_0001.pmap", "generated"]
    assert listed[1].split() == ["roman_0002.pmap", "*", "roman_0001.pmap", "better", "gain"]
    assert json.loads(rdms("contexts", "--json"))["operational"] == "roman_0002.pmap"
    (change,) = json.loads(rdms("diff", "roman_0001.pmap", "roman_0002.pmap", "--json"))
    assert (change["kind"], change["old"], change["new"]) == ("gain", None, "late.asdf")
    assert "late.asdf" in rdms("diff", "roman_0001.pmap", "roman_0002.pmap")
    words = rdms("affected", "roman_0001.pmap", "roman_0002.pmap", exposure).split()
    assert words == [str(exposure), "gain", "gain.asdf", "late.asdf"]


def test_certify_fails_with_all_problems(rdms, tmp_path):
    bad = make_reference(tmp_path, "bad.asdf", "gain", meta={"reftype": "HALO"})
    good = make_reference(tmp_path, "good.asdf", "mask", detector="WFI03")
    with pytest.raises(ReferenceDataError, match="1 of 2 files"):
        rdms("certify", bad, good)
    words = ["certify", "--store", str(tmp_path / "store"), str(bad), "--json"]
    problems = json.loads(CliRunner().invoke(command, words).output)
    assert "HALO" in problems[str(bad)][0]


def test_overlay(rdms, tmp_path, exposure):
    (tmp_path / "mine").mkdir()
    make_reference(tmp_path / "mine", "own.asdf", "gain", useafter="2027-01-01")
    target = tmp_path / "mine.overlay.json"
    assert "1 files, roman_0001.pmap+overlay-" in rdms("overlay", tmp_path / "mine", "-o", target)
    chosen = json.loads(rdms("select", exposure, "--context", target, "--json"))
    assert chosen["files"]["gain"] == str(tmp_path / "mine" / "own.asdf")


def test_verify(rdms, store):
    assert "is sound" in rdms("verify")
    assert json.loads(rdms("verify", "--json")) == []
    path = store / "references" / "roman" / "gain.asdf"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ReferenceDataError, match="1 problems"):
        rdms("verify")


def test_bootstrap_passes_its_options_on(rdms, store, monkeypatch):
    asked = {}

    def make(folder, detectors, filters, size, seed, progress=None, **more):
        asked.update(folder=folder, detectors=detectors, filters=filters, size=size, seed=seed)
        asked.update(more)
        progress("file.asdf")
        return "roman_0007.pmap"

    monkeypatch.setattr("roman_dms.references.bootstrap.bootstrap", make)
    out = rdms("bootstrap", "--detector", "WFI02", "--filter", "all", "--size", 256, "--seed", 4)
    assert "roman_0007.pmap" in out
    assert (asked["folder"], asked["detectors"]) == (store, ("WFI02",))
    assert (len(asked["filters"]), asked["size"], asked["seed"]) == (8, 256, 4)
    assert asked["measured"] is None
    assert asked["effective_psf"] is baseline_epsf
    rdms("bootstrap", "--filter", "all", "--filter", "GRISM", "--measured", 9)
    assert (asked["filters"][-1], len(asked["filters"]), asked["measured"]) == ("GRISM", 9, 9)


def test_serve_needs_a_store(tmp_path):
    result = CliRunner().invoke(
        command, ["serve", "--store", str(tmp_path / "none")], standalone_mode=False
    )
    assert isinstance(result.exception, ReferenceDataError)


def test_store_of_the_environment(store, monkeypatch):
    monkeypatch.setenv("RDMS_REFERENCES", str(store))
    result = CliRunner().invoke(command, ["contexts"])
    assert "first light" in result.output
    assert ReferenceStore().path == store
