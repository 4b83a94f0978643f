import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roman_dms.errors import MetadataError, UsageError
from roman_dms.instrument.ma_tables import FRAME_TIME, MA_TABLES, ma_table
from roman_dms.instrument.read_patterns import ReadPattern


@st.composite
def patterns(draw):
    steps = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 20)), min_size=1))
    reads, last = [], 0
    for skipped, count in steps:
        reads.append(list(range(last + skipped + 1, last + skipped + count + 1)))
        last += skipped + count
    return reads


@given(patterns(), st.floats(0.1, 10))
def test_times_are_those_of_a_poisson_process(reads, frame_time):
    """The covariance of counts at t and u is rate min(t, u), hence that of their mean."""
    pattern = ReadPattern(reads, frame_time)
    for i, resultant in enumerate(reads):
        times = frame_time * np.array(resultant, float)
        assert pattern.mean_times[i] == pytest.approx(times.mean())
        assert pattern.variance_times[i] == pytest.approx(np.minimum.outer(times, times).mean())
        assert pattern.counts[i] == len(resultant)
    assert pattern.exposure_time == pytest.approx(frame_time * reads[-1][-1])


def test_evenly_read_resultant_has_the_published_variance_time():
    """Kubik et al. (2016), with the first read at t and the last at t + (n - 1) d."""
    n, d, first = 8, FRAME_TIME, 26
    pattern = ReadPattern([list(range(first, first + n))], d)
    expected = first * d + d * (n - 1) * (2 * n - 1) / (6 * n)
    assert pattern.variance_times[0] == pytest.approx(expected)


def test_any_integers_are_read_numbers():
    pattern = ReadPattern(np.array([[1, 2], [3, 4]], dtype=np.uint16), np.float32(3.0))
    assert pattern.reads == ((1, 2), (3, 4))
    assert [len(resultant) for resultant in pattern] == [2, 2]
    assert len(pattern) == 2
    assert pattern == ReadPattern([[1, 2], [3, 4]], 3)
    assert pickle.loads(pickle.dumps(pattern)) == pattern
    assert hash(pattern) == hash(ReadPattern([(1, 2), (3, 4)], 3.0))


@pytest.mark.parametrize(
    "reads",
    [
        None, 3, "", "12", ["12"], [], [[]], [[1], []], [1, 2], [[0, 1]], [[-1]], [[2, 1]],
        [[1], [1]], [[1, 3], [2]], [[1.0], [2.5]], [[1], [True]], [[1], [None]], [[[1]]],
        {"a": 1}, [[float("nan")]], [["1"]], object(),
    ],
)  # fmt: skip
def test_what_is_no_read_pattern_is_an_error(reads):
    with pytest.raises(MetadataError, match="read pattern"):
        ReadPattern(reads, 3.0)


@pytest.mark.parametrize(
    "frame_time", [None, "3.16", 0, -1, float("nan"), float("inf"), True, [3.0]]
)
def test_what_is_no_frame_time_is_an_error(frame_time):
    with pytest.raises(MetadataError, match="time of a read"):
        ReadPattern([[1], [2]], frame_time)


def test_tables_are_those_of_revision_f():
    assert list(MA_TABLES) == [*range(3, 18), 109, 110]
    assert {number: table.number for number, table in MA_TABLES.items()} == {
        number: number for number in MA_TABLES
    }
    last_reads = {number: table.read_pattern.reads[-1][-1] for number, table in MA_TABLES.items()}
    assert last_reads == {
        3: 18, 4: 44, 5: 63, 6: 93, 7: 125, 8: 156, 9: 187, 10: 233, 11: 309, 12: 58, 13: 78,
        14: 96, 15: 118, 16: 146, 17: 193, 109: 44, 110: 44,
    }  # fmt: skip
    resultants = {number: len(table.read_pattern) for number, table in MA_TABLES.items()}
    assert resultants == {3: 5, 4: 9, 5: 12, **dict.fromkeys(range(6, 18), 15), 109: 10, 110: 16}


def test_wide_area_table_read_by_read():
    table = ma_table(4)
    assert table.identifier == "SCI0004"
    assert table.read_pattern.reads == (
        (1,), (2,), (3, 4), (5, 6, 7, 8, 9), tuple(range(10, 18)), tuple(range(18, 26)),
        tuple(range(26, 34)), tuple(range(34, 44)), (44,),
    )  # fmt: skip
    assert table.read_pattern.exposure_time == pytest.approx(139.14868)


def test_reads_are_thrown_away_where_the_table_says_so():
    assert ma_table(109).read_pattern.reads[:5] == (
        (1,), (2, 3), (5, 6, 7), (10, 11, 12, 13), (15, 16, 17, 18, 19, 20),
    )  # fmt: skip


def test_unknown_table_is_an_error():
    with pytest.raises(UsageError, match="1007"):
        ma_table(1007)
