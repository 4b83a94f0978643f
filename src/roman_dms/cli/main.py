"""The command ``rdms``: finds the subcommand, and turns errors into exit codes."""

from __future__ import annotations

import sys
from typing import Any

import click

from roman_dms import __version__, errors
from roman_dms.cli.lazy import LazyGroup

COMMANDS = {
    "align": "Align exposures to the stars of Gaia.",
    "associate": "Sort images into associations, one a mosaic.",
    "calibrate": "Calibrate raw exposures: L1 to L2.",
    "catalog": "Find and measure the sources of an image.",
    "convert": "Convert L2 between ASDF and FITS, without loss.",
    "hips": "Make a HiPS of mosaics, to look at a survey.",
    "info": "Tell at a glance what a file is.",
    "mosaic": "Combine images into mosaics of sky cells: L2 to L3.",
    "preview": "Draw a product as a PNG.",
    "psf": "Point-spread functions: build, query, match, validate.",
    "recipe": "Show the steps of a recipe and their parameters.",
    "references": "Reference data: bootstrap, select, submit, serve.",
    "simulate": "Simulate scenes, exposures, mosaics and visits.",
    "skycells": "The tessellation of the sky: find, list and draw its cells.",
    "stamp": "Combine images into a stamp with a PSF of your choice (linear-optimal).",
    "validate": "Check products against the mission's schemas (RAD).",
}
"""The commands, each a module of this package, and what they are for."""

EXIT_CODES: dict[type[errors.RdmsError], int] = {
    errors.UsageError: 2,
    errors.RecipeError: 2,
    errors.FileError: 3,
    errors.FormatError: 4,
    errors.ValidationError: 5,
    errors.MetadataError: 6,
    errors.ReferenceDataError: 7,
    errors.CalibrationError: 8,
}
"""Exit code of each class of error; 1 is a fault of the program, 130 an interruption."""


@click.command(
    cls=LazyGroup,
    package="roman_dms.cli",
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First steps: 'rdms references bootstrap', then 'rdms calibrate FILE'.",
)
@click.version_option(__version__, prog_name="rdms")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def rdms(debug: bool) -> None:
    """Roman DMS: from raw exposures of the Wide Field Instrument to science."""


def exit_code(error: errors.RdmsError) -> int:
    """Exit code of an error: that of its class, or of the nearest base in the table."""
    return next((EXIT_CODES[base] for base in type(error).__mro__ if base in EXIT_CODES), 1)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; no traceback reaches a user unless ``--debug``."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        result: Any = rdms.main(arguments, prog_name="rdms", standalone_mode=False)
    except errors.RdmsError as error:
        _fail(str(error), exit_code(error), arguments)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail("Interrupted; nothing half-written was left behind.", 130, arguments)
    except Exception as error:  # noqa: BLE001  the last line of defence
        _fail(
            f"{type(error).__name__}: {error}\nThis is a fault of the program. "
            "What to do: run again with --debug and report what it shows.",
            1,
            arguments,
        )
    else:
        sys.exit(result if isinstance(result, int) else 0)


def _fail(message: str, code: int, arguments: list[str]) -> None:
    if "--debug" in arguments:
        raise  # noqa: PLE0704  called while the error is handled
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    sys.exit(code)
