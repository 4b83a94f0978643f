"""What a change of context means: for the rules, and for given exposures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from roman_dms.errors import RdmsError
from roman_dms.references.context import Context, parameters_of
from roman_dms.references.files import read_metadata


@dataclass(frozen=True)
class RuleChange:
    """One rule that differs between two contexts."""

    kind: str

    match: tuple[str, ...]
    """Patterns; empty where the whole kind came, went or became N/A."""

    useafter: str

    old: str | None
    """File, ``N/A``, or ``None`` for a rule that is new."""

    new: str | None
    """File, ``N/A``, or ``None`` for a rule that is gone."""


@dataclass(frozen=True)
class FileChange:
    """One kind for which an exposure is given another file."""

    exposure: Path
    kind: str
    old: str
    """File, ``N/A``, or why there is none."""
    new: str


def diff(old: Context, new: Context) -> list[RuleChange]:
    """Rules that differ between two contexts, by kind, patterns and date."""
    changes: list[RuleChange] = []
    for kind in sorted({*old.kinds, *new.kinds}):
        if old.rule_files.get(kind) == new.rule_files.get(kind):
            continue
        before, after = _rows(old, kind), _rows(new, kind)
        changes += [
            RuleChange(kind, *place, before.get(place), after.get(place))
            for place in sorted({*before, *after})
            if before.get(place) != after.get(place)
        ]
    return changes


def affected(
    old: Context, new: Context, exposures: Iterable[Path | str], kinds: Iterable[str] = ()
) -> list[FileChange]:
    """Exposures that would be given other reference files, and for which kinds.

    Parameters
    ----------
    old, new
        The contexts.
    exposures
        Files of the mission of any level.
    kinds
        Kinds to look at; by default all that either context knows.
    """
    asked = sorted(kinds) or sorted({*old.kinds, *new.kinds})
    changes = []
    for path in map(Path, exposures):
        parameters = parameters_of(read_metadata(path))
        for kind in asked:
            before, after = _choice(old, parameters, kind), _choice(new, parameters, kind)
            if before != after:
                changes.append(FileChange(path, kind, before, after))
    return changes


def _rows(context: Context, kind: str) -> dict[tuple[tuple[str, ...], str], str]:
    if kind not in context.kinds:
        return {}
    rules = context.rules(kind)
    return {((), ""): "N/A"} if rules is None else rules.rows


def _choice(context: Context, parameters: dict[str, str], kind: str) -> str:
    try:
        return context.choose(parameters, kind) or "N/A"
    except RdmsError as error:
        return f"none ({error.found.partition(chr(10))[0]})"
