"""``rdms psf mosaic``: the image of a star on a mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from roman_dms.cli.psf.choices import (
    LIBRARY,
    PREVIEW,
    light,
    light_options,
    psf_source,
    reference_options,
)
from roman_dms.cli.psf.results import show


@click.command()
@click.argument("mosaic", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--at", "position", type=(float, float), metavar="RA DEC", help="Place on the sky, ICRS [deg]."
)
@click.option(
    "--pixel", type=(float, float), metavar="X Y",
    help="Or place on the mosaic [pixel], counted from 0.",
)  # fmt: skip
@click.option(
    "--source", "sources", multiple=True, metavar="SOURCE",
    help="'reference' (data, the default), 'library', 'optical' (model, without the capacitance"
    " between pixels), or an epsf file; repeated, files of several detectors.",
)  # fmt: skip
@reference_options
@click.option("--oversample", default=1.0, show_default=True, help="Samples a pixel of the mosaic.")
@click.option(
    "--size", default=49, show_default=True, help="Width of the image [pixel of the mosaic], odd."
)
@light_options
@click.option("--jitter", type=float, help="Pointing jitter, standard deviation an axis [arcsec].")
@click.option(
    "--centred", is_flag=True,
    help="Put the star on the middle sample, not where it falls in its pixel.",
)  # fmt: skip
@LIBRARY
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the image and its errors: .fits or .asdf.",
)  # fmt: skip
@click.option("--covariance", is_flag=True, help="Write the covariance of the image, too.")
@PREVIEW
def command(
    mosaic: Path,
    position: tuple[float, float] | None,
    pixel: tuple[float, float] | None,
    sources: tuple[str, ...],
    output: Path | None,
    covariance: bool,
    preview: Path | None,
    **options: Any,
) -> None:
    """Make the image of a star of unit light at a place of MOSAIC, with its errors.

    The mosaic tells which exposures it is made of there, where the place lies on each, and
    what each counts; the reference data, how a star looks there. For the kernels 'square' and
    'point'.

    \b
    rdms psf mosaic l3/deep_coadd.asdf --at 270.012 65.998
    rdms psf mosaic l3/deep_coadd.asdf --pixel 2500 1800 --oversample 2 -o psf.fits
    rdms psf mosaic l3/deep_coadd.asdf --at 270.012 65.998 --source library --spectrum M5V
    """
    from roman_dms.psf.steps.mosaic_file import psf_of_mosaic

    ra, dec = position or (None, None)
    x, y = pixel or (None, None)
    chosen = psf_source(sources[0] if sources else "reference", options)
    found = psf_of_mosaic(
        mosaic, ra, dec, x=x, y=y, source=sources if len(sources) > 1 else chosen,
        **light(options), jitter=options["jitter"], oversample=options["oversample"],
        size=options["size"], phase=not options["centred"],
    )  # fmt: skip
    show(found, output, preview, covariance=covariance)
