"""Selection rules: which reference file an exposure needs, as CRDS decides it.

``Match`` compares patterns with the metadata: a pattern that names the value
counts 1, one that does not care (``N/A``) counts 0, any other excludes the
rule.  The rule with the most counts wins; rules with equal counts are merged.
``UseAfter`` then takes the newest date that is not after the exposure.
"""

from __future__ import annotations

import fnmatch
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from roman_dms.errors import MetadataError, ReferenceDataError
from roman_dms.references.mappings import MappingFile, Selector

NOT_APPLICABLE = "N/A"
UNDEFINED = "UNDEFINED"
EPOCH = "2000-01-01 00:00:00"
"""Date of a rule that holds always."""

_SPECIAL = {"N/A", "TEMP_N/A", "OMIT", "TEMP_OMIT"}
_NUMBER = re.compile(r"[-+]?(\d*\.)?\d+([eE][-+]?\d+)?|[-+]?\d+\.")
_RELATION = re.compile(r"([<>]=?)\s*([-+]?\d*\.?\d+([eE][-+]?\d+)?)$")
_UNSUPPORTED = ("rmap_relevance", "rmap_omit", "parkey_relevance", "extra_keys", "hooks")

Matcher = Callable[[str], int]
"""1: the pattern names the value; 0: it does not care; -1: it excludes the value."""


def condition(value: object) -> str:
    """A value as it is compared: upper case, numbers in one notation.

    >>> condition(" wfi01 "), condition("Any"), condition(True), condition("2")
    ('WFI01', '*', 'T', '2.0')
    """
    text = str(value).strip().upper()
    if _NUMBER.fullmatch(text):
        text = str(float(text))
    if text in ("NOT APPLICABLE", "NOT_APPLICABLE"):
        return NOT_APPLICABLE
    return {"ANY": "*", "TRUE": "T", "FALSE": "F"}.get(text, text)


def date_text(value: object) -> str:
    """A date as the rules hold it: UTC, sorted as text.

    >>> date_text("2026-11-21T02:00:00.5")
    '2026-11-21 02:00:00.500000'

    Raises
    ------
    MetadataError
        For a value that is no date.
    """
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise MetadataError(
            f"A date is {str(value)[:80]!r}.", "a date such as 2026-11-21T02:00:00.000"
        ) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(" ")


def matcher(pattern: str) -> Matcher:
    """Compile a pattern: ``A``, ``A|B``, ``A*``, ``N/A``, ``{A}``, ``NOT A``, ``BETWEEN 1 2``."""
    upper = pattern.upper()
    compiled: Matcher
    if upper.startswith("NOT "):
        inner = matcher(pattern[4:].strip())
        return lambda value: -inner(value)
    if pattern.startswith(("(", "#")):
        raise ReferenceDataError(
            f"A rule has the pattern {pattern[:80]!r}.",
            "names, 'A|B', wildcards, N/A, NOT and BETWEEN; expressions are not supported",
        )
    if pattern == NOT_APPLICABLE:
        compiled = _indifferent
    elif pattern.startswith("{") and pattern.endswith("}"):
        compiled = _exact(pattern[1:-1])
    elif upper.startswith("BETWEEN"):
        compiled = _between(pattern)
    elif "|" in pattern or "*" in pattern:
        parts = [part.strip() for part in pattern.split("|") if part.strip()]
        either = re.compile("|".join(fnmatch.translate(part) for part in parts))
        compiled = _where(lambda value: either.match(value) is not None)
    elif relation := _RELATION.match(pattern):
        compiled = _number(_relation(relation[1], float(relation[2])))
    else:
        compiled = _exact(pattern)
    return compiled


def _indifferent(_value: str) -> int:
    return 0


def _where(test: Callable[[str], bool]) -> Matcher:
    def match(value: str) -> int:
        if value == NOT_APPLICABLE:
            return 0
        return 1 if value == "*" or test(value) else -1

    return match


def _exact(name: str) -> Matcher:
    def match(value: str) -> int:
        if value in (name, "*"):
            return 1
        return 0 if value == NOT_APPLICABLE else -1

    return match


def _number(test: Callable[[float], bool]) -> Matcher:
    return _where(lambda value: _NUMBER.fullmatch(value) is not None and test(float(value)))


def _relation(operator: str, bound: float) -> Callable[[float], bool]:
    tests: dict[str, Callable[[float], bool]] = {
        "<": lambda x: x < bound,
        "<=": lambda x: x <= bound,
        ">": lambda x: x > bound,
        ">=": lambda x: x >= bound,
    }
    return tests[operator]


def _between(pattern: str) -> Matcher:
    try:
        _, low, high = pattern.split()
        lower, upper = float(low), float(high)
    except ValueError:
        raise ReferenceDataError(
            f"A rule has the pattern {pattern[:80]!r}.", "BETWEEN and two numbers"
        ) from None
    return _number(lambda value: lower <= value < upper)


@dataclass(frozen=True)
class Rules:
    """The rules of one kind of reference file: an rmap made ready for selection."""

    name: str
    """Name of the rmap."""

    kind: str

    keys: tuple[str, ...]
    """Names of the metadata that patterns are compared with."""

    date_key: str
    """Name of the metadata that holds the date; empty for rules without dates."""

    selector: Selector
    """``Match`` of ``UseAfter``."""

    substitutions: Mapping[str, Mapping[str, str]]
    """Replacements of values in patterns, by key."""

    required: bool = True
    """Whether an exposure that no rule matches is an error."""

    @classmethod
    def of(cls, mapping: MappingFile) -> Rules:
        """Rules of an rmap.

        Raises
        ------
        ReferenceDataError
            For an rmap that this package would not evaluate as CRDS does.
        """
        header, selector = mapping.header, mapping.selector
        unsupported = [key for key in _UNSUPPORTED if str(header.get(key, "ALWAYS")) != "ALWAYS"]
        parkey: Any = header.get("parkey")
        keys, dates = (*parkey, ("",))[:2] if isinstance(parkey, tuple) and parkey else ((), ())
        known = isinstance(keys, tuple) and isinstance(dates, tuple) and len(dates) == 1
        if unsupported or not known or not isinstance(selector, Selector):
            raise ReferenceDataError(
                f"The rules {mapping.name} cannot be evaluated: parkey {parkey!r}, "
                f"header fields {unsupported}.",
                "metadata keys and at most one date, Match of UseAfter",
                "use the crds client for this context, or simplify the rules",
            )
        return cls(
            name=mapping.name,
            kind=str(header["filekind"]).lower(),
            keys=tuple(str(key).upper() for key in keys),
            date_key=str(dates[0]).upper(),
            selector=selector,
            substitutions=header.get("substitutions", {}),
            required=str(header.get("reffile_required", "NONE")).upper() in ("YES", "NONE"),
        )

    @cached_property
    def _matchers(self) -> tuple[tuple[tuple[Matcher, ...], Any], ...]:
        if self.selector.name != "Match":
            raise self._contradictory(f"they begin with {self.selector.name}")
        rows = []
        for key, choice in self.selector.choices.items():
            patterns = self._patterns(key)
            rows.append((tuple(map(matcher, patterns)), self._dates(choice)))
        return tuple(rows)

    def _patterns(self, key: Any) -> tuple[str, ...]:
        values = key if isinstance(key, tuple) else (key,)
        if len(values) != len(self.keys):
            raise self._contradictory(f"the rule {key!r} has not {len(self.keys)} values")
        return tuple(
            pattern_text(self.substitutions.get(name, {}).get(value, value))
            for name, value in zip(self.keys, values, strict=True)
        )

    def _dates(self, choice: Any) -> Any:
        if isinstance(choice, str):
            return choice
        if not isinstance(choice, Selector) or choice.name != "UseAfter":
            raise self._contradictory("a Match leads to something that is no UseAfter")
        dates = {str(date): name for date, name in choice.choices.items()}
        if not all(isinstance(name, str) for name in dates.values()):
            raise self._contradictory("a UseAfter leads to something that is no file")
        return dates

    @cached_property
    def rows(self) -> dict[tuple[tuple[str, ...], str], str]:
        """Name of the file, or ``N/A``, by patterns and date, for comparison and display."""
        rows = {}
        for key, choice in self.selector.choices.items():
            dates = self._dates(choice)
            always = {EPOCH: dates} if isinstance(dates, str) else dates
            rows.update({(self._patterns(key), date): name for date, name in always.items()})
        return rows

    @property
    def files(self) -> set[str]:
        """Names of all files that the rules can choose."""
        return {name for name in self.rows.values() if name.upper() not in _SPECIAL}

    def choose(self, parameters: Mapping[str, str]) -> str | None:
        """Name of the file for an exposure, or ``None`` where a rule says N/A.

        Parameters
        ----------
        parameters
            Conditioned values by upper-case key (:func:`condition`).

        Raises
        ------
        ReferenceDataError
            Where no rule holds for the exposure.
        """
        candidates: dict[int, list[Any]] = {}
        values = [parameters.get(key, UNDEFINED) for key in self.keys]
        for matchers, choice in self._matchers:
            score = 0
            for match, value in zip(matchers, values, strict=True):
                matched = match(value)
                if matched < 0:
                    break
                score += matched
            else:
                candidates.setdefault(score, []).append(choice)
        for score in sorted(candidates, reverse=True):
            name = self._by_date(candidates[score], parameters)
            if name is not None:
                return None if name.upper() in _SPECIAL else name
        if not self.required:
            return None
        raise self._no_rule(parameters)

    def _by_date(self, choices: list[Any], parameters: Mapping[str, str]) -> str | None:
        if len(choices) == 1 and isinstance(choices[0], str):
            return str(choices[0])
        if any(isinstance(choice, str) for choice in choices):
            raise self._contradictory("several rules of equal weight, one without dates, match")
        merged: dict[str, str] = {}
        for dates in choices:
            for date, name in dates.items():
                merged[date] = max(name, merged.get(date, ""))
        moments = sorted(merged)
        index = bisect_right(moments, date_text(parameters.get(self.date_key, UNDEFINED)))
        return merged[moments[index - 1]] if index else None

    def _no_rule(self, parameters: Mapping[str, str]) -> ReferenceDataError:
        asked = ", ".join(
            f"{key.removeprefix('ROMAN.META.').lower()} = {parameters.get(key, UNDEFINED)}"
            for key in filter(None, (*self.keys, self.date_key))
        )
        return ReferenceDataError(
            f"No reference file of the kind {self.kind!r} fits the exposure ({asked}).",
            f"a rule for it in {self.name}",
            "choose another context ('rdms references contexts'), add a file with "
            "'rdms references submit', or use your own with 'rdms references overlay'",
        )

    def _contradictory(self, why: str) -> ReferenceDataError:
        return ReferenceDataError(f"The rules {self.name} contradict themselves: {why}.")


def pattern_text(value: Any) -> str:
    """A pattern of a rule in one notation: alternatives sorted, joined with bars.

    >>> pattern_text("wfi_spectral | WFI_IMAGE|")
    'WFI_IMAGE|WFI_SPECTRAL'
    """
    if isinstance(value, tuple | list):
        return "|".join(condition(part) for part in value)
    if isinstance(value, str) and value[:1] in ("{", "("):
        return value
    if isinstance(value, str) and "|" in value:
        return "|".join(sorted(condition(part) for part in value.split("|") if part.strip()))
    return condition(value)
