"""The stock ``crds`` client and this package choose alike, from the same store."""

import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from roman_dms.errors import RdmsError, ReferenceDataError
from roman_dms.references import ReferenceStore, parameters_of, submit
from tests.references.support import make_reference, rich_store

CLIENT = """
import json, os, sys
from crds.core import heavy_client, log
import crds
log.set_verbose(-1); log.set_log_level("CRITICAL") if hasattr(log, "set_log_level") else None
headers, kinds = json.load(open(sys.argv[1])), sys.argv[2].split(",")
answers = []
for header in headers:
    found = crds.getrecommendations(header, reftypes=kinds, observatory="roman", fast=True)
    answers.append(found)
files = crds.getreferences(headers[0], reftypes=["gain", "flat"], observatory="roman")
json.dump([answers, files, heavy_client.get_context_name("roman")], open(sys.argv[3], "w"))
"""

KINDS = ["gain", "flat", "dark", "mask", "darkdecaysignal", "epsf"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two deliveries, the second with alternatives that overlap those of the first."""
    folder = tmp_path_factory.mktemp("crds")
    store = rich_store(folder)
    extra = [
        make_reference(folder, "dark_new.asdf", "dark", types="WFI_IMAGE|", useafter="2027-02-01"),
        make_reference(folder, "gain_new.asdf", "gain", useafter="2026-12-01T06:30:00"),
        make_reference(folder, "flat_new.asdf", "flat", element="F062", detector="WFI07"),
    ]
    submit(store, extra, "second")
    return ReferenceStore(store.path)


def varied_headers(count: int) -> list[dict[str, str]]:
    draw = random.Random(20261121)
    headers = []
    for _ in range(count):
        year, month, day = draw.randint(2018, 2030), draw.randint(1, 12), draw.randint(1, 28)
        clock = f"{draw.randint(0, 23):02d}:{draw.randint(0, 59):02d}:10.5"
        moments = (
            f"{year}-{month:02d}-{day:02d}T{clock}",
            "2026-12-01T06:30:00.000", "2026-12-01T06:29:59.999", "2027-06-01T12:00:00",
            "2020-01-01T00:00:00", "2028-01-01T00:00:00.001",
        )  # fmt: skip
        header = {
            "roman.meta.instrument.name": "WFI",
            "roman.meta.instrument.detector": draw.choice(
                ["WFI01", "WFI07", "WFI18", "WFI02", "N/A"]
            ),
            "roman.meta.instrument.optical_element": draw.choice(
                ["F062", "F087", "F158", "F213", "GRISM", "PRISM", "DARK", "NOT_CONFIGURED"]
            ),
            "roman.meta.exposure.type": draw.choice(
                ["WFI_IMAGE", "WFI_SPECTRAL", "WFI_IM_DARK", "WFI_SP_DARK", "WFI_FLAT", "WFI_GRISM"]
            ),
            "roman.meta.exposure.start_time": draw.choice(moments),
        }
        if draw.random() < 0.05:
            del header["roman.meta.exposure.type"]
        headers.append(header)
    headers[0] = dict(headers[0], **{
        "roman.meta.instrument.detector": "WFI07",
        "roman.meta.instrument.optical_element": "F062",
        "roman.meta.exposure.start_time": "2027-01-01T00:00:00",
    })  # fmt: skip
    return headers


def our_choice(context, header: dict[str, str], kind: str) -> str:
    meta = {key.removeprefix("roman.meta."): value for key, value in header.items()}
    try:
        return context.choose(parameters_of(meta), kind) or "N/A"
    except RdmsError:
        return "none"


def their_choice(name: str) -> str:
    if not name.startswith("NOT FOUND"):
        return name
    return "N/A" if name == "NOT FOUND n/a" else "none"


def ask_client(folder: Path, cache: Path, server: str, headers: list[dict[str, str]]) -> list:
    (folder / "headers.json").write_text(json.dumps(headers))
    (folder / "client.py").write_text(CLIENT)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CRDS")}
    environment |= {
        "CRDS_PATH": str(cache),
        "CRDS_SERVER_URL": server,
        "CRDS_CLIENT_RETRY_COUNT": "1",
    }
    arguments = [str(folder / "client.py"), str(folder / "headers.json"), ",".join(KINDS)]
    done = subprocess.run(
        [sys.executable, *arguments, str(folder / "out.json")],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "out.json").read_text())


def check_equal(store, headers, answers):
    context = store.context()
    kinds_of_answers = set()
    for header, answer in zip(headers, answers, strict=True):
        for kind in KINDS:
            ours, theirs = our_choice(context, header, kind), their_choice(answer[kind])
            assert ours == theirs, (kind, header, answer[kind])
            kinds_of_answers.add(ours if ours in ("N/A", "none") else "file")
    assert kinds_of_answers == {"N/A", "none", "file"}


def test_serverless_client_chooses_alike(store, tmp_path):
    headers = varied_headers(1000)
    answers, files, context = ask_client(
        tmp_path, store.path, "https://crds-serverless-mode.stsci.edu", headers
    )
    assert context == store.context().name == "roman_0002.pmap"
    check_equal(store, headers, answers)
    assert files["flat"] == str(store.references / "flat_new.asdf")


@pytest.fixture
def server(store, tmp_path):
    """``rdms references serve`` in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from roman_dms.cli.references import command; command()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--store", str(store.path), "--port", str(port)]
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_client_of_our_server_chooses_alike_and_fetches(store, server, tmp_path):
    headers = varied_headers(1000)
    cache = tmp_path / "cache"
    answers, files, context = ask_client(tmp_path, cache, server, headers)
    assert context == "roman_0002.pmap"
    check_equal(store, headers, answers)
    for kind in ("gain", "flat"):
        fetched = Path(files[kind])
        assert fetched.is_relative_to(cache)
        assert fetched.read_bytes() == (store.references / fetched.name).read_bytes()
    ours = ReferenceStore(cache)
    assert ours.context().name == "roman_0002.pmap"
    meta = {k.removeprefix("roman.meta."): v for k, v in headers[0].items()}
    selected = ours.context().select(parameters_of(meta), ["gain", "flat"])
    assert {kind: str(path) for kind, path in selected.items()} == files
    damaged = ours.references / Path(files["flat"]).name
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (ours.configuration / "verified.json").unlink()
    with pytest.raises(ReferenceDataError, match="its server told"):
        ReferenceStore(cache).context().select(parameters_of(meta), ["flat"])
