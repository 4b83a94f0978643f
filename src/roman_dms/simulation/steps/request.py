"""What is the same for all exposures of a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from roman_dms.errors import UsageError
from roman_dms.references.overlay import open_context
from roman_dms.references.selected import SelectedReferences
from roman_dms.references.store import ReferenceStore
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.signatures.effects import Effects
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
        Effects.from_settings(self.settings)  # a mistake is told before anything is made

    def references(self) -> SelectedReferences:
        """Where reference data come from."""
        return SelectedReferences(open_context(ReferenceStore(self.store), self.context))


@lru_cache(maxsize=1)
def scene_in(path: Path) -> Scene:
    """The scene in a file, read once for all exposures that a process makes."""
    return read_scene(path)
