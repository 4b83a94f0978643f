"""Which rows of a catalogue are used; each row of these tables has one fault."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from roman_dms.astrometry.steps.detected_stars import Selection, detected_stars
from roman_dms.errors import FileError, FormatError

GOOD = {
    "x_psf": 10.0, "y_psf": 20.0, "x_psf_err": 0.01, "y_psf_err": 0.03, "psf_flux": 1000.0,
    "psf_flux_err": 10.0, "psf_flags": 0, "warning_flags": 0, "is_extended": False,
    "nn_distance": 3.0,
}  # fmt: skip


def write(path, rows, **more):
    columns = {name: [row.get(name, GOOD[name]) for row in rows] for name in GOOD}
    pq.write_table(pa.table(columns | {k: [v] * len(rows) for k, v in more.items()}), path)
    return path


@pytest.mark.parametrize(
    "fault",
    [
        {"x_psf": np.nan}, {"y_psf_err": np.nan}, {"x_psf_err": 0.0, "y_psf_err": 0.0},
        {"psf_flux": 90.0}, {"psf_flux": -1000.0}, {"x_psf_err": 0.5}, {"psf_flags": 1},
        {"warning_flags": 1}, {"is_extended": True}, {"nn_distance": 0.1},
    ],
)  # fmt: skip
def test_one_fault_is_enough(tmp_path, fault):
    stars = detected_stars(write(tmp_path / "cat.parquet", [{}, fault, {}]), Selection())
    assert len(stars) == 2
    assert stars.sources == 3
    np.testing.assert_allclose(stars.err, np.sqrt((0.01**2 + 0.03**2) / 2))


def test_saturated_cores_and_blends_of_our_own_catalogues(tmp_path):
    rows = [{"psf_flags": 8, "warning_flags": 1}, {"psf_flags": 32}, {"psf_flags": 4},
            {"psf_flags": 2}, {"warning_flags": 1}, {"psf_flags": 9}]  # fmt: skip
    own = write(tmp_path / "own.parquet", rows, detection_snr=50.0)
    assert len(detected_stars(own, Selection())) == 3
    other = write(tmp_path / "other.parquet", rows)
    assert len(detected_stars(other, Selection())) == 0


def test_the_brightest_are_taken_in_the_order_of_the_file(tmp_path):
    rows = [{"psf_flux": 1000.0 + number, "x_psf": number} for number in (3, 9, 1, 7, 5)]
    stars = detected_stars(write(tmp_path / "cat.parquet", rows), Selection(most=3))
    assert stars.x.tolist() == [9, 7, 5]


def test_what_is_no_catalogue(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        detected_stars(tmp_path / "nothing.parquet", Selection())
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(FormatError, match="no Parquet"):
        detected_stars(tmp_path / "bad.parquet", Selection())
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "other.parquet")
    with pytest.raises(FormatError, match="no column x_psf"):
        detected_stars(tmp_path / "other.parquet", Selection())
