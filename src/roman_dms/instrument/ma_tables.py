"""Multi-accumulation tables: the read patterns that the mission has defined.

A table is named by its number in ``meta.exposure.ma_table_number``.  Numbers 3
to 17 are revision F of the mission's project reference database; 109 and 110
are not flown, they were made to test the ground system.  Source: the parameters
of ``romanisim`` 0.14, with the frame time of the imaging mode for all of them;
names after the Roman documentation (RDox), where it gives one.  A later
revision has other numbers: its tables come with the ``matable`` reference file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from roman_dms.errors import UsageError
from roman_dms.instrument.read_patterns import ReadPattern

FRAME_TIME = 3.16247
"""Time from one read to the next in the imaging mode [s] (``romanisim`` 0.14)."""


@dataclass(frozen=True)
class MATable:
    """A multi-accumulation table."""

    number: int
    """RAD's ``ma_table_number``."""

    name: str
    """RAD's ``ma_table_name``; the identifier where the name is not public."""

    steps: tuple[int, ...]
    """Reads averaged into each resultant in turn; -n for n reads thrown away."""

    source: str
    """Where the table was published."""

    frame_time: float = FRAME_TIME
    """Time from one read to the next [s]."""

    @property
    def identifier(self) -> str:
        """RAD's ``ma_table_id``."""
        return f"SCI{self.number:04d}"

    @cached_property
    def read_pattern(self) -> ReadPattern:
        """Which reads are averaged into each resultant."""
        reads, next_read = [], 1
        for step in self.steps:
            if step > 0:
                reads.append(range(next_read, next_read + step))
            next_read += abs(step)
        return ReadPattern(reads, self.frame_time)


FLIGHT = "project reference database, revision F, as in romanisim 0.14"
TEST = "test of the ground system, as in romanisim 0.14"

MA_TABLES = {
    table.number: table
    for table in (
        MATable(3, "C1_IMG_MICROLENS", (1, 2, 6, 8, 1), FLIGHT),
        MATable(4, "C2A_IMG_HLWAS", (1, 1, 2, 5, 8, 8, 8, 10, 1), FLIGHT),
        MATable(5, "C2B_IMG_HLWAS", (1, 1, 2, 6, 6, 6, 6, 6, 8, 10, 10, 1), FLIGHT),
        MATable(6, "C2C_IMG_HLWAS", (1, 1, 2, 6, 6, 6, 8, 8, 8, 8, 8, 10, 10, 10, 1), FLIGHT),
        MATable(7, "C2D_IMG_HLWAS", (1, 1, 2, 8, 8, 10, 10, 12, 12, 12, 12, 12, 12, 12, 1), FLIGHT),
        MATable(8, "C2E_IMG_HLWAS", (1, 1, 2, 8, 9, 10, 12, 16, 16, 16, 16, 16, 16, 16, 1), FLIGHT),
        MATable(9, "C2F_IMG_HLWAS", (1, 1, 2, 8, 8, 10, 12, 16, 16, 16, 16, 16, 32, 32, 1), FLIGHT),
        MATable(
            10, "C2G_IMG_HLWAS", (1, 1, 2, 8, 12, 16, 16, 16, 16, 16, 32, 32, 32, 32, 1), FLIGHT
        ),
        MATable(
            11, "C2H_IMG_HLWAS", (1, 1, 2, 16, 16, 16, 32, 32, 32, 32, 32, 32, 32, 32, 1), FLIGHT
        ),
        MATable(12, "SCI0012", (1, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 1), FLIGHT),
        MATable(13, "SCI0013", (1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 1), FLIGHT),
        MATable(14, "SCI0014", (1, 2, 2, 4, 6, 8, 8, 8, 8, 8, 8, 8, 8, 16, 1), FLIGHT),
        MATable(15, "SCI0015", (1, 2, 2, 4, 6, 6, 12, 12, 12, 12, 12, 12, 12, 12, 1), FLIGHT),
        MATable(16, "SCI0016", (1, 2, 2, 8, 12, 12, 12, 12, 12, 12, 12, 16, 16, 16, 1), FLIGHT),
        MATable(17, "SCI0017", (2, 2, 2, 6, 8, 12, 16, 16, 16, 16, 16, 16, 32, 32, 1), FLIGHT),
        MATable(109, "SCI0109", (1, 2, -1, 3, -2, 4, -1, 6, 6, 6, 6, 5, 1), TEST),
        MATable(110, "SCI0110", (1, *14 * (3,), 1), TEST),
    )
}
"""Tables by number."""


def ma_table(number: int) -> MATable:
    """Return the multi-accumulation table of a number.

    >>> ma_table(3).read_pattern.reads[:3]
    ((1,), (2, 3), (4, 5, 6, 7, 8, 9))

    Raises
    ------
    UsageError
        For a number that is not in :data:`MA_TABLES`.
    """
    if number not in MA_TABLES:
        raise UsageError(
            f"There is no multi-accumulation table {number!r}.",
            f"one of {', '.join(map(str, MA_TABLES))}",
            "give the read pattern itself, or a matable reference file that has the number",
        )
    return MA_TABLES[number]
