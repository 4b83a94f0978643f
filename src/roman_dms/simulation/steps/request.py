"""What is the same for all exposures of a simulation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from roman_dms.errors import UsageError
from roman_dms.pipeline.own_code import own_object
from roman_dms.psf.optics import JITTER
from roman_dms.references.overlay import open_context
from roman_dms.references.selected import SelectedReferences
from roman_dms.references.store import ReferenceStore
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.signatures.effects import DEFAULTS, Effects
from roman_dms.simulation.steps.scene_files import read_scene


@dataclass(frozen=True, kw_only=True)
class ExposureRequest:
    """What to simulate and with what; can be sent to another process."""

    scene: Path | None = None
    """Catalogue of the sky."""
    rate: Path | None = None
    """Instead of a scene: a count-rate image of the detector [electron / s]."""
    cube: Path | None = None
    """Instead of a scene: a data cube of the sky (wavelength, y, x)."""
    store: Path | None = None
    """Folder of the reference data; by default as every command finds it."""
    context: str | None = None
    """Context of the reference data; the operational one by default."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the default effects, as ``Effects.from_settings`` takes it."""
    own_effects: Mapping[str, str] = field(default_factory=dict)
    """What takes the place of an effect: ``file.py:name`` or ``module:name``, by effect."""
    jitter: float = JITTER
    """Pointing jitter, standard deviation an axis [arcsec]."""
    defocus: float = 0.0
    """Added to the wavefront, RMS of Noll's Z4 [micron]."""
    seed: int = 0
    threads: int = 2
    truth_image: bool = False
    """Keep the noiseless rate, the cosmic rays and the stimulus of persistence."""

    any_sun_angle: bool = False
    """Allow pointings that the observatory may not take, too close to the Sun or opposite."""

    def __post_init__(self) -> None:
        given = [name for name in ("scene", "rate", "cube") if getattr(self, name) is not None]
        if len(given) != 1:
            raise UsageError(
                f"To be simulated: {' and '.join(given) or 'nothing'}.",
                "a scene, or a count-rate image (--rate), or a data cube (--cube)",
            )
        self.effects()  # a mistake is told before anything is made

    def effects(self) -> Effects:
        """The effects of the detector, with those of the user in their places.

        Raises
        ------
        UsageError
            For an unknown effect or parameter, or a replacement that cannot do its work.
        """
        own = {name: _own_effect(name, where) for name, where in self.own_effects.items()}
        return dataclasses.replace(Effects.from_settings(self.settings), **own)

    def references(self) -> SelectedReferences:
        """Where reference data come from."""
        return SelectedReferences(open_context(ReferenceStore(self.store), self.context))


def _own_effect(name: str, where: str) -> Any:
    """An effect of the user's own, which must do all that the default one does."""
    Effects.only(name)  # there is an effect of that name
    found = own_object(where, Path())
    effect = found() if callable(found) else found
    wanted = [
        method
        for method, value in vars(type(DEFAULTS[name])).items()
        if callable(value) and not method.startswith("_")
    ]
    missing = [method for method in wanted if not hasattr(effect, method)]
    if missing:
        raise UsageError(
            f"{where!r} has no {missing[0]!r}, which the effect {name} needs.",
            f"an object with {', '.join(wanted)}",
            "see the default effect in roman_dms.simulation.signatures",
        )
    return effect


@lru_cache(maxsize=1)
def scene_in(path: Path) -> Scene:
    """The scene in a file, read once for all exposures that a process makes."""
    return read_scene(path)
