"""What the options of several commands name: detectors, and changes of effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def detectors_named(names: Sequence[str]) -> list[str]:
    """The detectors that an option names, each once; ``all`` stands for the 18.

    Raises
    ------
    UsageError
        For a name that is none of the 18.
    """
    from roman_dms.instrument.detectors import NAMES, detector

    if "all" in names:
        return list(NAMES)
    return [detector(name.upper()).name for name in dict.fromkeys(names)]


def effect_settings(without: Sequence[str], changes: Sequence[str]) -> dict[str, Any]:
    """What differs from the default effects: parameters by effect, ``None`` for one left out.

    Raises
    ------
    UsageError
        For a change that is not EFFECT.NAME=VALUE, or of an effect that is left out.
    """
    from roman_dms.errors import UsageError

    settings: dict[str, Any] = dict.fromkeys(without)
    for change in changes:
        target, equals, text = change.partition("=")
        effect, dot, name = target.strip().partition(".")
        if not (equals and dot and effect and name):
            raise UsageError(f"--set was given {change!r}.", "EFFECT.NAME=VALUE")
        if effect in without:
            raise UsageError(
                f"The effect {effect} is left out and changed at the same time.", "one of both"
            )
        settings.setdefault(effect, {})[name] = _value(text.strip())
    return settings


def own_effects(replaced: Sequence[str]) -> dict[str, str]:
    """Where an effect of the user's own is, by the name of that whose place it takes.

    Raises
    ------
    UsageError
        For what is not EFFECT=FILE.py:NAME or EFFECT=MODULE:NAME.
    """
    from roman_dms.errors import UsageError

    found = {}
    for text in replaced:
        effect, equals, where = text.partition("=")
        if not equals:
            raise UsageError(f"--replace was given {text!r}.", "EFFECT=FILE.py:NAME")
        found[effect.strip()] = where.strip()
    return found


def _value(text: str) -> Any:
    """A value as TOML has it; what is none is text."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
