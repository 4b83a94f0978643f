"""Reference stars from files, from a HATS catalogue and from a network service."""

from __future__ import annotations

import http.server
import threading
import urllib.parse

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

from roman_dms.astrometry.steps import gaia
from roman_dms.astrometry.steps.gaia import GivenStars, HatsSource, TapSource, open_source
from roman_dms.errors import FileError, FormatError, ReferenceDataError, UsageError

PLACE, RADIUS = (359.9, -40.0), 0.4


@pytest.fixture(scope="module")
def stars():
    """Stars around right ascension 0, the columns of Gaia's archive and some others."""
    random = np.random.default_rng(1)
    n = 3000
    table = Table(
        {
            "source_id": np.arange(n), "ra": random.uniform(-1, 1, n) % 360,
            "dec": random.uniform(-41, -39, n), "ra_error": random.uniform(0.01, 1, n),
            "dec_error": random.uniform(0.01, 1, n), "ref_epoch": np.full(n, 2016.0),
            "pmra": MaskedColumn(random.normal(0, 5, n), mask=random.random(n) < 0.2),
            "phot_g_mean_mag": random.uniform(12, 21, n).astype(np.float32),
        }
    )  # fmt: skip
    for name, unit in (("ra", "deg"), ("dec", "deg"), ("ra_error", "mas"), ("pmra", "mas / yr")):
        table[name].unit = unit
    return table


@pytest.fixture(scope="module")
def expected(stars):
    """The stars of the cone, by astropy."""
    places = SkyCoord(stars["ra"], stars["dec"])
    near = places.separation(SkyCoord(*PLACE, unit="deg")) < RADIUS * u.deg
    assert 300 < near.sum() < 1500
    return stars[near]


def check(found, expected):
    order = np.argsort(found["ra"]), np.argsort(expected["ra"])
    for name in ("ra", "dec", "ra_error", "phot_g_mean_mag", "ref_epoch"):
        np.testing.assert_allclose(found[name][order[0]], expected[name][order[1]], rtol=1e-12)
    motion = np.ma.filled(expected["pmra"].astype(float), np.nan)[order[1]]
    np.testing.assert_allclose(np.asarray(found["pmra"])[order[0]], motion, rtol=1e-12)
    assert "source_id" not in found


@pytest.mark.parametrize("suffix", ["parquet", "ecsv", "fits"])
def test_a_file(stars, expected, tmp_path, suffix):
    path = tmp_path / f"gaia.{suffix}"
    stars.write(path)
    source = open_source(str(path))
    assert source.name == "gaia"
    check(source.within(*PLACE, RADIUS), expected)


def test_units_of_a_file_are_those_of_its_header(stars, tmp_path):
    other = stars.copy()
    other["ra_error"] = other["ra_error"].to("arcsec")
    other["ra"] = other["ra"].to("rad")
    other.write(tmp_path / "gaia.ecsv")
    found = open_source(str(tmp_path / "gaia.ecsv")).within(*PLACE, 2.0)
    np.testing.assert_allclose(found["ra_error"], stars["ra_error"])
    np.testing.assert_allclose(found["ra"], stars["ra"])
    other["ra_error"].unit = "mag"
    other.write(tmp_path / "bad.ecsv")
    with pytest.raises(ReferenceDataError, match="ra_error"):
        open_source(str(tmp_path / "bad.ecsv")).within(*PLACE, 2.0)


def test_columns_of_romancal(tmp_path):
    table = Table({"RA": [10.0], "DEC": [5.0], "mag": [17.0]}, meta={"epoch": 2026.5})
    for suffix in ("parquet", "ecsv"):
        table.write(tmp_path / f"ref.{suffix}")
        found = open_source(str(tmp_path / f"ref.{suffix}")).within(10.0, 5.0, 0.1)
        assert found == {"ra": 10, "dec": 5, "phot_g_mean_mag": 17, "ref_epoch": 2026.5}


def test_stars_in_memory(stars, expected):
    check(GivenStars(stars).within(*PLACE, RADIUS), expected)


def test_the_default_is_a_setting(stars, tmp_path, monkeypatch):
    monkeypatch.delenv(gaia.SETTING, raising=False)
    with pytest.raises(UsageError, match="No catalogue"):
        open_source()
    stars.write(tmp_path / "gaia.parquet")
    monkeypatch.setenv(gaia.SETTING, str(tmp_path / "gaia.parquet"))
    assert open_source().path == tmp_path / "gaia.parquet"


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match="no catalogue"):
        open_source(str(tmp_path / "nothing.parquet"))
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(FormatError):
        open_source(str(tmp_path / "bad.parquet")).within(*PLACE, RADIUS)
    Table({"x": [1.0]}).write(tmp_path / "other.parquet")
    with pytest.raises(ReferenceDataError, match="no column ra, dec"):
        open_source(str(tmp_path / "other.parquet")).within(*PLACE, RADIUS)
    with pytest.raises(ReferenceDataError, match="HATS"):
        HatsSource(str(tmp_path)).within(*PLACE, RADIUS)


def test_a_hats_catalogue(stars, expected, tmp_path):
    import lsdb

    catalogue = lsdb.from_dataframe(
        stars.to_pandas(), ra_column="ra", dec_column="dec", lowest_order=4, highest_order=5,
        catalog_name="gaia_hats", margin_threshold=None,
    )  # fmt: skip
    catalogue.write_catalog(tmp_path / "gaia_hats", catalog_name="gaia_hats")
    source = open_source(str(tmp_path / "gaia_hats"))
    assert source.name == "gaia_hats"
    check(source.within(*PLACE, RADIUS), expected)
    nothing = source.within(100.0, 60.0, RADIUS)
    assert len(nothing["ra"]) == 0


class Service(http.server.BaseHTTPRequestHandler):
    """A TAP service that answers with all its stars; at once, or as a job where there are many."""

    stars: Table
    at_once = 10_000
    queries: list[str]

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path == "/tap/sync":
            self.queries.append(form["QUERY"][0])
            many = len(self.stars) > self.at_once
            self.answer(votable(self.stars[: self.at_once], "OVERFLOW" if many else "OK"))
        else:
            self.send_response(303)
            self.send_header("Location", f"http://{self.headers['Host']}/tap/async/1")
            self.end_headers()

    def do_GET(self):
        if self.path.endswith("results/result"):
            self.answer(votable(self.stars, "OK"))
        else:
            self.answer(JOB.encode())

    def do_DELETE(self):
        self.answer(b"")

    def answer(self, content):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-votable+xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


JOB = """<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" version="1.1"
 xmlns:xlink="http://www.w3.org/1999/xlink"><uws:jobId>1</uws:jobId>
<uws:phase>COMPLETED</uws:phase><uws:results>
<uws:result id="result" xlink:href="results/result"/></uws:results></uws:job>"""


def votable(table, status):
    """A VOTable, written by hand: astropy's writer does not bear other threads."""
    units = {name: str(table[name].unit or "").replace(" ", "") for name in table.colnames}
    fields = [f'<FIELD name="{n}" datatype="double" unit="{u}"/>' for n, u in units.items()]
    rows = (
        "".join(f"<TD>{'' if v is np.ma.masked else repr(float(v))}</TD>" for v in row)
        for row in table.iterrows()
    )
    return f"""<?xml version="1.0"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/><TABLE>{"".join(fields)}<DATA><TABLEDATA>
{"".join(f"<TR>{row}</TR>" for row in rows)}</TABLEDATA></DATA></TABLE>
<INFO name="QUERY_STATUS" value="{status}"/></RESOURCE></VOTABLE>""".encode()


@pytest.fixture
def service(stars):
    handler = type("OwnService", (Service,), {"stars": stars, "queries": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_port}/tap"
    yield handler
    server.shutdown()
    server.server_close()


def test_a_network_service(service, expected):
    source = open_source(service.url)
    assert source.name == "gaiadr3"
    check(source.within(*PLACE, RADIUS), expected)
    assert "FROM gaiadr3.gaia_source WHERE 1 = CONTAINS(" in service.queries[0]
    assert "CIRCLE('ICRS', 359.900000000, -40.000000000, 0.400000000)" in service.queries[0]


def test_a_large_answer_is_waited_for(service, expected):
    service.at_once = 1000
    check(open_source(f"{service.url}#other.gaia").within(*PLACE, RADIUS), expected)
    assert "FROM other.gaia " in service.queries[0]


def test_offline_is_told(monkeypatch):
    source = open_source("http://127.0.0.1:9/tap")
    with pytest.raises(ReferenceDataError, match="local file"):
        source.within(*PLACE, RADIUS)
    with pytest.raises(UsageError, match="table"):
        open_source("http://127.0.0.1:9/tap#x; DROP TABLE y").within(*PLACE, RADIUS)


def test_a_service_that_never_answers():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/tap"
        with pytest.raises(ReferenceDataError, match="gave no reference stars"):
            TapSource(url, timeout=0.2).within(*PLACE, RADIUS)
