"""``rdms psf kernel``: the kernel that turns one PSF into another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from roman_dms.cli.psf.choices import LIBRARY, PREVIEW


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option(
    "--at", "place", type=(float, float), default=(2043.5, 2043.5), show_default=True,
    metavar="X Y", help="Place on the detector [pixel].",
)  # fmt: skip
@click.option("--size", type=int, help="Width of the kernel [pixel], odd; as wide as the PSFs.")
@click.option(
    "--wavelengths", type=(float, float), metavar="FROM TO",
    help="Mean wavelengths of the light in both [micron]; the middle of each by default.",
)  # fmt: skip
@click.option(
    "--significance", type=float,
    help="Light of a star, in the noise of a pixel, for which residual and noise balance.",
)  # fmt: skip
@click.option(
    "--noise-limit", type=float,
    help="Largest factor by which the variance of a pixel's noise may rise.",
)  # fmt: skip
@click.option(
    "--recentred", is_flag=True, help="Move the target onto the centre of light of the source."
)
@LIBRARY
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the kernels as FITS.",
)  # fmt: skip
@PREVIEW
def command(
    source: str,
    target: str,
    place: tuple[float, float],
    library: Path | None,
    wavelengths: tuple[float, float] | None,
    output: Path | None,
    preview: Path | None,
    **options: Any,
) -> None:
    """Find the kernel that turns the PSF FROM into the PSF TO, and tell what it leaves.

    A PSF is named by DETECTOR/ELEMENT (the optical model), library:DETECTOR/ELEMENT,
    gaussian:FWHM (in pixels), an epsf file (.asdf) or an image of a PSF (.fits, samples
    a pixel in OVERSAMP).

    \b
    rdms psf kernel WFI01/F129 WFI01/F184 --at 1000 1000 -o kernel.fits
    rdms psf kernel WFI01/F158 gaussian:2 --preview kernel.png

    Convolve an image with the kernel PIXELS; OVERSAMPLED is for oversampled images. A
    kernel that would raise the noise beyond the limit is refused.
    """
    from roman_dms.psf.library import PsfLibrary
    from roman_dms.psf.matching.kernels import matching_kernel
    from roman_dms.psf.steps.named import named_psf

    store = PsfLibrary(library)
    grids = [named_psf(name, store).grid for name in (source, target)]
    waves = wavelengths or tuple(float(grid.wavelengths[[0, -1]].mean()) for grid in grids)
    light, wanted = (grid.at(*place, wave) for grid, wave in zip(grids, waves, strict=True))
    settings = {name: value for name, value in options.items() if value is not None}
    match = matching_kernel(
        light, wanted, oversample=grids[0].oversample, target_oversample=grids[1].oversample,
        **settings,
    )  # fmt: skip
    _tell(match)
    if output:
        from roman_dms.psf.steps.kernels import write_kernel

        write_kernel(match, output, source=source, target=target, place=place)
        click.echo(f"wrote {output}", err=True)
    if preview:
        from roman_dms.psf.steps.pictures import draw_kernel

        draw_kernel(match.pixels.values, match.pixels.achieved, preview)
        click.echo(f"wrote {preview}", err=True)


def _tell(match: Any) -> None:
    """What the kernel on pixels does."""
    kernel, left = match.pixels, match.pixels.residual
    click.echo(f"kernel of {kernel.values.shape[0]} pixels")
    click.echo(f"largest residual   {left.largest:.2e} of the target's peak, rms {left.rms:.1e}")
    click.echo(f"variance of noise  x {kernel.noise:.3f}{' (it sharpens)' * match.sharpens}")
    for radius, error in zip(left.radii, left.encircled, strict=True):
        click.echo(f"light within {radius:4.1f} pixels  {error:+.2e} of all")
