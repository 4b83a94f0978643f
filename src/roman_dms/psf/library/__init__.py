"""The PSF library: which effective PSFs there are, where they are from, which to take.

>>> from roman_dms.psf.library import PsfLibrary
>>> choice = PsfLibrary("psf").query("WFI01", "F158", time="2027-06-01")  # doctest: +SKIP
>>> print(*choice.why, sep="; ")  # doctest: +SKIP
2 entries of WFI01 in F158; 1 of them holds on 2027-06-01; version 2
"""

from roman_dms.psf.library.entries import Entry
from roman_dms.psf.library.library import PsfLibrary, default_path
from roman_dms.psf.library.selection import Choice

__all__ = ["Choice", "Entry", "PsfLibrary", "default_path"]
