"""``rdms psf query``: the image of a star at given places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from roman_dms.cli.psf.choices import (
    LIBRARY,
    PREVIEW,
    STATE,
    light,
    light_options,
    named_numbers,
    psf_source,
    reference_options,
)
from roman_dms.cli.psf.results import show


@click.command()
@click.argument("detector")
@click.argument("element")
@click.option(
    "--at", "places", type=(float, float), multiple=True, required=True, metavar="X Y",
    help="Place in the science array [pixel], counted from 0; may be repeated.",
)  # fmt: skip
@click.option(
    "--source", default="optical", show_default=True, metavar="SOURCE",
    help="'optical' (model, without the capacitance between pixels), 'reference' (data), 'library',"
    " or an epsf file.",
)  # fmt: skip
@reference_options
@click.option("--oversample", default=1.0, show_default=True, help="Samples a pixel, any number.")
@click.option("--size", default=25, show_default=True, help="Width of the images [pixel], odd.")
@light_options
@click.option("--jitter", type=float, help="Pointing jitter, standard deviation an axis [arcsec].")
@click.option(
    "--defocus", default=0.0, show_default=True,
    help="Noll's Z4 added to the wavefront, RMS [micron]; of the optical model alone.",
)  # fmt: skip
@click.option(
    "--centred", is_flag=True,
    help="Put the star on the middle sample, not where it falls in its pixel.",
)  # fmt: skip
@LIBRARY
@click.option("--date", help="Which of the library or the reference data: of this date, ISO.")
@STATE
@click.option("--version", type=int, help="Which of the library: this version.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the images and their errors: .fits or .asdf.",
)  # fmt: skip
@click.option("--covariance", is_flag=True, help="Write the covariance of each image, too.")
@PREVIEW
def command(
    detector: str,
    element: str,
    places: tuple[tuple[float, float], ...],
    output: Path | None,
    covariance: bool,
    preview: Path | None,
    **options: Any,
) -> None:
    """Make images of stars of unit light on DETECTOR in ELEMENT, with their errors.

    A sample is the fraction of the star's light in a pixel centred there. Errors are
    those of interpolation, of measured PSFs, and of the colour where none is told.

    \b
    rdms psf query WFI01 F158 --at 1000.3 2000.8
    rdms psf query WFI07 F106 --at 10 20 --at 4000 20 --oversample 4 --centred -o psf.fits
    rdms psf query WFI01 F158 --at 1000 1000 --source library --date 2027-06-01 --spectrum M5V
    """
    from roman_dms.psf.steps.effective import effective_psf

    x, y = ([place[axis] for place in places] for axis in (0, 1))
    found = effective_psf(
        detector.upper(), element.upper(), x, y, **_source(options), **light(options),
        oversample=options["oversample"], size=options["size"], jitter=options["jitter"],
        defocus=options["defocus"], phase=not options["centred"],
    )  # fmt: skip
    show(found, output, preview, covariance=covariance)


def _source(options: dict[str, Any]) -> dict[str, Any]:
    """Where PSFs are taken from, and which of the library."""
    chosen = {
        "date": options.pop("date"),
        "engineering": named_numbers(options.pop("states"), "--state") or None,
        "version": options.pop("version") or "latest",
    }
    return {"source": psf_source(options.pop("source"), options), **chosen}
