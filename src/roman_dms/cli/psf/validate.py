"""``rdms psf validate``: effective PSFs against stars, or against one another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roman_dms.cli.psf.choices import LIBRARY, PREVIEW
from roman_dms.errors import CalibrationError, UsageError

if TYPE_CHECKING:
    from roman_dms.psf.validation.report import Validation


@click.command()
@click.argument("psf", metavar="PSF")
@click.argument("truth", metavar="IMAGE|PSF")
@click.option(
    "--stars", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Catalogue of all sources of the image, faint ones too: places (x_psf and y_psf, x "
    "and y, or ra and dec), light (psf_flux, flux or rate), and type (PSF for stars).",
)  # fmt: skip
@click.option("--wavelength", type=float, help="Mean wavelength of the light [micron].")
@click.option("--colour", metavar="COLUMN", help="Tell the error of light by this column, too.")
@click.option(
    "--significance", default=100.0, show_default=True, help="Least light of a star, in its noise."
)
@click.option("--most", default=2000, show_default=True, help="Stars at most, the brightest.")
@click.option(
    "--limit", "limits", multiple=True, metavar="NAME=VALUE",
    help="Largest absolute value of a row of the table; by default size=0.001, e1=0.0005, "
    "e2=0.0005, flux=0.005.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@LIBRARY
@PREVIEW
def command(
    psf: str,
    truth: str,
    stars: Path | None,
    library: Path | None,
    limits: tuple[str, ...],
    as_json: bool,
    preview: Path | None,
    **options: Any,
) -> None:
    """Tell how well a PSF describes the stars of an L2 IMAGE, or another PSF.

    Size, shape, light, place and residuals of stars against those of the PSF, with
    errors. A PSF is named by DETECTOR/ELEMENT (the optical model),
    library:DETECTOR/ELEMENT or an epsf file. Exits with an error if a limit is exceeded.

    \b
    rdms psf validate library:WFI01/F158 image_cal.asdf --stars image_cat.parquet
    rdms psf validate mine.asdf WFI01/F158 --limit size=0.01 --preview difference.png
    """
    from roman_dms.psf.library import PsfLibrary
    from roman_dms.psf.steps.named import named_psf

    store = PsfLibrary(library)
    grid = named_psf(psf, store).grid
    if stars is not None:
        from roman_dms.psf.steps.validation import validate_image

        found = validate_image(grid, truth, stars, **options)
    else:
        from roman_dms.psf.validation.comparison import compare

        _check_options(options)
        found = compare(grid, named_psf(truth, store).grid, wavelength=options["wavelength"])
    _show(found, as_json)
    if preview:
        found.draw(preview)
        click.echo(f"wrote {preview}", err=True)
    if failures := found.failures(_limits(limits)):
        raise CalibrationError(
            f"{psf} does not describe {truth} well enough: " + "; ".join(failures) + ".",
            "errors within the limits (--limit)",
            "look at --preview; PSFs from the stars themselves may do ('rdms psf build')",
        )


def _check_options(options: dict[str, Any]) -> None:
    """Options of stars mean nothing between two PSFs."""
    if options["colour"] is not None:
        raise UsageError("--colour was given without --stars.", "a catalogue of stars with it")


def _limits(texts: tuple[str, ...]) -> dict[str, float] | None:
    """Limits by name; None for those by default."""
    from roman_dms.cli.psf.choices import named_numbers

    return named_numbers(texts, "--limit") or None


def _show(found: Validation, as_json: bool) -> None:
    import json
    import math

    rows = found.table()
    if as_json:
        content = [
            {
                "name": row.name,
                "value": row.value if math.isfinite(row.value) else None,
                "error": row.error if math.isfinite(row.error) else None,
                "unit": row.unit,
                "meaning": row.meaning,
            }
            for row in rows
        ]
        click.echo(json.dumps({"subject": found.subject, "rows": content}, indent=2))
        return
    click.echo(found.subject)
    for row in rows:
        error = f"+- {row.error:.1e}" if math.isfinite(row.error) else ""
        value = f"{row.value:+.3e}" if row.name != "number" else f"{row.value:.0f}"
        click.echo(f"{row.name:<14} {value:>11} {error:<11} {row.unit:<6} {row.meaning}".rstrip())
