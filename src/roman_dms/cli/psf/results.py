"""What several commands do with the images of stars that they made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from roman_dms.psf.effective import EffectivePsf


def show(
    found: EffectivePsf, output: Path | None, preview: Path | None, *, covariance: bool
) -> None:
    """Print the images' figures; write and draw them where that is asked for."""
    click.echo(f"{found.origin}; {found.wavelength:.3f} micron")
    for number, image in enumerate(found.images):
        click.echo(
            f"x {found.x[number]:9.3f}  y {found.y[number]:9.3f}  brightest {image.max():.5f}"
            f" +- {found.error[number].max():.5f}  sum {image.sum() / found.oversample**2:.4f}"
        )
    if output:
        from roman_dms.psf.steps.images import write_images

        write_images(found, output, covariance=covariance)
        click.echo(f"wrote {output}", err=True)
    if preview:
        from roman_dms.psf.steps.pictures import draw_psf

        draw_psf(found, preview)
        click.echo(f"wrote {preview}", err=True)
