import dataclasses

import pytest
from astropy.table import Table
from astropy.time import Time

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.planning.pointing_plan import REQUIRED, read_plan, write_plan

HEADER = """\
# %ECSV 1.0
# ---
# datatype:
# - {name: RA, datatype: float64}
# - {name: DEC, datatype: float64}
# - {name: PA, datatype: float64}
# - {name: BANDPASS, datatype: string}
# - {name: MA_TABLE_NUMBER, datatype: int64}
# - {name: DURATION, datatype: int64}
# - {name: PLAN, datatype: int64}
# - {name: PASS, datatype: int64}
# - {name: SEGMENT, datatype: int64}
# - {name: OBSERVATION, datatype: int64}
# - {name: VISIT, datatype: int64}
# - {name: EXPOSURE, datatype: int64}
# - {name: EXPOSURE_TIME, datatype: float64}
# - {name: TARGET_NAME, datatype: string}
# schema: astropy-2.0
RA DEC PA BANDPASS MA_TABLE_NUMBER DURATION PLAN PASS SEGMENT OBSERVATION VISIT EXPOSURE \
EXPOSURE_TIME TARGET_NAME
"""
"""As the planning tool writes it (``roman_gps.sim.ecsv`` of spacetelescope/roman_notebooks)."""

ROWS = (
    "169.831104 -64.164573 0.000000 F213 3 81 1 1 1 1 1 1 60.086940 Disk1_Carina",
    "169.873801 -64.232064 0.000000 F213 3 132 1 1 1 1 1 2 60.086940 Disk1_Carina",
    "168.996050 -63.953685 0.000000 F213 3 81 1 1 1 1 2 1 60.086940 Disk1_Carina",
)
START = 61557.0


@pytest.fixture
def plan(tmp_path):
    """Writes a plan of some rows; each pair replaces a text in it."""

    def write(*changes, rows=ROWS, header=HEADER):
        text = header + "\n".join(rows) + "\n"
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "plan.sim.ecsv"
        path.write_text(text)
        return path

    return write


def test_a_plan_of_the_planning_tool(plan):
    first, second, third = read_plan(plan(), START)
    assert (first.ra, first.dec, first.element, first.ma_table) == (
        169.831104, -64.164573, "F213", 3,
    )  # fmt: skip
    assert first.position_angle == 300  # PA is of V3; the aperture is turned by -60 deg
    assert first.visit_id == "0000101001001001001"
    assert (second.exposure, third.visit, third.exposure) == (2, 2, 1)
    seconds = [(exposure.start - START) * 86400 for exposure in (first, second, third)]
    assert seconds == pytest.approx([0, 81, 81 + 132], abs=1e-4)


def test_the_angle_can_be_that_of_the_aperture(plan):
    assert read_plan(plan(), START, angles_of="WFI_CEN")[0].position_angle == 0


def test_without_durations_slew_and_wheel_are_reckoned(plan):
    """MA table, a turn by 0.070 deg with a roll of 0.038 deg (SlewSettle.ecsv), one position."""
    rows = [row.replace(" 81 ", ' "" ').replace(" 132 ", ' "" ') for row in ROWS]
    rows = [row.replace(" F213 3 ", " F213 4 ") for row in rows[:2]]
    path = plan((rows[1], rows[1].replace("F213", "F062")), rows=rows)
    first, second = read_plan(path, START)
    assert (second.start - first.start) * 86400 == pytest.approx(139.149 + 24.37 + 27, abs=0.05)


def test_tables_that_are_not_public_can_be_replaced(plan):
    path = plan(rows=[row.replace(" F213 3 ", " F213 1001 ") for row in ROWS])
    with pytest.raises(
        FormatError, match=r"row 1, column MA_TABLE_NUMBER: '1001'(.|\n)*17, 109, 110"
    ):
        read_plan(path, START)
    first, second, _ = read_plan(path, START, ma_table=5)
    assert first.ma_table == 5
    assert second.start > first.end


def test_what_is_written_is_read_again(planned, tmp_path):
    path = tmp_path / "plan.sim.ecsv"
    exposures = [
        planned(program=77, ra=359.5, start=61557.123456),
        planned(program=77, exposure=2, element="GRISM", ma_table=6, start=61557.2),
        planned(program=77, pass_=2, position_angle=359.0, start=61600.0),
    ]
    write_plan(exposures, path)
    for before, after in zip(exposures, read_plan(path), strict=True):
        assert abs(after.start - before.start) * 86400 < 2e-6
        assert after.position_angle == pytest.approx(before.position_angle, abs=1e-9)
        same = {"start": 0.0, "position_angle": 0.0}
        assert dataclasses.replace(after, **same) == dataclasses.replace(before, **same)


def test_times_are_those_of_astropy(planned, tmp_path):
    path = tmp_path / "plan.sim.ecsv"
    write_plan([planned(start=start) for start in (61557.123456789,)], path)
    row = Table.read(path, format="ascii.ecsv")[0]
    assert abs(Time(row["START"], scale="utc").mjd - 61557.123456789) * 86400 < 1e-6
    path.write_text(path.read_text().replace(row["START"], "2027-06-02T12:00:00+02:00"))
    assert read_plan(path)[0].start == Time("2027-06-02T10:00:00", scale="utc").mjd


def test_a_written_plan_is_what_romanisim_takes(planned, tmp_path):
    """The columns and the way of reading of ``romanisim-make-stack``."""
    path = tmp_path / "plan.sim.ecsv"
    write_plan([planned(), planned(exposure=2, start=61557.01)], path)
    row = Table.read(path, comment="#", delimiter=" ")[0]
    assert [row[name] for name in REQUIRED[:5]] == [270, 66, 80, "F158", 4]
    assert row["DURATION"] == pytest.approx(864)


def test_start_and_program_come_from_row_metadata_or_caller(plan):
    meta = HEADER.replace("# schema", "# meta: {START: 2027-06-01, PROGRAM: 12}\n# schema")
    first, *_ = read_plan(plan(header=meta))
    assert (Time(first.start, format="mjd").iso[:10], first.program) == ("2027-06-01", 12)
    first, *_ = read_plan(plan(header=meta), START + 1, program=3)
    assert (first.start, first.program) == (START + 1, 3)
    columns = HEADER.replace("TARGET_NAME}", "START}").replace("EXPOSURE_TIME T", "EXPOSURE_TIME S")
    rows = [
        ROWS[0].replace("Disk1_Carina", "2027-06-02T12:00:00"),
        ROWS[1].replace("Disk1_Carina", "61559"),
    ]
    columns = columns.replace("SARGET_NAME", "START")
    starts = [exposure.start for exposure in read_plan(plan(rows=rows, header=columns))]
    assert starts == [61558.5, 61559.0]
    moved = read_plan(plan(rows=rows, header=columns), 61600.0)
    assert [exposure.start for exposure in moved] == [61600.0, 61600.5]
    rows.reverse()
    with pytest.raises(FormatError, match="row 2, column START"):
        read_plan(plan(rows=rows, header=columns))
    with pytest.raises(UsageError, match="--start"):
        read_plan(plan())


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("169.873801", "nan", "row 2, column RA: 'nan'"),
        ("-64.232064", "-91", "row 2, column DEC: '-91'"),
        ("-63.953685 0.000000", "-63.953685 inf", "row 3, column PA: 'inf'"),
        ("-64.164573 0.000000", '-64.164573 ""', "row 1, column PA: ''"),
        ("F213 3 132", "F21 3 132", r"row 2, column BANDPASS: 'F21'(.|\n)*did you mean F213"),
        ("F213 3 132", "F213 18 132", r"row 2, column MA_TABLE_NUMBER(.|\n)*15, 16, 17"),
        ("F213 3 132", "F213 x 132", "row 2, column MA_TABLE_NUMBER: 'x'"),
        ("F213 3 81", "F213 3 20", r"row 1, column DURATION: '20'(.|\n)*56.9 s of the exposure"),
        ("F213 3 81", "F213 3 inf", "row 1, column DURATION"),
        ("132 1 1 1 1 1 2", "132 1 1 1 1 1 1", "row 2, column EXPOSURE: '1'(.|\n)*row 1"),
        ("132 1 1", "132 0 1", "row 2, column PLAN: '0'"),
        ("132 1 1", "132 1 1.5", "row 2, column PASS: '1.5'"),
        ("132 1 1", "132 100 1", "row 2, column PLAN: '100'"),
    ],
)
def test_a_bad_value_is_pointed_at(plan, old, new, says):
    with pytest.raises(FormatError, match=says):
        read_plan(plan((old, new)), START)


def test_a_missing_column_is_named_with_those_that_exist(plan):
    names = HEADER.replace(" PA BANDPASS", " ANGLE FILTER")
    with pytest.raises(FormatError, match="lacks the column PA, BANDPASS; it has RA, DEC, ANGLE"):
        read_plan(plan(header=names), START)


def test_files_that_are_no_plans(plan, tmp_path, planned):
    with pytest.raises(FormatError, match="no rows"):
        read_plan(plan(rows=()), START)
    with pytest.raises(FileError, match="cut off: row 3 has 6 values"):
        read_plan(plan((ROWS[2], ROWS[2][:40])), START)
    path = plan()
    path.write_text(path.read_text()[:180])
    with pytest.raises(FormatError, match="header"):
        read_plan(path, START)
    for content in (b"", b"RA,DEC\n1,2\n", b"\x89PNG\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(FormatError, match="not an ECSV"):
            read_plan(path, START)
    with pytest.raises(FileError, match="No such file"):
        read_plan(tmp_path / "none.sim.ecsv", START)
    write_plan([planned(exposure=number, start=61557 + number) for number in (1, 2, 3)], path)
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(FileError, match=r"2 rows were found(.|\n)*3 rows"):
        read_plan(path)
    with pytest.raises(UsageError, match="no exposures"):
        write_plan([], path)
    with pytest.raises(UsageError, match="suffix"):
        write_plan([planned()], tmp_path / "plan.txt")
