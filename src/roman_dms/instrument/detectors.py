"""The 18 H4RG-10 detectors, and any smaller detector made like them."""

from __future__ import annotations

from dataclasses import dataclass

from roman_dms.errors import FormatError, UsageError

NAMES = tuple(f"WFI{number:02d}" for number in range(1, 19))
"""Names of the detectors, by sensor chip assembly (SCA) number."""


@dataclass(frozen=True)
class Detector:
    """Geometry and readout of one detector, in the science orientation.

    A smaller instrument for tests and demonstrations is the same class with
    fewer rows and channels: no other module knows the numbers below.
    """

    name: str
    """``WFI01`` to ``WFI18``."""

    rows: int = 4096
    """Rows with the border."""

    columns: int = 4096
    """Columns with the border."""

    border: int = 4
    """Width of the frame of reference pixels on each side [pixel]."""

    channel_width: int = 128
    """Columns that one readout channel reads [pixel]."""

    row_overhead: int = 12
    """Pixel clocks between the rows of a channel, for the reference-pixel
    correction (Rauscher et al. 2022: 140 clocks a row of 128 pixels)."""

    @property
    def number(self) -> int:
        """SCA number, 1 to 18."""
        return int(self.name[3:])

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) with the border."""
        return self.rows, self.columns

    @property
    def science_shape(self) -> tuple[int, int]:
        """(rows, columns) without the border."""
        return self.rows - 2 * self.border, self.columns - 2 * self.border

    @property
    def channels(self) -> int:
        """Number of readout channels of science pixels."""
        return self.columns // self.channel_width


def detector(name: str, shape: tuple[int, int] = (4096, 4096)) -> Detector:
    """The detector of a name and a size in pixels with border.

    Raises
    ------
    UsageError
        For a name that is none of the 18.
    FormatError
        For a size that no detector of this kind can have.
    """
    if name not in NAMES:
        raise UsageError(f"There is no detector {name!r}.", "one of WFI01 to WFI18")
    rows, columns = shape
    if rows < 16 or columns < 128 or columns % 128:
        raise FormatError(
            f"A detector of {rows} x {columns} pixels (rows x columns) was found.",
            "4096 x 4096, or a smaller one with a multiple of 128 columns",
        )
    return Detector(name, rows, columns)
