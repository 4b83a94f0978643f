"""Which effects an exposure has, and their parameters."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from roman_dms.errors import UsageError
from roman_dms.simulation.signatures.correlated_noise import CorrelatedNoise
from roman_dms.simulation.signatures.cosmic_rays import CosmicRays
from roman_dms.simulation.signatures.dark_current import DarkCurrent
from roman_dms.simulation.signatures.dark_decay import DarkDecay
from roman_dms.simulation.signatures.flat_field import FlatField
from roman_dms.simulation.signatures.integral_nonlinearity import IntegralNonlinearity
from roman_dms.simulation.signatures.interpixel_capacitance import InterpixelCapacitance
from roman_dms.simulation.signatures.nonlinearity import Nonlinearity
from roman_dms.simulation.signatures.persistence import Persistence
from roman_dms.simulation.signatures.photons import PhotonNoise
from roman_dms.simulation.signatures.quantisation import Quantisation
from roman_dms.simulation.signatures.read_noise import ReadNoise
from roman_dms.simulation.signatures.reference_pixels import ReferencePixels
from roman_dms.simulation.signatures.reset import Reset
from roman_dms.simulation.signatures.saturation import Saturation
from roman_dms.simulation.signatures.wfi18_transient import Transient


@dataclass(frozen=True)
class Effects:
    """All effects, in the order in which they act; ``None`` switches one off.

    >>> Effects(cosmic_rays=None).ipc
    InterpixelCapacitance(kernel=None)
    """

    flat_field: FlatField | None = FlatField()
    dark_current: DarkCurrent | None = DarkCurrent()
    photon_noise: PhotonNoise | None = PhotonNoise()
    persistence: Persistence | None = Persistence()
    cosmic_rays: CosmicRays | None = CosmicRays()
    ipc: InterpixelCapacitance | None = InterpixelCapacitance()
    reset: Reset | None = Reset()
    nonlinearity: Nonlinearity | None = Nonlinearity()
    saturation: Saturation | None = Saturation()
    dark_decay: DarkDecay | None = DarkDecay()
    wfi18_transient: Transient | None = Transient()
    read_noise: ReadNoise | None = ReadNoise()
    reference_pixels: ReferencePixels | None = ReferencePixels()
    correlated_noise: CorrelatedNoise | None = CorrelatedNoise()
    integral_nonlinearity: IntegralNonlinearity | None = IntegralNonlinearity()
    quantisation: Quantisation | None = Quantisation()

    @classmethod
    def none(cls) -> Effects:
        """No effect at all: the mean number of electrons over the gain, rounded."""
        return cls(**dict.fromkeys(NAMES))

    @classmethod
    def only(cls, *names: str, **effects: Any) -> Effects:
        """The named effects as they are by default, and those given by keyword.

        >>> Effects.only("ipc", reset=Reset(noise=0)).reset.level
        10000.0

        Raises
        ------
        UsageError
            For a name that is none.
        """
        _check_names([*names, *effects], NAMES, "effect")
        defaults = {name: DEFAULTS[name] for name in names}
        return dataclasses.replace(cls.none(), **(defaults | effects))

    def without(self, *names: str) -> Effects:
        """All but the named effects.

        Raises
        ------
        UsageError
            For a name that is none.
        """
        _check_names(names, NAMES, "effect")
        return dataclasses.replace(self, **dict.fromkeys(names))

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Effects:
        """Effects from what a settings file says.

        Parameters
        ----------
        settings
            For the name of an effect: ``False`` or ``None`` switches it off, ``True``
            leaves it as it is, and a mapping sets some of its parameters.

        Raises
        ------
        UsageError
            For an unknown effect or parameter, or a value that cannot be meant.

        >>> Effects.from_settings({"ipc": False, "cosmic_rays": {"rate": 5}}).cosmic_rays.rate
        5
        """
        _check_names(settings, NAMES, "effect")
        return cls(**{name: _from_setting(name, value) for name, value in settings.items()})


DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(Effects)}
"""Each effect with its default parameters."""

NAMES = tuple(DEFAULTS)
"""Names of the effects."""


def _from_setting(name: str, value: Any) -> Any:
    if value is None or value is False:
        return None
    if value is True:
        return DEFAULTS[name]
    if not isinstance(value, Mapping):
        raise UsageError(
            f"The effect {name!r} is set to {value!r}.",
            "true, false, or a table of parameters",
        )
    known = {field.name: field.default for field in dataclasses.fields(DEFAULTS[name])}
    _check_names(value, known, f"parameter of {name}")
    if "seed" in value and not (type(value["seed"]) is int and value["seed"] >= 0):
        raise UsageError(f"{name}.seed is {value['seed']!r}.", "a whole number, 0 or more")
    return dataclasses.replace(
        DEFAULTS[name],
        **{key: _value(f"{name}.{key}", given, known[key]) for key, given in value.items()},
    )


def _value(name: str, given: Any, default: Any) -> Any:
    """A parameter of the same nature as its default; lists become tuples."""
    if isinstance(given, list | tuple):
        return tuple(_value(name, part, None) for part in given)
    number = isinstance(given, int | float) and not isinstance(given, bool)
    alike = number if isinstance(default, float) else type(given) is type(default)
    if number and not math.isfinite(given):
        raise UsageError(f"{name} is {given!r}.", "a finite number")
    if default is not None and not alike:
        raise UsageError(f"{name} is {given!r}.", f"a value like {default!r}")
    if number and default is not None and given < 0 <= default:
        raise UsageError(f"{name} is {given!r}.", "a number that is not negative")
    return given


def _check_names(given: Iterable[str], known: Iterable[str], what: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), list(known), n=3)
            raise UsageError(
                f"There is no {what} named {name!r}.",
                f"one of {', '.join(known)}",
                f"did you mean {' or '.join(near)}?" if near else "",
            )
