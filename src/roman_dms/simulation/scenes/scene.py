"""A scene: a catalogue of stars and galaxies, as they are on the sky."""

from __future__ import annotations

from dataclasses import dataclass

from astropy.table import Table


@dataclass(frozen=True)
class Scene:
    """Sources on the sky, one row each; see ``COLUMNS`` for what a row says."""

    table: Table
