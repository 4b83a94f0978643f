import itertools

import pytest

from roman_dms.errors import UsageError
from roman_dms.planning.dithers import dither_pattern
from roman_dms.planning.program import Program, plan_program
from roman_dms.planning.slews import overhead


def test_epochs_rolls_filters_and_dithers_become_the_mission_s_hierarchy():
    program = Program(
        ra=10.0, dec=-5.0, start=61557.0, position_angle=350.0, rolls=(0.0, 15.0),
        elements=("F158", "F129", "PRISM"), offsets=dither_pattern("line", 2), epochs=2,
        cadence=3.0,
    )  # fmt: skip
    exposures = plan_program(program)
    assert len(exposures) == 2 * 2 * 3 * 2
    names = [(e.pass_, e.segment, e.observation, e.visit, e.exposure) for e in exposures]
    assert names == list(itertools.product((1, 2), (1, 2), (1, 2, 3), (1,), (1, 2)))
    assert {e.position_angle for e in exposures} == {350.0, 5.0}
    assert [e.element for e in exposures[:6:2]] == ["F158", "F129", "PRISM"]
    assert exposures[12].start == 61560.0
    for before, after in itertools.pairwise(exposures[:12]):
        gap = (after.start - before.end) * 86400
        assert gap == pytest.approx(overhead(before, after), abs=1e-4)
        assert gap > 18


def test_impossible_programs():
    with pytest.raises(UsageError, match="cadence"):
        plan_program(Program(ra=0, dec=0, start=61557.0, epochs=2, cadence=0.001))
    with pytest.raises(UsageError, match="F999"):
        Program(ra=0, dec=0, start=61557.0, elements=("F158", "F999"))
    with pytest.raises(UsageError, match="declination 95"):
        Program(ra=0, dec=95, start=61557.0)
    with pytest.raises(UsageError, match="multi-accumulation table 1"):
        Program(ra=0, dec=0, start=61557.0, ma_table=1)
