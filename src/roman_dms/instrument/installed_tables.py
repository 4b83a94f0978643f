"""Public tables of the mission, read from the packages that carry them.

Files are found without importing their packages: ``pysiaf`` asks a server on
the internet for its newest version when imported, and
``roman_technical_information`` imports half of astropy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from roman_dms.errors import FileError, FormatError


def installed_file(package: str, path: str) -> Path:
    """Path of a data file of an installed package.

    Raises
    ------
    FileError
        Where the package or the file is not there.
    """
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        found = Path(folder) / path
        if found.is_file():
            return found
    raise FileError(
        f"The data file {path} is not installed.",
        f"a file of the package {package}",
        f"pip install {package.replace('_', '-')}",
    )


@cache
def instrument_table(path: str) -> Mapping[str, tuple[str, ...]]:
    """Columns, as text, of a table of the ``roman-technical-information`` package.

    Several of these files claim to be ECSV and have headers or units that ECSV
    does not allow, hence this reader, which needs only the names and the rows.

    Parameters
    ----------
    path
        Path of the file under ``data/WideFieldInstrument``.

    Raises
    ------
    FileError
        Where the table is not installed.
    FormatError
        Where a row has not as many values as there are columns.
    """
    file = installed_file("roman_technical_information", f"data/WideFieldInstrument/{path}")
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    rows = [_cells(line) for line in lines if line and not line.startswith("#")]
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise FormatError(
            f"The table {path} has rows of different lengths.",
            "the table as published in roman-technical-information 1.5",
            "pip install --force-reinstall roman-technical-information",
        )
    return MappingProxyType({name: tuple(values) for name, *values in zip(*rows, strict=True)})


def _cells(line: str) -> list[str]:
    """Values of a line, separated by commas where it has any, by space otherwise."""
    return re.split(r"\s*,\s*", line) if "," in line else line.split()
