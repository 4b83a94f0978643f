"""What reference files and exposures say of themselves, without reading their arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roman_dms.errors import FileError, FormatError, MetadataError
from roman_dms.products.metadata import Metadata
from roman_dms.references.kinds import EXPOSURE_TYPE, KINDS, Kind
from roman_dms.references.rules import date_text, pattern_text


@dataclass(frozen=True)
class ReferenceFile:
    """A reference file, as far as its selection goes."""

    path: Path
    kind: Kind

    match: tuple[str, ...]
    """Patterns, in the order of the keys of its kind."""

    useafter: str
    """Date from which it holds, as the rules write it."""

    meta: Metadata

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name


def read_tree(path: Path) -> dict[str, Any]:
    """The tree of an ASDF file, plain and without arrays.

    Raises
    ------
    FileError
        For a file that is missing or cannot be read.
    FormatError
        For a file that is not ASDF or is damaged.
    """
    import asdf.util  # noqa: PLC0415  (slow; the command line must start fast)

    try:
        tree = asdf.util.load_yaml(path, tagged=True)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from None
    except Exception as error:  # noqa: BLE001  (a YAML parser fails in many ways)
        raise FormatError(
            f"{path} is not a readable ASDF file ({str(error)[:200]}).", "an ASDF file"
        ) from None
    if not isinstance(tree, Mapping):
        raise FormatError(f"{path} holds no tree.", "an ASDF file with a tree")
    return dict(tree)


def read_metadata(path: Path) -> Metadata:
    """The ``meta`` tree of a file; of step parameters, which have no ``roman`` branch, too."""
    tree = read_tree(path)
    holder = tree.get("roman", tree)
    meta = holder.get("meta") if isinstance(holder, Mapping) else None
    if not isinstance(meta, Mapping):
        raise FormatError(
            f"{path} has no metadata.", "a file of the mission with the tree roman.meta"
        )
    return Metadata(meta)


def read_reference_file(path: Path | str) -> ReferenceFile:
    """What a reference file is and which exposures it is for.

    Raises
    ------
    FileError, FormatError
        For a file that cannot be read.
    MetadataError
        For a file without the metadata that its rules need.
    """
    path = Path(path)
    meta = read_metadata(path)
    kind = KINDS.get(str(meta.get("reftype")).lower())
    if kind is None:
        raise MetadataError(
            f"{path.name}: meta.reftype is {meta.get('reftype')!r}.",
            "one of " + ", ".join(name.upper() for name in KINDS),
        )
    match = tuple(pattern_text(_key_value(meta, key, path.name)) for key in kind.keys)
    return ReferenceFile(path, kind, match, _useafter(meta, path.name), meta)


def _key_value(meta: Metadata, key: str, name: str) -> str:
    dotted = key.removeprefix("ROMAN.META.").lower()
    wider = meta.get("exposure.p_exptype") if key == EXPOSURE_TYPE else None
    value = wider or meta.get(dotted)
    if not isinstance(value, str) or not value.strip(" |"):
        raise MetadataError(
            f"{name}: meta.{dotted} is {value!r}.",
            "the value, or several joined with '|', of the exposures that the file is for",
        )
    return value


def _useafter(meta: Metadata, name: str) -> str:
    value = meta.get("useafter")
    if isinstance(value, Mapping):
        value = value.get("value")
    try:
        return date_text(value)
    except MetadataError as error:
        raise MetadataError(f"{name}, meta.useafter: {error.found}", error.expected) from None


def parameters_in(path: Path) -> dict[str, Any]:
    """The step parameters that a file of a kind ``pars-*`` holds.

    Raises
    ------
    FileError, FormatError
        For a file that cannot be read or holds none.
    """
    parameters = read_tree(path).get("parameters")
    if not isinstance(parameters, Mapping):
        raise FormatError(f"{path} holds no step parameters.", "a tree 'parameters'")
    return {str(name): value for name, value in parameters.items()}
