"""One call for the image of a star: from the optical model, the library, a file or a grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from roman_dms.errors import UsageError
from roman_dms.psf import effective
from roman_dms.psf.effective import EffectivePsf, PsfModel
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.library import PsfLibrary
from roman_dms.psf.steps.library import library_model
from roman_dms.psf.steps.reference_files import read_model
from roman_dms.psf.steps.reference_psfs import ReferencePsfs

Source = str | Path | PsfGrid | PsfModel | ReferencePsfs | PsfLibrary
"""``optical``, ``reference``, ``library``, reference data, a library, the path of a RAD ``epsf``
file, or effective PSFs."""


def effective_psf(
    detector: str,
    element: str,
    x: ArrayLike,
    y: ArrayLike,
    *,
    source: Source = "optical",
    date: str | None = None,
    engineering: Mapping[str, float] | None = None,
    version: int | str = "latest",
    **settings: Any,
) -> EffectivePsf:
    """Images of stars of unit light at places on a detector, with their errors.

    Parameters
    ----------
    detector, element
        ``WFI01`` to ``WFI18``; a filter (or, from the optical model, ``GRISM``, ``PRISM``).
    x, y
        (n,) columns and rows of the stars in the science array [pixel]; or numbers.
    source
        Where effective PSFs are taken from.  The optical model lacks the capacitance between
        pixels that images have; the reference data hold it.
    date
        Which of the reference data or the library, UTC.
    engineering, version
        Which of the library, see :mod:`roman_dms.psf.library.selection`.
    settings
        ``oversample``, ``size``, ``spectrum``, ``wavelength``, ``temperature``, ``jitter``,
        ``defocus``, ``phase``: see :func:`roman_dms.psf.effective.effective_psf`.

    Raises
    ------
    UsageError
        For what cannot be meant, such as PSFs of another detector.
    ReferenceDataError
        If the library or the reference data have none, or the file is damaged.
    FileError, FormatError
        For a file that cannot be read or holds no effective PSFs.

    Examples
    --------
    A star's nine brightest pixels, as the detector samples it:

    >>> star = effective_psf("WFI01", "F158", 100.3, 2000.0, size=3)  # doctest: +SKIP
    >>> star.images[0].sum(), star.error.max()  # doctest: +SKIP
    """
    is_library = source == "library" if isinstance(source, str) else isinstance(source, PsfLibrary)
    is_reference = source == "reference" or isinstance(source, ReferencePsfs)
    chosen = (None if is_reference else date, engineering, version) != (None, None, "latest")
    if chosen and not is_library:
        raise UsageError(
            "A date, a state of the telescope or a version was named.",
            "source='library', which has several PSFs to choose from",
        )
    model = source
    if is_library:
        library = source if isinstance(source, PsfLibrary) else PsfLibrary()
        place = [float(np.mean(np.asarray(axis, float))) for axis in (x, y)]
        model, _ = library_model(
            library, detector, element, *place,
            time=date, engineering=engineering, version=version,
        )  # fmt: skip
    elif is_reference:
        references = source if isinstance(source, ReferencePsfs) else ReferencePsfs()
        model = references.model(detector, element, date)
    elif isinstance(source, Path) or (isinstance(source, str) and source != "optical"):
        model = read_model(source)
    return effective.effective_psf(detector, element, x, y, source=model, **settings)  # type: ignore[arg-type]
