"""A step: a plain function whose signature declares what it needs.

>>> class ScaleParameters(Parameters):
...     factor: float = Field(1.0, gt=0, description="Factor applied to the rate.")
>>> @step(scope="pixel")
... def scale(rate: RateImage, parameters: ScaleParameters) -> RateImage:
...     '''Multiply the rate by a constant.'''
...     return dataclasses.replace(rate, data=rate.data * parameters.factor)

The name of the function is the key in recipes, in provenance, in the log and
in the documentation.  A step does no I/O and changes nothing that it does not
own: the runner selects references, calls, records, decides skips and saves.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Reference

Scope = Literal["pixel", "detector", "metadata"]
"""``pixel``: works on any tile of rows; ``detector``: needs the whole frame;
``metadata``: touches no pixel."""

Applies = Callable[[Metadata], str | None]
"""Tells why a step does not apply to an exposure, or ``None`` when it does."""


class Parameters(BaseModel):
    """Parameters of a step: frozen, every one described, unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoParameters(Parameters):
    """A step without parameters."""


@dataclass(frozen=True)
class Step:
    """A declared step; calling it calls its function."""

    function: Callable[..., Any]
    scope: Scope
    applies: Applies
    status_key: str
    """Key of RAD's ``meta.cal_step`` under which its state is recorded."""

    @property
    def name(self) -> str:
        """Key in recipes and provenance."""
        return self.function.__name__

    @cached_property
    def _hints(self) -> Mapping[str, Any]:
        return typing.get_type_hints(self.function)

    @cached_property
    def takes(self) -> type:
        """Type of the product that comes in."""
        return typing.cast(type, self._hints[next(iter(self._signature.parameters))])

    @cached_property
    def gives(self) -> type:
        """Type of the product that goes out."""
        return typing.cast(type, self._hints["return"])

    @cached_property
    def references(self) -> Mapping[str, type[Reference]]:
        """Reference products by the name of the argument that takes them."""
        return {
            name: hint
            for name, hint in self._hints.items()
            if inspect.isclass(hint) and issubclass(hint, Reference)
        }

    @cached_property
    def parameters(self) -> type[Parameters]:
        """Model of the parameters."""
        return typing.cast(type[Parameters], self._hints.get("parameters", NoParameters))

    @property
    def wants_workers(self) -> bool:
        """Whether the function spreads its own work over threads."""
        return "workers" in self._signature.parameters

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def step(
    *, scope: Scope, applies: Applies = lambda meta: None, status_key: str | None = None
) -> Callable[[Callable[..., Any]], Step]:
    """Declare a function as a step.

    Parameters
    ----------
    scope
        How much of the frame it needs at once.
    applies
        Tells why the step does not apply to an exposure, or ``None``.
    status_key
        Key of ``meta.cal_step``, where it is not the name of the function.
    """

    def declare(function: Callable[..., Any]) -> Step:
        return Step(function, scope, applies, status_key or function.__name__)

    return declare
