"""Deliveries: complete or not at all, whoever else delivers or dies."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from roman_dms.errors import ReferenceDataError
from roman_dms.references import ReferenceStore, build_context, submit
from roman_dms.references.kinds import DETECTOR
from roman_dms.references.mappings import write
from tests.references.support import make_parameters, make_reference, parameters


@pytest.fixture
def store(tmp_path):
    build_context(tmp_path / "store", [make_reference(tmp_path, "gain.asdf", "gain")], "first")
    return ReferenceStore(tmp_path / "store")


def test_new_context_has_next_numbers_and_leaves_the_old_one(store, tmp_path):
    old = {path.name: path.read_bytes() for path in store.mappings.iterdir()}
    late = make_reference(tmp_path, "gain_2.asdf", "gain", useafter="2027-01-01")
    assert submit(store, [late, make_reference(tmp_path, "mask.asdf", "mask")]) == "roman_0002.pmap"
    new = ReferenceStore(store.path)
    names = new.mapping_names("roman_0002.pmap")
    assert names == [
        "roman_0002.pmap", "roman_wfi_0002.imap",
        "roman_wfi_gain_0002.rmap", "roman_wfi_mask_0001.rmap",
    ]  # fmt: skip
    assert {name: (store.mappings / name).read_bytes() for name in old} == old
    assert (
        new.mapping("roman_wfi_gain_0002.rmap").header["derived_from"] == "roman_wfi_gain_0001.rmap"
    )
    for start, name in (("2026-12-31", "gain.asdf"), ("2027-01-01", "gain_2.asdf")):
        chosen = new.context().select(parameters(start=start), ["gain", "mask"])
        assert chosen["gain"].name == name
        assert chosen["mask"].name == "mask.asdf"
    assert new.context("roman_0001.pmap").choose(parameters(), "gain") == "gain.asdf"
    assert new.verify() == []


def test_replaces_file_for_the_same_exposures_and_date(store, tmp_path):
    submit(store, [make_reference(tmp_path, "better.asdf", "gain")])
    context = ReferenceStore(store.path).context()
    assert context.choose(parameters(), "gain") == "better.asdf"
    assert context.rules("gain").files == {"better.asdf"}


def test_header_of_the_rules_is_kept(store, tmp_path):
    """What CRDS has in the header of the rules outlives a delivery."""
    path = store.mappings / "roman_wfi_gain_0001.rmap"
    old = store.mapping(path.name)
    path.write_text(
        write({**old.header, "substitutions": {DETECTOR: {"ALL": "N/A"}}}, old.selector)
    )
    fresh = ReferenceStore(store.path)
    submit(fresh, [make_reference(tmp_path, "mine.asdf", "gain", detector="WFI05")])
    header = fresh.mapping("roman_wfi_gain_0002.rmap").header
    assert header["substitutions"] == {DETECTOR: {"ALL": "N/A"}}


def test_crds_reads_the_whole_context(store, tmp_path):
    """The stock loader accepts every mapping, with its header checks."""
    code = textwrap.dedent("""
        from crds.core import rmap
        context = rmap.load_mapping("roman_0001.pmap")
        context.validate()
        imap = context.get_imap("wfi")
        imap.validate()
        imap.get_rmap("gain").validate()
        print(sorted(context.reference_names()))
    """)
    environment = os.environ | {
        "CRDS_PATH": str(store.path),
        "CRDS_OBSERVATORY": "roman",
        "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['gain.asdf']"
    assert "ERROR" not in done.stderr


def test_bad_file_changes_nothing(store, tmp_path):
    before = sorted(path for path in store.path.rglob("*") if path.is_file())
    good = make_reference(tmp_path, "mask.asdf", "mask")
    bad = make_reference(tmp_path, "bad.asdf", "gain", meta={"reftype": "HALO"})
    with pytest.raises(ReferenceDataError, match="HALO"):
        submit(store, [good, bad])
    with pytest.raises(ReferenceDataError, match="No reference file"):
        submit(store, [])
    assert sorted(path for path in store.path.rglob("*") if path.is_file()) == before


def test_file_that_would_never_be_selected_is_refused(store, tmp_path):
    submit(store, [make_reference(tmp_path, "dark_z.asdf", "dark")])
    shadowed = make_reference(tmp_path, "dark_a.asdf", "dark", types="WFI_IMAGE|")
    with pytest.raises(ReferenceDataError, match=r"would not be selected.*prefer dark_z"):
        submit(ReferenceStore(store.path), [shadowed])


def test_step_parameters_are_delivered_and_read(store, tmp_path):
    from roman_dms.references.files import parameters_in

    path = make_parameters(tmp_path, "jump.asdf", "darkcurrentstep", {"scale": 0.9, "skip": False})
    submit(store, [path])
    selected = ReferenceStore(store.path).context().select(parameters(), ["pars-darkcurrentstep"])
    assert parameters_in(selected["pars-darkcurrentstep"]) == {"scale": 0.9, "skip": False}


SUBMIT = """
import sys, time
from pathlib import Path
from roman_dms.references import ReferenceStore, submit
if len(sys.argv) > 3:
    from roman_dms.references import disk
    original, left = disk._beside, [int(sys.argv[3])]
    def stop(path):
        left[0] -= 1
        if left[0] < 0:
            print("ready", flush=True)
            time.sleep(60)
        return original(path)
    disk._beside = stop
print(submit(ReferenceStore(sys.argv[1]), [sys.argv[2]]))
"""


def start(store, path, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", SUBMIT, str(store.path), str(path), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_deliver_at_once_all_succeed(store, tmp_path):
    files = [
        make_reference(tmp_path, f"gain_{n:02d}.asdf", "gain", detector=f"WFI{n:02d}")
        for n in range(2, 6)
    ]
    running = [start(store, path) for path in files]
    contexts = {process.communicate(timeout=100)[0].strip() for process in running}
    assert contexts == {f"roman_{n:04d}.pmap" for n in range(2, 6)}
    last = ReferenceStore(store.path).context()
    assert last.name == "roman_0005.pmap"
    for number in range(2, 6):
        assert last.choose(parameters(f"WFI{number:02d}"), "gain") == f"gain_{number:02d}.asdf"
    assert ReferenceStore(store.path).verify() == []


@pytest.mark.parametrize("writes", ["0", "1", "2", "3", "4", "5"])
def test_a_killed_delivery_leaves_the_old_context(store, tmp_path, writes):
    """Killed before its first, second, ... write: file, ledger, rules, context, configuration."""
    late = make_reference(tmp_path, "late.asdf", "gain", useafter="2027-01-01")
    process = start(store, late, writes)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    fresh = ReferenceStore(store.path)
    assert fresh.operational == "roman_0001.pmap"
    assert fresh.context().select(parameters(), ["gain"])["gain"].name == "gain.asdf"
    assert fresh.verify() == []
    begun = time.monotonic()
    name = submit(fresh, [late])
    assert time.monotonic() - begun < 10  # the lock died with the process
    assert ReferenceStore(store.path).context(name).choose(parameters(), "gain") == "late.asdf"
