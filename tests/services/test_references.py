"""The reference server over HTTP, as a client of no particular kind sees it."""

import hashlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest
import uvicorn

from roman_dms import errors
from roman_dms.references import ReferenceStore, build_context
from roman_dms.services.failures import HTTP_STATUS, status_of
from roman_dms.services.references import create_app
from tests.references.support import make_reference


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    files = [
        make_reference(folder, "gain.asdf", "gain"),
        make_reference(folder, "mask.asdf", "mask"),
    ]
    build_context(folder / "store", files)
    return ReferenceStore(folder / "store")


@pytest.fixture(scope="module")
def url(store):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(create_app(store.path), port=port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


def fetch(url, data=None, **headers):
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def rpc(url, method, *params):
    body = json.dumps({"jsonrpc": "1.0", "method": method, "params": params, "id": "x"}).encode()
    status, answer = fetch(f"{url}/json/{method}/x/", body)
    assert status == 200
    return json.loads(answer)


def test_health(url):
    status, body = fetch(f"{url}/health")
    assert (status, json.loads(body)["context"]) == (200, "roman_0001.pmap")


def test_files_are_served_whole_and_in_ranges(url, store):
    content = (store.references / "gain.asdf").read_bytes()
    assert fetch(f"{url}/references/roman/gain.asdf") == (200, content)
    part = fetch(f"{url}/references/roman/gain.asdf", Range="bytes=100-199")
    assert part == (206, content[100:200])
    text = (store.mappings / "roman_0001.pmap").read_bytes()
    assert fetch(f"{url}/mappings/roman/roman_0001.pmap") == (200, text)


@pytest.mark.parametrize(
    "path",
    [
        "references/roman/none.asdf",
        "references/roman/../../config/roman/server_config",
        "references/roman/..%2f..%2fconfig%2froman%2fserver_config",
        "references/roman/%2e%2e",
        "references/roman/%2fetc%2fpasswd",
        "references/roman/gain.asdf%00",
        "references/roman/",
        "mappings/roman/server_config",
        "mappings/roman/.roman_0001.pmap",
        "config/roman/server_config",
    ],
)
def test_nothing_else_is_served(url, path):
    status, body = fetch(f"{url}/{path}")
    assert status == 404
    assert b"operational_context" not in body


def test_calls(url, store):
    info = rpc(url, "get_server_info")["result"]
    assert info["operational_context"] == "roman_0001.pmap"
    assert info["reference_url"] == {"roman": f"{url}/references/roman/"}
    assert rpc(url, "get_default_context", "roman", None)["result"] == "roman_0001.pmap"
    names = rpc(url, "get_mapping_names", "roman_0001.pmap")["result"]
    assert names == store.mapping_names("roman_0001.pmap")
    assert rpc(url, "get_reference_names", "roman_0001.pmap")["result"] == [
        "gain.asdf",
        "mask.asdf",
    ]
    content = (store.references / "gain.asdf").read_bytes()
    facts = {"size": str(len(content)), "sha1sum": hashlib.sha1(content).hexdigest()}
    every = rpc(url, "get_file_info_map", "roman", None, ["size", "sha1sum"])["result"]
    assert every["gain.asdf"] == facts
    assert set(names) < set(every)
    one = rpc(url, "get_file_info", "roman_0001.pmap", "gain.asdf")["result"]
    assert one == {"name": "gain.asdf", **facts}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("get_mapping_names", ["roman_0099.pmap"]),
        ("get_mapping_names", ["../x.pmap"]),
        ("get_mapping_names", ["gain.asdf"]),
        ("get_mapping_names", [7]),
        ("get_mapping_names", []),
        ("get_file_info_map", ["roman", ["../../etc/passwd"]]),
        ("get_file_info_map", ["roman", [["x"]]]),
        ("_known", ["x"]),
        ("__init__", []),
    ],
)
def test_bad_calls_are_answered_as_errors(url, method, params):
    answer = rpc(url, method, *params)
    assert answer["result"] is None
    assert answer["error"]["code"] in (400, 404)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"method": 3}', b"\xff", b"x" * 1_000_001])
def test_bodies_that_are_no_call(url, body):
    assert fetch(f"{url}/json/x/", body)[0] == 400


def test_damaged_file_is_not_served(url, store):
    path = store.references / "mask.asdf"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1])
        status, body = fetch(f"{url}/references/roman/mask.asdf")
        assert status == 503
        assert b"damaged" in body
    finally:
        path.write_bytes(content)


def test_every_error_has_a_status():
    for error in (
        errors.RecipeError,
        errors.CalibrationError,
        errors.ValidationError,
        *HTTP_STATUS,
    ):
        assert 400 <= status_of(error("x")) < 600
