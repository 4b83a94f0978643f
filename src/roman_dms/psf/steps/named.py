"""PSFs by name, as they are written on a command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from roman_dms.errors import FileError, UsageError
from roman_dms.psf.build import psf_grid
from roman_dms.psf.effective import EXACT_NODES, PsfModel
from roman_dms.psf.library import PsfLibrary
from roman_dms.psf.plain import constant_psf, gaussian_psf
from roman_dms.psf.steps.images import read_psf_image
from roman_dms.psf.steps.library import library_model
from roman_dms.psf.steps.reference_files import read_model

FORMS = (
    "DETECTOR/ELEMENT (optical model), library:DETECTOR/ELEMENT, gaussian:FWHM in pixels,"
    " an epsf file (.asdf) or an image of a PSF (.fits)"
)
"""How a PSF can be named."""


def named_psf(name: str, library: PsfLibrary | None = None) -> PsfModel:
    """The effective PSFs that a text names.

    Parameters
    ----------
    name
        One of `FORMS`, such as ``WFI01/F158`` or ``gaussian:1.8``.
    library
        Where ``library:`` looks; the default one if not given.

    Raises
    ------
    UsageError
        For a name of another form.
    FileError, FormatError, ReferenceDataError
        For a file or an entry of the library that cannot be used.
    """
    form, colon, rest = name.partition(":")
    path = Path(name)
    if colon and form == "gaussian":
        return replace(_plain(name), grid=gaussian_psf(_width(rest)))
    if colon and form == "library":
        return library_model(library or PsfLibrary(), *_detector_element(rest))[0]
    if path.suffix == ".asdf":
        return read_model(path)
    if path.suffix in {".fits", ".fit"}:
        samples, oversample = read_psf_image(path)
        return replace(_plain(name), grid=constant_psf(samples, oversample))
    detector, element = _detector_element(name)
    return PsfModel(psf_grid(detector, element), origin=f"optical model of {name}")


def _plain(name: str) -> PsfModel:
    """What no telescope's model made."""
    return PsfModel(gaussian_psf(1.0), jitter=0.0, between=EXACT_NODES, origin=name)


def _width(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"The width of a Gaussian is {text!r}.", "a number of pixels") from None


def _detector_element(text: str) -> tuple[str, str]:
    detector, slash, element = text.upper().partition("/")
    if not slash:
        if Path(text).suffix:
            raise FileError(f"{text} is no file of PSFs.", "a file that ends in .asdf or .fits")
        raise UsageError(f"{text!r} names no PSF.", FORMS)
    return detector, element
