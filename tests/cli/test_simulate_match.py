"""The command ``rdms simulate match``."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from roman_dms.cli.simulate.match import command
from roman_dms.errors import FileError, UsageError
from roman_dms.formats.tables import read_table, write_table


@pytest.fixture
def tables(tmp_path):
    """60 sources of 22 to 24 mag, of which the brighter 40 were found."""
    magnitude = np.linspace(22, 24, 60)
    ra = 5 + 0.01 * np.arange(60)
    given = Table({"ra": ra, "dec": np.zeros(60), "magnitude": magnitude})
    found = Table({"RA": ra[:40], "DEC": np.zeros(40), "MAG": magnitude[:40] + 0.1})
    write_table(given, tmp_path / "given.ecsv")
    write_table(found, tmp_path / "found.fits")
    return tmp_path / "given.ecsv", tmp_path / "found.fits"


def run(*arguments):
    result = CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_shares_are_printed_and_tables_written(tables, tmp_path):
    out = tmp_path / "m.parquet"
    output = run(
        *tables, "--bins", 1, "-o", out, "--summary", tmp_path / "s.ecsv",
        "--preview", tmp_path / "m.png",
    )  # fmt: skip
    assert "40 pairs; 20 sources of the input were missed, 0 of the output" in output
    assert str(out) in output
    assert len(read_table(out)) == 60
    summary = read_table(tmp_path / "s.ecsv")
    assert summary["recovered"].sum() == 40
    # A tenth of a magnitude too faint: 10^-0.04 of the flux.
    assert summary["flux_bias"][0] == pytest.approx(10**-0.04 - 1, abs=1e-6)
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


def test_columns_and_bins_can_be_chosen(tables):
    output = run(
        *tables, "--output-columns", "RA", "DEC", "MAG", "--magnitudes", 22, 23, "--bins", 0.4
    )
    lines = [line for line in output.splitlines() if " to " in line]
    assert [line.split()[:3] for line in lines] == [
        ["22.00", "to", "22.40"], ["22.40", "to", "22.80"], ["22.80", "to", "23.00"],
    ]  # fmt: skip
    assert all("1.000 (" in line for line in lines)


def test_bad_requests_are_errors(tables, tmp_path):
    with pytest.raises(UsageError, match="radius"):
        run(*tables, "--radius", 0)
    with pytest.raises(UsageError, match="Bins"):
        run(*tables, "--magnitudes", 24, 22)
    with pytest.raises(FileError):
        run(tables[0], tmp_path / "absent.fits")
    with pytest.raises(UsageError, match="suffix"):
        run(*tables, "-o", tmp_path / "m.txt")
