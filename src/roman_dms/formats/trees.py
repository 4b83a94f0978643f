"""Trees of an ASDF file: from its header to Python objects and back.

A *tagged tree* consists of dicts, lists and scalars that carry their YAML tag,
arrays being nodes that name a block.  A *live tree* has arrays, times and
transforms in their place.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asdf
import numpy as np
import yaml
from asdf.tagged import TaggedDict, TaggedString, get_tag
from asdf.yamlutil import AsdfLoader, custom_tree_to_tagged_tree, tagged_tree_to_custom_tree
from numpy.typing import NDArray

from roman_dms.errors import FormatError
from roman_dms.formats.container import Container, open_container
from roman_dms.formats.rad import TAGS, Context, split_tag
from roman_dms.formats.sources import FilePath
from roman_dms.formats.stored_arrays import array_of
from roman_dms.products.arrays import PixelArray, StoredArray

NDARRAY = "tag:stsci.edu:asdf/core/ndarray-"
_BAD_YAML = (
    yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError,
)  # fmt: skip
"""What a parser raises for a header that is damaged."""

TIME = "tag:stsci.edu:asdf/time/time-"


@dataclass(frozen=True)
class TaggedFile:
    """An ASDF file of the mission, its header parsed."""

    container: Container
    root: Mapping[str, Any]
    """The whole tagged tree."""

    @property
    def name(self) -> str:
        """Path or URL."""
        return self.container.source.name

    @property
    def roman(self) -> Mapping[str, Any]:
        """The tagged branch that holds the product."""
        branch: Mapping[str, Any] = self.root["roman"]
        return branch

    @property
    def tag(self) -> str:
        """Tag of the product."""
        return str(get_tag(self.roman))

    @property
    def schema(self) -> str:
        """Name of the schema: ``wfi_image``, ``reference_files/gain``, ..."""
        return split_tag(self.tag)[0]

    def live(self, node: Any = None, *, foreign: bool = True) -> Any:
        """The live tree of a node, by default of the whole product.

        Parameters
        ----------
        foreign
            Whether to make objects of other packages, such as a WCS; if not,
            the tag stands in their place.
        """
        try:
            return _revive(self.container, self.roman if node is None else node, foreign)
        except RecursionError as error:
            raise _bad_header(self.name, "its tree contains itself") from error


def open_tagged(path: FilePath) -> TaggedFile:
    """Open a file and parse its header.

    Raises
    ------
    FileError
        If it cannot be read, is truncated or damaged.
    FormatError
        If it is no ASDF file of the mission.
    """
    return parse(open_container(path))


def parse(container: Container) -> TaggedFile:
    """Parse the header of an ASDF file."""
    name = container.source.name
    try:
        root = yaml.load(container.header, Loader=AsdfLoader)  # noqa: S506 - a SafeLoader
    except _BAD_YAML as error:
        raise _bad_header(name, error) from error
    roman = root.get("roman") if isinstance(root, Mapping) else None
    if not isinstance(roman, Mapping) or not (get_tag(roman) or "").startswith(TAGS):
        raise FormatError(
            f"The file {name} holds no product of the mission: "
            f"its tree has {_branches(root)} and no 'roman' branch with a tag of RAD.",
            f"a branch 'roman' with a tag such as {TAGS}wfi_image-2.1.0",
        )
    return TaggedFile(container, root)


def _branches(root: Any) -> str:
    return ", ".join(map(repr, root)) if isinstance(root, Mapping) else "no mapping"


def _bad_header(name: str, reason: object) -> FormatError:
    return FormatError(
        f"The header of {name} cannot be parsed: {str(reason)[:300]}.",
        "a YAML document of the ASDF standard",
        "fetch or make the file again",
    )


def _revive(container: Container, node: Any, foreign: bool) -> Any:
    tag = get_tag(node)
    if tag and "file_date" in tag:  # of RAD 1, where it is no plain time
        return _time(str(node))
    if tag is None or tag.startswith(TAGS):
        return _revive_plain(container, node, foreign)
    if tag.startswith(NDARRAY):
        return array_of(container, node)
    if tag.startswith(TIME) and (simple := _simple_time(node)):
        return _time(*simple)
    return _convert(_with_arrays(container, node), container.source.name) if foreign else tag


def _revive_plain(container: Container, node: Any, foreign: bool) -> Any:
    if isinstance(node, Mapping):
        return {key: _revive(container, value, foreign) for key, value in node.items()}
    if isinstance(node, list):
        return [_revive(container, value, foreign) for value in node]
    return str(node) if isinstance(node, TaggedString) else node


def _simple_time(node: Any) -> tuple[str, ...] | None:
    """Value and format of a UTC time that needs no further conversion."""
    if isinstance(node, str | TaggedString):
        return (str(node),)
    if isinstance(node, Mapping) and set(node) == {"value", "base_format"}:
        return str(node["value"]), str(node["base_format"])
    return None


def _time(value: str, base_format: str | None = None) -> Any:
    from astropy.time import Time  # noqa: PLC0415 - not for trees without times

    try:
        time = Time(value, scale="utc")
        if base_format:
            time.format = base_format
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(f"The time {value!r} is none.", "YYYY-MM-DDThh:mm:ss") from error
    return time


def _with_arrays(container: Container, node: Any) -> Any:
    """A foreign branch with its arrays in memory, otherwise still tagged."""
    tag = get_tag(node)
    if tag and tag.startswith(NDARRAY):
        return np.asarray(array_of(container, node))
    if isinstance(node, Mapping):
        items = {key: _with_arrays(container, value) for key, value in node.items()}
        return TaggedDict(items, tag) if tag else items
    if isinstance(node, list):
        values = [_with_arrays(container, value) for value in node]
        return asdf.tagged.TaggedList(values, tag) if tag else values
    return node


_CONVERTING = threading.Lock()
"""asdf and astropy change tables of their own while they convert, which threads must not share."""


def _convert(node: Any, name: str) -> Any:
    with _CONVERTING, asdf.config_context() as config:
        config.warn_on_failed_conversion = False
        try:
            return tagged_tree_to_custom_tree(node, Context())
        except Exception as error:  # converters of other packages raise what they like
            raise FormatError(
                f"A branch of {name} with the tag {get_tag(node)} cannot be converted: {error}.",
                "an object of the ASDF standard, astropy or gwcs",
            ) from error


_CALENDARS = {"isot", "datetime", "datetime64", "fits"}
"""Formats of astropy's times that are all written as ISO 8601."""


@dataclass
class Lowering:
    """Makes a tagged tree of a live one and collects its arrays, a block each."""

    arrays: list[PixelArray] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)

    def lower(self, node: Any) -> Any:
        """The tagged tree of a live tree.

        Raises
        ------
        FormatError
            For an object that no extension of asdf can store.
        """
        if node is None or isinstance(node, bool | int | float | str | np.generic):
            return _lower_scalar(node)
        if isinstance(node, TaggedDict):
            return node  # lowered already
        if isinstance(node, Mapping):
            return {key: self.lower(value) for key, value in node.items()}
        if isinstance(node, list | tuple):
            return [self.lower(value) for value in node]
        if type(node) is np.ndarray or (
            isinstance(node, StoredArray) and not isinstance(node, np.ndarray)
        ):
            return self._lower_array(node)
        return _lower_simple_time(node) or _lower_foreign(node)

    def _lower_array(self, array: NDArray[Any] | StoredArray) -> TaggedDict:
        from asdf.tags.core.ndarray import numpy_dtype_to_asdf_datatype  # noqa: PLC0415

        number = self._numbers.setdefault(id(array), len(self.arrays))
        if number == len(self.arrays):
            self.arrays.append(array)
        datatype, _ = numpy_dtype_to_asdf_datatype(array.dtype, override_byteorder="little")
        node = {
            "source": number,
            "datatype": datatype,
            "byteorder": "little",
            "shape": [int(size) for size in array.shape],
        }
        return TaggedDict(node, NDARRAY + "1.1.0")


def _lower_scalar(node: Any) -> Any:
    """A scalar without the type that numpy or an enumeration gave it."""
    if isinstance(node, np.generic):
        return node.item()
    return str(node) if isinstance(node, str) else node


def _lower_simple_time(node: Any) -> TaggedString | TaggedDict | None:
    time = sys.modules.get("astropy.time")
    if time is None or not isinstance(node, time.Time) or not node.isscalar:
        return None
    if node.scale != "utc" or node.location is not None or node.format not in _CALENDARS:
        return None
    exact = node.replicate(format="isot")
    exact.precision = 9
    whole, _, fraction = exact.value.partition(".")
    value = f"{whole}.{fraction.rstrip('0'):0<3}"
    if node.format != "isot":
        return TaggedDict({"base_format": node.format, "value": value}, TIME + "1.4.0")
    text = TaggedString(value)
    text._tag = TIME + "1.4.0"  # noqa: SLF001 - asdf has no constructor for it
    return text


def _lower_foreign(node: Any) -> Any:
    with asdf.config_context() as config:
        config.array_inline_threshold = sys.maxsize
        try:
            tree = custom_tree_to_tagged_tree(node, Context())
        except Exception as error:  # converters of other packages raise what they like
            raise _cannot_store(node, error) from error
    if tree is node:
        raise _cannot_store(node, "no extension of asdf knows it")
    return tree


def _cannot_store(node: Any, reason: object) -> FormatError:
    return FormatError(
        f"An object of type {type(node).__name__} cannot be stored: {reason}.",
        "numbers, text, lists, mappings, arrays, times, units, models and WCS",
    )
