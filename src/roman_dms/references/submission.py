"""New contexts from certified files.

Everything is written beside what is there, under new names; the configuration
that points at the new context is renamed into place last.  A process that ends
in the middle leaves the old context in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roman_dms.errors import ReferenceDataError
from roman_dms.references import disk, mappings
from roman_dms.references.certification import certified
from roman_dms.references.context import Context
from roman_dms.references.files import ReferenceFile
from roman_dms.references.kinds import INSTRUMENT, KINDS, START_TIME, Kind
from roman_dms.references.mappings import Selector
from roman_dms.references.rules import EPOCH, NOT_APPLICABLE, Rules
from roman_dms.references.store import ReferenceStore, serial_of


def build_context(
    store_path: Path | str,
    files: Iterable[Path | str],
    description: str = "",
    start_number: int = 1,
) -> str:
    """Make the first context of a store from a complete set of files.

    Kinds without any file become N/A.  A store that has contexts already gets
    a further one that knows only these files.

    Parameters
    ----------
    store_path
        Folder of the store; made where there is none.
    files
        Reference files; each says by its metadata which exposures it is for.
    description
        Kept in the header of the context.
    start_number
        Least serial number of the context.

    Returns
    -------
    str
        Name of the context, now the operational one.

    Raises
    ------
    ReferenceDataError
        For files that do not pass certification; nothing is then changed.
    """
    store = ReferenceStore(store_path)
    found = certified(files, store)
    with store.writing():
        return _Submission(store, None, description, start_number).carry_out(found)


def submit(store: ReferenceStore, files: Iterable[Path | str], description: str = "") -> str:
    """Make a new context: the operational one with files added or replaced.

    A file takes the place of one with the same patterns and date; otherwise it
    is added to the rules.

    Returns
    -------
    str
        Name of the new context, now the operational one.

    Raises
    ------
    ReferenceDataError
        For files that do not pass certification, or that would never be
        selected; nothing is then changed.
    """
    found = certified(files, store)
    with store.writing():
        base = Context(store, store.operational)
        return _Submission(store, base, description).carry_out(found)


@dataclass
class _Submission:
    """One change of the rules, carried out under the lock of the store."""

    store: ReferenceStore
    base: Context | None
    description: str
    start_number: int = 1
    _rule_files: dict[str, str] = field(default_factory=dict)

    def carry_out(self, files: Sequence[ReferenceFile]) -> str:
        """Write files, rules and context; return its name."""
        self._rule_files = dict.fromkeys(KINDS, NOT_APPLICABLE)
        if self.base is not None:
            self._rule_files |= self.base.rule_files
        by_kind: dict[str, list[ReferenceFile]] = {}
        for file in files:
            by_kind.setdefault(file.kind.name, []).append(file)
        new_rules = {kind: self._rules(KINDS[kind], group) for kind, group in by_kind.items()}
        for file in files:
            self._store_file(file)
        for kind, (header, selector) in new_rules.items():
            self._rule_files[kind] = self._write(header, selector)
        context = self._write_contexts()
        self.store.write_server_config(context)
        return context

    def _rules(self, kind: Kind, files: list[ReferenceFile]) -> tuple[dict[str, Any], Selector]:
        old = self.base.rules(kind.name) if self.base and kind.name in self.base.kinds else None
        header = _rule_header(kind)
        if old is not None:
            header |= self.store.mapping(old.name).header
        if header["parkey"] != (kind.keys, (START_TIME,)):
            raise ReferenceDataError(
                f"The rules {old.name if old else kind.name} match by {header['parkey']}.",
                f"{kind.keys} and the date, as this version does",
                "deliver with the version of the program that made them",
            )
        header |= {
            "derived_from": old.name if old else "generated",
            "description": self.description,
            "name": self._next_name(f"roman_wfi_{kind.name}", "rmap"),
        }
        choices = _with_files(old.selector.choices if old else _first_choices(kind), files)
        selector = Selector("Match", choices)
        _refuse_shadowed(Rules.of(mappings.MappingFile(header, selector)), files)
        return header, selector

    def _store_file(self, file: ReferenceFile) -> None:
        target = self.store.references / file.name
        if not target.exists():
            disk.copy_file(file.path, target)
        sha1 = self.store.ledger.check(target)
        if not target.samefile(file.path) and sha1 != disk.sha1_of(file.path):
            raise ReferenceDataError(
                f"The store has another file named {file.name}.",
                "a name that the store does not have",
                "give the new version a new name and submit again",
            )

    def _write_contexts(self) -> str:
        base = self.base
        common = {"observatory": "ROMAN", "description": self.description}
        imap = {
            "derived_from": base.instrument_mapping if base else "generated",
            "instrument": "WFI",
            "mapping": "INSTRUMENT",
            "name": self._next_name("roman_wfi", "imap"),
            "parkey": ("REFTYPE",),
        }
        pmap = {
            "derived_from": base.name if base else "generated",
            "mapping": "PIPELINE",
            "name": self._next_name("roman", "pmap"),
            "parkey": (INSTRUMENT,),
        }
        self._write(common | imap, self._rule_files)
        return self._write(common | pmap, {"WFI": str(imap["name"])})

    def _write(self, header: dict[str, Any], selector: Selector | dict[str, str]) -> str:
        name = str(header["name"])
        disk.write_text(self.store.mappings / name, mappings.write(header, selector))
        return name

    def _next_name(self, stem: str, extension: str) -> str:
        """Name with the next serial number, never one that was ever written."""
        taken = self.store.mappings.glob(f"{stem}_[0-9]*.{extension}")
        last = max((serial_of(path.name) for path in taken), default=self.start_number - 1)
        return f"{stem}_{last + 1:04d}.{extension}"


def _first_choices(kind: Kind) -> dict[Any, Any]:
    if not kind.absent:
        return {}
    return {kind.absent: Selector("UseAfter", {EPOCH: NOT_APPLICABLE})}


def _with_files(choices: dict[Any, Any], files: list[ReferenceFile]) -> dict[Any, Any]:
    result = dict(choices)
    for file in files:
        old = result.get(file.match)
        dates = dict(old.choices) if isinstance(old, Selector) else {}
        if isinstance(old, str):
            dates = {EPOCH: old}
        dates[file.useafter] = file.name
        result[file.match] = Selector("UseAfter", dates)
    return result


def _rule_header(kind: Kind) -> dict[str, Any]:
    header: dict[str, Any] = {
        "classes": ("Match", "UseAfter"),
        "file_ext": ".asdf",
        "filekind": kind.name.upper(),
        "filetype": kind.name.upper(),
        "instrument": "WFI",
        "mapping": "REFERENCE",
        "observatory": "ROMAN",
        "parkey": (kind.keys, (START_TIME,)),
        "suffix": kind.name,
        "text_descr": kind.description,
    }
    if kind.is_parameters:
        keys = (*kind.keys, START_TIME)
        header["reference_to_dataset"] = {key.removeprefix("ROMAN."): key for key in keys}
    return header


def _refuse_shadowed(rules: Rules, files: list[ReferenceFile]) -> None:
    """A file that the rules would not choose at its own date is a mistake, not a delivery."""
    for file in files:
        alternatives = [pattern.split("|")[0] for pattern in file.match]
        parameters = dict(zip(rules.keys, alternatives, strict=True))
        chosen = rules.choose(parameters | {rules.date_key: file.useafter})
        if chosen != file.name:
            raise ReferenceDataError(
                f"{file.name} would not be selected: the rules prefer {chosen} for {parameters} "
                f"from {file.useafter}.",
                "one file for each set of exposures and date",
                "change meta.useafter or the values that the file is matched by, or its name",
            )
