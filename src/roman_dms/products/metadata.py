"""Metadata of a product: an immutable tree that keeps what it does not know."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from roman_dms.errors import MetadataError
from roman_dms.instrument.read_patterns import ReadPattern

_MISSING = object()


class Metadata(Mapping[str, Any]):
    """The ``meta`` tree of a product, addressed by dotted keys.

    Unknown keys are carried through whole.  A tree is never changed:
    :meth:`updated` returns a new one that shares the untouched branches.

    >>> meta = Metadata({"instrument": {"name": "WFI", "detector": "WFI01"}})
    >>> meta["instrument.detector"]
    'WFI01'
    >>> meta.updated({"exposure.frame_time": 3.16})["exposure.frame_time"]
    3.16
    """

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self._tree: dict[str, Any] = dict(tree)

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise MetadataError(
                f"The keyword meta.{key} is missing.",
                "a product of the mission with its whole metadata",
                "look at the file with 'rdms info', check it with 'rdms validate'",
            )
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Value of a dotted key, or ``default``."""
        node: Any = self._tree
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                return default
            node = node[part]
        return node

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key, _MISSING) is not _MISSING

    def __iter__(self) -> Iterator[str]:
        return iter(self._tree)

    def __len__(self) -> int:
        return len(self._tree)

    def updated(self, changes: Mapping[str, Any]) -> Metadata:
        """A new tree with values set by dotted key; branches are made as needed."""
        tree = dict(self._tree)
        for key, value in changes.items():
            *branches, leaf = key.split(".")
            node = tree
            for branch in branches:
                child = node.get(branch)
                node[branch] = dict(child) if isinstance(child, Mapping) else {}
                node = node[branch]
            node[leaf] = value
        return Metadata(tree)

    def noted(self, line: str) -> Metadata:
        """A new tree with a line added to the log of the calibration, ``cal_logs``."""
        return self.updated({"cal_logs": [*(self.get("cal_logs") or []), line]})

    def tree(self) -> dict[str, Any]:
        """A nested dict of the whole tree, free to be changed by the caller."""
        return _thaw(self._tree)

    @property
    def detector(self) -> str:
        """Name of the detector, ``WFI01`` to ``WFI18``."""
        return str(self["instrument.detector"])

    @property
    def optical_element(self) -> str:
        """Filter, grism or prism in the beam."""
        return str(self["instrument.optical_element"])

    @property
    def exposure_type(self) -> str:
        """RAD's exposure type, for instance ``WFI_IMAGE``."""
        return str(self["exposure.type"])

    @property
    def frame_time(self) -> float:
        """Time of one read [s]."""
        return float(self["exposure.frame_time"])

    @property
    def read_pattern(self) -> ReadPattern:
        """Which reads are averaged into each resultant."""
        return ReadPattern(self["exposure.read_pattern"], self.frame_time)


def _thaw(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _thaw(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_thaw(value) for value in node]
    return copy.copy(node) if isinstance(node, dict | list) else node
