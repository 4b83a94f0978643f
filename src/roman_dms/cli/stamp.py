"""``rdms stamp``: images combined into a stamp with a PSF of one's choice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("files", nargs=-1, metavar="[L2FILE]...")
@click.option("--at", "place", nargs=2, type=float, required=True, metavar="RA DEC",
              help="Middle of the stamp, ICRS [deg].")  # fmt: skip
@click.option("--size", type=click.IntRange(1, 2000), default=64, show_default=True,
              help="Rows and columns.")  # fmt: skip
@click.option("--pixel-scale", "scale", type=click.FloatRange(0.01, 1), default=0.055,
              show_default=True, help="Side of a pixel [arcsec].")  # fmt: skip
@click.option("--position-angle", type=float, default=0.0,
              help="Angle of its y axis, from north to east [deg].")  # fmt: skip
@click.option("--target-fwhm", type=float, default=0.22, show_default=True,
              help="Width of the Gaussian that its PSF shall be [arcsec].")  # fmt: skip
@click.option("--broadened", is_flag=True,
              help="Blur the mean PSF of the images by that Gaussian in place of it.")  # fmt: skip
@click.option("--kappa", type=click.FloatRange(min=0, min_open=True), default=1e-4,
              show_default=True, help="Worth of noise against leakage.")  # fmt: skip
@click.option("--leakage", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="Leakage that each pixel may have, with the least noise, in place of --kappa; "
              "several times slower.")  # fmt: skip
@click.option("--radius", type=float, default=0.9, show_default=True,
              help="Input pixels this far around are used [arcsec].")  # fmt: skip
@click.option("--psf", default="reference", show_default=True, metavar="PSF",
              help="PSFs of the images: those of the reference data; library:{detector}/{element}; "
              "an epsf file; {detector}/{element}, the optical model without interpixel "
              "capacitance; gaussian:FWHM.")  # fmt: skip
@click.option("--context", help="Context of the reference data.")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False),
              help="Folder of the reference data (RDMS_REFERENCES).")  # fmt: skip
@click.option("--wavelength", type=float,
              help="Mean wavelength of the light [micron]; by default a G2V star's.")  # fmt: skip
@click.option("--mosaic", type=click.Path(path_type=Path, dir_okay=False),
              help="A mosaic: what it rejected is left out, and without files its images, in "
              "--folder, are taken.")  # fmt: skip
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=".",
              help="Where the images of --mosaic are; by default here.")  # fmt: skip
@click.option("--covariance", is_flag=True, help="Write the covariance of all pixels, too.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads; by default all cores.")
@click.option("-o", "--output", "outputs", type=click.Path(path_type=Path, dir_okay=False),
              multiple=True, help="File: .fits, .asdf or .png; may be repeated. By default "
              "stamp.fits.")  # fmt: skip
def command(
    files: tuple[str, ...], place: tuple[float, float], mosaic: Path | None, folder: Path,
    covariance: bool, threads: int | None, outputs: tuple[Path, ...], **wanted: Any,
) -> None:  # fmt: skip
    """Combine images into a stamp with a PSF of your choice (linear-optimal).

    \b
    rdms stamp l2/*_f158_cal.asdf --at 270.01 65.02 --size 64 --target-fwhm 0.22 -o star.fits
    rdms stamp l2/*.asdf --at 270.01 65.02 --leakage 1e-4 -o star.asdf -o star.png
    rdms stamp --mosaic l3/r00001_coadd.asdf --folder l2 --at 270.01 65.02

    Every pixel of a stamp is the sum of input pixels that brings its PSF nearest to the target
    (Rowe, Hirata & Rhodes 2011). It costs thousands of times a drizzled pixel: for stamps.
    """
    from roman_dms.errors import UsageError
    from roman_dms.mosaics.steps.stamp_files import FORMATS, write_stamp
    from roman_dms.mosaics.steps.stamps import StampRequest, make_stamp, record_of

    outputs = outputs or (Path("stamp.fits"),)
    for output in outputs:
        if output.suffix not in FORMATS:
            raise UsageError(f"{output} has the ending {output.suffix!r}.", ", ".join(FORMATS))
    if not files and mosaic is None:
        raise UsageError("No images were named.", "L2 files, or a mosaic and its folder")
    request = StampRequest(*place, **wanted)
    names, rejected = record_of(mosaic) if mosaic else ([], {})
    made = make_stamp(
        files or [folder / name for name in names],
        request,
        rejected=rejected,
        keep_weights=covariance,
        workers=threads or os.cpu_count() or 1,
    )
    for output in outputs:
        write_stamp(made, output, covariance=covariance)
        click.echo(f"{output}  {_line(made.stamp, len(made.names))}")


def _line(stamp: Any, images: int) -> str:
    """How good it is."""
    import numpy as np

    return (
        f"{images} images, leakage {np.median(stamp.leakage):.1e} (median) "
        f"{stamp.leakage.max():.1e} (worst), {np.isfinite(stamp.data).mean():.0%} covered"
    )
