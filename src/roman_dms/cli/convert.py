"""``rdms convert``: L2 images and L3 mosaics from ASDF to FITS and back."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False),
              help="Where to write; the suffix, .fits or .asdf, tells the format.")  # fmt: skip
def command(file: str, output: Path) -> None:
    """Convert an L2 image or L3 mosaic between ASDF and FITS, without loss.

    The FITS file has the usual keywords, the arrays as extensions, a FITS WCS
    with its largest error in WCSRESID, and the whole tree with the exact WCS in
    the extension ASDF, from which the way back takes it.

    \b
    rdms convert r0001_cal.asdf -o r0001_cal.fits
    rdms convert r0001_cal.fits -o r0001_cal.asdf
    """
    from roman_dms.formats.fits import convert

    convert(file, output)
    click.echo(str(output))
