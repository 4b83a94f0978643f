"""Which entry of the library fits a place, a time and a state of the telescope.

Of the entries of the detector and element (and of the kind and version, where named) that is
taken which comes first by, in this order:

1. the place: how far it lies outside the entry's places [pixel];
2. the time: how far it lies outside that for which the entry holds [day];
3. the state: the sum, over the engineering values asked for, of the distance to the entry's
   value in units of the range among all entries; a value that an entry lacks counts 1;
4. the kind: measured before computed;
5. the version: the latest.

What is not asked for does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roman_dms.psf.library.entries import KINDS, Entry, instant


@dataclass(frozen=True)
class Choice:
    """An entry, and why it was taken."""

    entry: Entry
    why: tuple[str, ...]


def choose(
    entries: Sequence[Entry],
    *,
    place: tuple[float, float] | None,
    time: str | None,
    engineering: Mapping[str, float],
) -> Choice:
    """The entry that fits best; see the head of this module."""
    moment = instant(time) if time else None

    def order(entry: Entry) -> tuple[float, float, float, int, int]:
        return (
            entry.pixels_from(*place) if place else 0.0,
            entry.days_from(moment) if moment else 0.0,
            state_distance(entry, engineering, entries),
            KINDS.index(entry.kind),
            -entry.version,
        )

    best = min(entries, key=order)
    return Choice(best, tuple(_reasons(best, entries, place, time, engineering)))


def state_distance(
    entry: Entry, engineering: Mapping[str, float], entries: Sequence[Entry]
) -> float:
    """How far the telescope's state is from that of an entry, in ranges of all entries."""
    total = 0.0
    for name, wanted in engineering.items():
        known = [other.engineering[name] for other in entries if name in other.engineering]
        if name not in entry.engineering:
            total += 1.0
            continue
        scale = max(known) - min(known) or 1.0
        total += abs(entry.engineering[name] - wanted) / scale
    return total


def _reasons(
    best: Entry,
    entries: Sequence[Entry],
    place: tuple[float, float] | None,
    time: str | None,
    engineering: Mapping[str, float],
) -> list[str]:
    count = len(entries)
    reasons = [
        f"{count} {'entry' if count == 1 else 'entries'} of {best.detector} in {best.element}"
    ]
    if place and (apart := best.pixels_from(*place)):
        reasons.append(f"the place lies {apart:.0f} pixels outside its places")
    if time:
        apart = best.days_from(instant(time))
        holding = sum(entry.days_from(instant(time)) == 0 for entry in entries)
        reasons.append(
            f"nearest in time, {apart:.1f} days from {time}"
            if apart
            else f"{holding} of them {'holds' if holding == 1 else 'hold'} on {time}"
        )
    for name, wanted in engineering.items():
        has = best.engineering.get(name)
        shown = "is not known of it" if has is None else f"is {has:g}, {wanted:g} was asked for"
        reasons.append(f"{name} {shown}")
    return [*reasons, f"{best.kind}, version {best.version}"]
