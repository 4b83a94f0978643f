"""``rdms preview``: draw a product as a PNG."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="The picture; by default in this folder, with the suffix .png.")  # fmt: skip
@click.option("--raw", metavar="FILE", help="An L1 file, to be drawn beside an L2 file.")
def command(file: str, output: Path | None, raw: str | None) -> None:
    """Draw a product, or a reference file, for a first look.

    \b
    rdms preview r0001_cal.asdf -o r0001.png
    rdms preview r0001_cal.asdf --raw r0001_uncal.asdf -o r0001.png
    """
    from roman_dms.formats import preview, products

    output = output or Path(Path(file).name).with_suffix(".png")
    if raw is None:
        preview.write_preview(products.read_product(file), output)
    else:
        exposure, image = products.read_raw_exposure(raw), products.read_rate_image(file)
        preview.compare_preview(exposure, image, output)
    click.echo(str(output))
