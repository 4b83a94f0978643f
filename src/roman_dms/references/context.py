"""A context: one fixed set of rules for all kinds of reference files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from roman_dms.errors import ReferenceDataError
from roman_dms.products.metadata import Metadata
from roman_dms.references.kinds import (
    DETECTOR,
    EXPOSURE_TYPE,
    INSTRUMENT,
    OPTICAL_ELEMENT,
    START_TIME,
)
from roman_dms.references.mappings import Selector
from roman_dms.references.rules import Rules, condition

if TYPE_CHECKING:
    from roman_dms.references.store import ReferenceStore


class Selection(Protocol):
    """What a pipeline needs of a context, or of a user's own files over one."""

    @property
    def name(self) -> str:
        """Name for the provenance of products."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that it knows, also those that are N/A."""

    def select(self, parameters: Mapping[str, str], kinds: Iterable[str]) -> dict[str, Path | None]:
        """Path of the file of each kind; ``None`` where a rule says N/A."""


class Context:
    """A pipeline mapping with everything below it.

    Parameters
    ----------
    store
        Where mappings and files are.
    name
        Name of the pipeline mapping, ``roman_0001.pmap``.
    """

    def __init__(self, store: ReferenceStore, name: str) -> None:
        self.store = store
        self.name = name
        self._rules: dict[str, Rules] = {}

    @cached_property
    def instrument_mapping(self) -> str:
        """Name of the mapping of the instrument."""
        instruments = _names(self.store.mapping(self.name).selector, self.name)
        try:
            return instruments["WFI"]
        except KeyError:
            raise ReferenceDataError(
                f"The context {self.name} has no rules for the instrument WFI."
            ) from None

    @cached_property
    def rule_files(self) -> dict[str, str]:
        """Name of the rules, or ``N/A``, of each kind."""
        imap = self.instrument_mapping
        names = _names(self.store.mapping(imap).selector, imap)
        return {kind.lower(): name for kind, name in sorted(names.items())}

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that the context knows, also those that are N/A."""
        return tuple(self.rule_files)

    def rules(self, kind: str) -> Rules | None:
        """Rules of a kind, or ``None`` where the kind is N/A for the instrument."""
        if kind not in self._rules:
            try:
                file = self.rule_files[kind]
            except KeyError:
                raise ReferenceDataError(
                    f"The context {self.name} does not know reference files of the kind {kind!r}.",
                    "one of " + ", ".join(self.kinds),
                    "choose a newer context: 'rdms references contexts'",
                ) from None
            if file.upper() in ("N/A", "TEMP_N/A", "OMIT", "TEMP_OMIT"):
                return None
            self._rules[kind] = Rules.of(self.store.mapping(file))
        return self._rules[kind]

    def choose(self, parameters: Mapping[str, str], kind: str) -> str | None:
        """Name of the file of one kind for an exposure; ``None`` where it is N/A."""
        rules = self.rules(kind)
        return None if rules is None else rules.choose(parameters)

    def select(self, parameters: Mapping[str, str], kinds: Iterable[str]) -> dict[str, Path | None]:
        """Path of the file of each kind for an exposure.

        Parameters
        ----------
        parameters
            From :func:`parameters_of`.
        kinds
            Names of kinds.

        Returns
        -------
        dict
            Path of a checked file, or ``None`` where a rule says that the exposure
            needs none.

        Raises
        ------
        ReferenceDataError
            Where no rule holds, or the file is missing or damaged.
        """
        chosen = {kind: self.choose(parameters, kind) for kind in kinds}
        return {kind: name and self.store.reference(name) for kind, name in chosen.items()}  # type: ignore[misc]


def parameters_of(meta: Metadata | Mapping[str, object]) -> dict[str, str]:
    """What an exposure is matched by, ready for :meth:`Context.select`.

    >>> parameters_of({"instrument.name": "WFI", "instrument.detector": "WFI07"})
    {'ROMAN.META.INSTRUMENT.NAME': 'WFI', 'ROMAN.META.INSTRUMENT.DETECTOR': 'WFI07'}
    """
    parameters = {}
    for key in (INSTRUMENT, DETECTOR, OPTICAL_ELEMENT, EXPOSURE_TYPE, START_TIME):
        value = meta.get(key.removeprefix("ROMAN.META.").lower())
        if value is not None:
            parameters[key] = condition(_plain(value))
    return parameters


def _plain(value: object) -> object:
    """A time as ISO text, whatever class a reader gave it."""
    utc = getattr(value, "utc", value)
    return getattr(utc, "isot", utc)


def _names(selector: Selector | Mapping[str, str], where: str) -> dict[str, str]:
    if isinstance(selector, Selector) or not all(isinstance(v, str) for v in selector.values()):
        raise ReferenceDataError(f"The mapping {where} does not name mappings.")
    return dict(selector)
