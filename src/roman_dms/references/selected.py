"""References for a run: selected by a context, read as typed products."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from roman_dms.errors import ReferenceDataError
from roman_dms.formats.reference_files import read_reference
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Reference
from roman_dms.references.context import Selection, parameters_of
from roman_dms.references.files import parameters_in


class SelectedReferences:
    """What a pipeline asks for reference data.

    Parameters
    ----------
    selection
        A context of a store, or a user's own files over one.
    overrides
        Files that are used whatever the rules say, by kind.
    """

    def __init__(self, selection: Selection, overrides: Mapping[str, Path] | None = None) -> None:
        self._selection = selection
        self._overrides = dict(overrides or {})

    @property
    def context(self) -> str:
        """Name of the context."""
        return self._selection.name

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that the context or the overrides know."""
        return tuple({*self._selection.kinds, *self._overrides})

    def load(
        self, meta: Metadata, kinds: Mapping[str, type[Reference]]
    ) -> Mapping[str, tuple[str, Reference] | None]:
        """File name and product of each kind, ``None`` where a rule says N/A.

        Raises
        ------
        ReferenceDataError
            Where no rule holds, or a file is missing, damaged or of another kind.
        """
        ruled = [kind for kind in kinds if kind not in self._overrides]
        paths = self._selection.select(parameters_of(meta), ruled) | self._overrides
        return {kind: path and _read(path, kinds[kind]) for kind, path in paths.items()}  # type: ignore[misc]

    def parameters(
        self, meta: Metadata, kinds: Collection[str]
    ) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
        """File name and content of each parameter reference that there is.

        Raises
        ------
        ReferenceDataError, FormatError
            Where a file is missing, damaged or holds no parameters.
        """
        known = [kind for kind in kinds if kind in self._selection.kinds]
        paths = self._selection.select(parameters_of(meta), known)
        return {kind: (path.name, parameters_in(path)) for kind, path in paths.items() if path}


def _read(path: Path, kind: type[Reference]) -> tuple[str, Reference]:
    reference = read_reference(path)
    if not isinstance(reference, kind):
        raise ReferenceDataError(
            f"The file {path} is a reference of the kind {reference.kind!r}.",
            f"one of the kind {kind.kind!r}",
        )
    return path.name, reference
