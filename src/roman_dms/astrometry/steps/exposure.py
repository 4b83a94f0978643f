"""The one call that aligns the files of exposures."""

from __future__ import annotations

import os
from collections.abc import Iterable

from roman_dms.astrometry.steps.alignment_files import write_outcome
from roman_dms.astrometry.steps.exposure_files import read_file
from roman_dms.astrometry.steps.exposure_solution import Outcome, Settings, solve_exposure
from roman_dms.astrometry.steps.gaia import ReferenceSource


def align_exposure(
    paths: Iterable[str | os.PathLike[str]],
    source: ReferenceSource,
    settings: Settings | None = None,
    *,
    dry_run: bool = False,
    workers: int = 2,
) -> Outcome:
    """Align the files of one exposure to reference stars.

    The WCS, footprint, states and log of the images, the positions of their
    catalogues and the products of their WCS are replaced, each whole.  An
    exposure that cannot be aligned is marked as FAILED, keeps the WCS of its
    pointing and says why, and so does a detector that matches nothing where the
    others do; an exposure of spectra or of the bulge survey is marked as SKIPPED.

    Parameters
    ----------
    paths
        L2 files (``_cal.asdf``) with their catalogues (``_cat.parquet``) beside;
        detectors may be missing.
    source
        Of the reference stars; see :func:`~roman_dms.astrometry.steps.gaia.open_source`.
    settings
        How; by default as for an instrument before its calibration in flight.
    dry_run
        Write nothing.
    workers
        Files that are written at a time.

    Raises
    ------
    UsageError, MetadataError
        For files that are not of one exposure and one pointing.
    FileError, FormatError, ReferenceDataError
        For a file, a catalogue or reference stars that cannot be read; nothing is
        written then.
    """
    files = [read_file(path) for path in paths]
    outcome = solve_exposure(files, source, settings or Settings())
    if not dry_run:
        write_outcome(outcome, workers=workers)
    return outcome
