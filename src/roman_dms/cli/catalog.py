"""``rdms catalog``: find and measure the sources of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from roman_dms.catalogs.steps.files import Catalogued
    from roman_dms.catalogs.steps.source_catalog import SourceCatalogParameters
    from roman_dms.psf.evaluation import PsfField


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...",
                type=click.Path(path_type=Path, dir_okay=False))  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the catalogues; by default beside each image, which then names "
                   "them in its metadata.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="Set a parameter; 'rdms recipe --describe' lists those of "
                   "source_catalog.")  # fmt: skip
@click.option("--psf", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="PSF, in place of the reference file: an epsf file (ASDF).")  # fmt: skip
@click.option("--fwhm", type=click.FloatRange(min=0, min_open=True), metavar="PIXELS",
              help="FITS: a Gaussian PSF of this full width at half maximum.")  # fmt: skip
@click.option("--data", metavar="EXTENSION", help="FITS: extension of the image.")
@click.option("--errors", metavar="EXTENSION",
              help="FITS: extension of the errors; measured on the sky without one.")  # fmt: skip
@click.option("--mask", metavar="EXTENSION",
              help="FITS: extension whose pixels are left out where not zero.")  # fmt: skip
@click.option("--zero-point", type=float, metavar="MAG",
              help="FITS: AB magnitude of one unit of the image.")  # fmt: skip
@click.option("--context", help="Context of the reference data.")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False),
              help="Folder of the reference data (RDMS_REFERENCES).")  # fmt: skip
@click.option("--preview", is_flag=True, help="Draw each image with its sources, as a PNG.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads; all cores by default.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    files: tuple[Path, ...], output: Path | None, settings: tuple[str, ...], psf: Path | None,
    fwhm: float | None, data: str | None, errors: str | None, mask: str | None,
    zero_point: float | None, context: str | None, store: Path | None, preview: bool,
    threads: int | None, quiet: bool,
) -> int:  # fmt: skip
    """Find and measure the sources of L2 images, or of any FITS image.

    \b
    rdms catalog r0001_wfi01_f158_cal.asdf --preview
    rdms catalog r*_cal.asdf --set threshold=4 -o deep
    rdms catalog mine.fits --errors ERR --fwhm 2.1 --zero-point 26.5

    Writes a catalogue (_cat.parquet; astropy, TOPCAT and pandas read it) and a map
    of the pixels of each source (_segm.asdf, or _segm.fits for FITS).  An image
    that cannot be measured is reported and the others go on; the exit code is
    then that of the first error.
    """
    from roman_dms.cli.main import exit_code
    from roman_dms.errors import RdmsError
    from roman_dms.pipeline.memory import keep_freed_memory

    keep_freed_memory()
    parameters = _parameters(settings)
    workers, code = threads or os.cpu_count() or 1, 0
    fits_options = {"data": data, "errors": errors, "mask": mask, "zero_point": zero_point}
    if output:
        output.mkdir(parents=True, exist_ok=True)
    for file in files:
        try:
            if file.suffix.lower() in (".fits", ".fit", ".gz"):
                done = _of_fits(file, fits_options, _psf(psf, fwhm), parameters, output, workers)
            else:
                done = _of_l2(file, store, context, psf, parameters, output, workers)
            if preview:
                _draw(done)
            if not quiet:
                _tell(done)
        except RdmsError as error:
            click.secho(f"Error: {file}: ", fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            code = code or exit_code(error)
    return code


def _parameters(settings: tuple[str, ...]) -> SourceCatalogParameters:
    """The parameters with the changes that were asked for."""
    from roman_dms.recipes import load

    recipe = load().with_settings(
        f"source_catalog.{one.removeprefix('source_catalog.')}" for one in settings
    )
    chosen: Any = recipe.steps[recipe.index("source_catalog")].parameters
    return chosen


def _of_l2(
    file: Path, store: Path | None, context: str | None, psf: Path | None,
    parameters: SourceCatalogParameters, output: Path | None, workers: int,
) -> Catalogued:  # fmt: skip
    from roman_dms.catalogs.steps.files import catalogue_l2
    from roman_dms.references.overlay import open_context
    from roman_dms.references.selected import SelectedReferences
    from roman_dms.references.store import ReferenceStore

    context_ = open_context(ReferenceStore(store), context)
    references = SelectedReferences(context_, {"epsf": psf} if psf else None)
    return catalogue_l2(file, references, parameters, folder=output, workers=workers)


def _of_fits(
    file: Path, options: dict[str, Any], psf: PsfField, parameters: SourceCatalogParameters,
    output: Path | None, workers: int,
) -> Catalogued:  # fmt: skip
    from roman_dms.catalogs.steps.files import catalogue_fits
    from roman_dms.catalogs.steps.fits_images import read_fits_image

    found = read_fits_image(file, **options)
    return catalogue_fits(file, found, psf, parameters, folder=output, workers=workers)


def _psf(psf: Path | None, fwhm: float | None) -> PsfField:
    """The PSF of a FITS image."""
    from roman_dms.errors import UsageError
    from roman_dms.formats.reference_files import read_reference
    from roman_dms.products.reference import Epsf
    from roman_dms.psf.evaluation import PsfField
    from roman_dms.psf.plain import gaussian_psf
    from roman_dms.psf.steps.reference_files import read_epsf

    if fwhm is not None:
        return PsfField.of(gaussian_psf(fwhm))
    reference = read_reference(psf) if psf else None
    if not isinstance(reference, Epsf):
        raise UsageError(
            "The PSF of a FITS image is not known.",
            "a Gaussian (--fwhm PIXELS) or an epsf file (--psf FILE)",
        )
    return PsfField.of(read_epsf(reference))


def _draw(done: Catalogued) -> None:
    from roman_dms.catalogs.steps.picture import write_picture

    write_picture(done, done.catalogue.with_suffix(".png"))


def _tell(done: Catalogued) -> None:
    columns = done.sources.columns
    extended = int(columns["is_extended"].sum()) if len(done.sources) else 0
    flagged = int((columns["warning_flags"] != 0).sum()) if len(done.sources) else 0
    click.echo(
        f"{done.image.name}: {len(done.sources):,} sources, {extended:,} extended, "
        f"{flagged:,} with warnings, in {done.seconds:.1f} s"
    )
    click.echo(f"  {done.catalogue}\n  {done.segments}")
