"""A step: a plain function whose signature declares what it needs.

>>> import dataclasses
>>> from pydantic import Field
>>> from roman_dms.products.exposure import RateImage
>>> class ScaleParameters(Parameters):
...     factor: float = Field(1.0, gt=0, description="Factor applied to the rate.")
>>> @step(scope="pixel")
... def scale(rate: RateImage, parameters: ScaleParameters) -> RateImage:
...     '''Multiply the rate by a constant.'''
...     return dataclasses.replace(rate, data=rate.data * parameters.factor)
>>> scale.name, scale.takes.__name__, scale.summary
('scale', 'RateImage', 'Multiply the rate by a constant.')

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
from typing import Any, ClassVar, Literal

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

    kind: ClassVar[str] = ""
    """Kind of reference file (``pars-...``) in which the mission keeps them."""

    mission_names: ClassVar[Mapping[str, str]] = {}
    """Our name of a parameter by the mission's, where they differ."""

    mission_values: ClassVar[Mapping[str, str]] = {}
    """Our word for a value by the mission's, where they differ."""


class NoParameters(Parameters):
    """A step without parameters."""


@dataclass(frozen=True)
class Step:
    """A declared step; calling it calls its function."""

    function: Callable[..., Any]
    scope: Scope
    applies: Applies

    @property
    def name(self) -> str:
        """Key in recipes, in provenance and in RAD's ``meta.cal_step``."""
        return self.function.__name__

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
            name: kind
            for name in self._signature.parameters
            if (kind := _reference_kind(self._hints[name])) is not None
        }

    def needs(self, name: str) -> bool:
        """Whether the step cannot run without the reference of an argument."""
        return self._signature.parameters[name].default is inspect.Parameter.empty

    @cached_property
    def parameters(self) -> type[Parameters]:
        """Model of the parameters."""
        return typing.cast(type[Parameters], self._hints.get("parameters", NoParameters))

    @property
    def wants_workers(self) -> bool:
        """Whether the function spreads its own work over threads."""
        return "workers" in self._signature.parameters

    @property
    def changes_product(self) -> bool:
        """Whether another type of product comes out; such a step cannot be skipped."""
        return self.takes is not self.gives

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @cached_property
    def _hints(self) -> Mapping[str, Any]:
        return typing.get_type_hints(self.function)

    def run(
        self,
        product: Any,
        references: Mapping[str, Reference],
        parameters: Parameters,
        workers: int = 1,
    ) -> Any:
        """Call the function with what its signature asks for."""
        arguments: dict[str, Any] = dict(references)
        if "parameters" in self._signature.parameters:
            arguments["parameters"] = parameters
        if self.wants_workers:
            arguments["workers"] = workers
        return self.function(product, **arguments)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.function(*args, **kwargs)


def _reference_kind(hint: Any) -> type[Reference] | None:
    """The reference product of an annotation, ``Kind`` or ``Kind | None``."""
    for choice in (hint, *typing.get_args(hint)):
        if inspect.isclass(choice) and issubclass(choice, Reference):
            return choice
    return None


def _always(_meta: Metadata) -> None:
    return None


def step(*, scope: Scope, applies: Applies = _always) -> Callable[[Callable[..., Any]], Step]:
    """Declare a function as a step.

    Parameters
    ----------
    scope
        How much of the frame it needs at once.
    applies
        Tells why the step does not apply to an exposure, or ``None``.
    """

    def declare(function: Callable[..., Any]) -> Step:
        return Step(function, scope, applies)

    return declare
