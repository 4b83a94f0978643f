"""Options that several of the commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

LIBRARY = click.option(
    "--library", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="Folder of the PSF library; by default RDMS_PSF_LIBRARY, else ~/.local/share/rdms/psf.",
)  # fmt: skip
PREVIEW = click.option(
    "--preview", type=click.Path(path_type=Path, dir_okay=False), metavar="PNG",
    help="Draw a picture.",
)  # fmt: skip
STATE = click.option(
    "--state", "states", multiple=True, metavar="NAME=VALUE",
    help="State of the telescope, such as focus=0.01; may be repeated.",
)  # fmt: skip


def reference_options(function: F) -> F:
    """Add the options that tell which reference data."""
    for option in (
        click.option("--context", help="Context of the reference data."),
        click.option(
            "--store", type=click.Path(path_type=Path, file_okay=False),
            help="Folder of the reference data; by default RDMS_REFERENCES.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def psf_source(name: str, options: dict[str, Any]) -> Any:
    """Where PSFs are taken from; what tells is taken out of ``options``."""
    from roman_dms.psf.library import PsfLibrary
    from roman_dms.psf.steps.reference_psfs import ReferencePsfs

    folder, store, context = (options.pop(key) for key in ("library", "store", "context"))
    if name == "library":
        return PsfLibrary(folder)
    return ReferencePsfs(store, context) if name == "reference" else name


def light_options(function: F) -> F:
    """Add the options that tell the light."""
    for option in (
        click.option("--wavelength", type=float, help="Mean wavelength of the photons [micron]."),
        click.option("--temperature", type=float, help="Light of a black body [K]."),
        click.option(
            "--spectrum", metavar="TYPE|FILE",
            help="Spectral type, such as G2V, or a text file with two columns: wavelength "
            "[micron] and energy an interval of wavelength, in any unit.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def light(options: dict[str, Any]) -> dict[str, Any]:
    """The light that options tell, as arguments; they are taken out of ``options``."""
    spectrum = options.pop("spectrum")
    if spectrum is not None and Path(spectrum).is_file():
        spectrum = _spectrum_in(Path(spectrum))
    return {
        "spectrum": spectrum,
        "wavelength": options.pop("wavelength"),
        "temperature": options.pop("temperature"),
    }


def named_numbers(texts: Sequence[str], option: str) -> dict[str, float]:
    """Named numbers of an option that may be repeated.

    Raises
    ------
    UsageError
        For what is not NAME=VALUE.
    """
    from roman_dms.errors import UsageError

    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            raise UsageError(f"{option} was given {text!r}.", "NAME=VALUE, a number") from None
    return values


def _spectrum_in(path: Path) -> Any:
    import numpy as np

    from roman_dms.errors import FormatError

    try:
        wave, density = np.loadtxt(path, unpack=True, usecols=(0, 1), comments=("#", ";"))
    except ValueError as error:
        raise FormatError(
            f"{path} is no spectrum: {error}.", "two columns of numbers: wavelength and energy"
        ) from None
    return wave, density
