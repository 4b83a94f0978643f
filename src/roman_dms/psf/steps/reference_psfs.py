"""The effective PSFs (``epsf``) that reference data have for an image.

They are what images hold, capacitance between pixels included, which the optical model lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from roman_dms.errors import ReferenceDataError
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Epsf
from roman_dms.psf.effective import PsfModel
from roman_dms.psf.steps.reference_files import read_model
from roman_dms.references.context import Selection, parameters_of
from roman_dms.references.overlay import open_context
from roman_dms.references.store import ReferenceStore


@dataclass(frozen=True)
class ReferencePsfs:
    """Effective PSFs of a context of reference data."""

    store: Path | None = None
    """Folder of the reference data; by default as every command finds it."""

    context: str | None = None
    """Its context; the operational one by default."""

    @cached_property
    def _selection(self) -> Selection:
        return open_context(ReferenceStore(self.store), self.context)

    def file(self, meta: Metadata | Mapping[str, object]) -> Path:
        """The reference file of an image.

        Parameters
        ----------
        meta
            Its metadata, or those by which files are chosen: ``instrument.name``,
            ``instrument.detector``, ``instrument.optical_element``, ``exposure.start_time``.

        Raises
        ------
        ReferenceDataError
            If there are no reference data, or none for such an image.
        """
        found = self._selection.select(parameters_of(meta), [Epsf.kind])[Epsf.kind]
        if found is None:
            raise ReferenceDataError(
                "The context says N/A for the PSF (epsf).", "a PSF", "name PSFs of your own"
            )
        return found

    def model(self, detector: str, element: str, time: str | None = None) -> PsfModel:
        """Those of a detector and element at a time, UTC; now if none is given.

        Raises
        ------
        ReferenceDataError
            As of :meth:`file`.
        """
        return read_model(
            self.file({
                "instrument.name": "WFI",
                "instrument.detector": detector,
                "instrument.optical_element": element,
                "exposure.start_time": time or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
            })
        )  # fmt: skip
