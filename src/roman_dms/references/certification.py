"""Certification: whether a file is fit to be a reference file.

All problems of all files are told at once.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from roman_dms.errors import RdmsError, ReferenceDataError
from roman_dms.instrument.detectors import detector
from roman_dms.references import disk
from roman_dms.references.files import ReferenceFile, read_reference_file, read_tree
from roman_dms.references.kinds import DETECTOR, Kind
from roman_dms.references.store import PLAIN_NAME, ReferenceStore

TAGS = "asdf://stsci.edu/datamodels/roman/tags/reference_files/"

DETECTOR_IMAGES = frozenset(
    ("dark", "gain", "inverselinearity", "linearity", "mask", "readnoise", "saturation")
)
"""Kinds whose arrays cover the detector with its border."""

SCIENCE_IMAGES = frozenset(("area", "flat"))
"""Kinds whose arrays cover the detector without its border (or with it)."""

POSITIVE = frozenset(("gain", "readnoise", "saturation"))
"""Kinds whose ``data`` cannot be negative."""


def certify(
    files: Iterable[Path | str], store: ReferenceStore | None = None
) -> dict[Path, list[str]]:
    """All problems of each file; an empty list for a file that is fit.

    Checked are: name, RAD schema, the metadata that the rules of its kind need,
    date, shape, values, and that no other file has its name or its place in the
    rules.

    Parameters
    ----------
    files
        Paths of candidates.
    store
        Store that the names must be new in.
    """
    paths = [Path(file) for file in files]
    results = {path: _examine(path, store) for path in paths}
    problems = {path: found for path, (_, found) in results.items()}
    names = Counter(path.name for path in paths)
    places = Counter(_place(file) for file, _ in results.values() if file)
    for path, (file, found) in results.items():
        if names[path.name] > 1:
            found.append(f"{names[path.name]} of the files have the name {path.name}.")
        if file and places[_place(file)] > 1:
            found.append(
                f"{places[_place(file)]} of the files are for the same exposures and date: "
                f"{file.kind.name} {' '.join(file.match)} {file.useafter}."
            )
    return problems


def certified(files: Iterable[Path | str], store: ReferenceStore) -> list[ReferenceFile]:
    """The files, all of them fit.

    Raises
    ------
    ReferenceDataError
        Where any of them is not, with all problems of all files.
    """
    problems = certify(files, store)
    if not problems:
        raise ReferenceDataError("No reference file was given.", "one file or more")
    bad = {path: found for path, found in problems.items() if found}
    if bad:
        lines = [f"  {path}: {problem}" for path, found in bad.items() for problem in found]
        raise ReferenceDataError(
            f"{len(bad)} of {len(problems)} files are not fit to be reference files:\n"
            + "\n".join(lines),
            "files that 'rdms references certify' passes",
            "correct them and submit again; nothing has been changed",
        )
    return [read_reference_file(path) for path in problems]


def _place(file: ReferenceFile) -> tuple[str, tuple[str, ...], str]:
    return file.kind.name, file.match, file.useafter


def _examine(path: Path, store: ReferenceStore | None) -> tuple[ReferenceFile | None, list[str]]:
    problems = list(_name_problems(path, store))
    try:
        file = read_reference_file(path)
    except RdmsError as error:
        return None, [*problems, str(error)]
    problems += _match_problems(file)
    tree = read_tree(path)
    if file.kind.is_parameters:
        problems += _parameter_problems(tree)
    else:
        problems += _schema_problems(tree, file.kind)
        problems += _array_problems(file)
    return file, problems


def _name_problems(path: Path, store: ReferenceStore | None) -> Iterator[str]:
    if not PLAIN_NAME.fullmatch(path.name) or path.suffix != ".asdf":
        yield "Its name is not made of letters, digits, '_', '-' and '.', ending in .asdf."
    elif store is not None and path.is_file():
        stored = store.references / path.name
        new = not stored.is_file() or stored.samefile(path)
        if not new and disk.sha1_of(stored) != disk.sha1_of(path):
            yield f"The store has another file named {path.name}; a new version needs a new name."


def _match_problems(file: ReferenceFile) -> Iterator[str]:
    for key, value in zip(file.kind.keys, file.match, strict=True):
        if value in ("NOT_CONFIGURED", "UNDEFINED"):
            yield f"It is for {key.removeprefix('ROMAN.META.').lower()} = {value}, no exposure."


def _parameter_problems(tree: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(tree.get("parameters"), Mapping):
        yield "It holds no 'parameters': a tree with the value of each parameter by name."


def _schema_problems(tree: Mapping[str, Any], kind: Kind) -> Iterator[str]:
    import asdf.schema  # noqa: PLC0415  (slow; the command line must start fast)

    from roman_dms.formats import rad  # noqa: PLC0415

    root = tree.get("roman")
    tag = str(getattr(root, "_tag", ""))
    if not tag.startswith(f"{TAGS}{kind.schema}-"):
        yield f"The tag of its tree is {tag or 'missing'}, not {TAGS}{kind.schema}-x.y.z."
        return
    try:
        asdf.schema.load_schema(tag.replace("/tags/", "/schemas/"))
    except FileNotFoundError:
        yield f"Its tag {tag} belongs to a version of RAD that is not installed."
        return
    for violation in dict.fromkeys(rad.violations(root)):
        yield f"It violates its RAD schema: {violation}."


def _array_problems(file: ReferenceFile) -> list[str]:
    import asdf  # noqa: PLC0415  (slow; the command line must start fast)

    try:
        with warnings.catch_warnings(), asdf.config_context() as config:
            warnings.simplefilter("ignore")  # types of an unknown extension stay plain trees
            config.validate_on_read = False  # the schema has been checked
            with asdf.open(file.path, memmap=True, lazy_load=True) as opened:
                arrays = dict(_arrays(opened.tree["roman"], ""))
                return [*_shape_problems(file, arrays), *_value_problems(file.kind, arrays)]
    except RdmsError as error:
        return [str(error)]
    except Exception as error:  # noqa: BLE001  (damaged blocks fail in many ways)
        return [f"Its arrays cannot be read: {str(error)[:200]}"]


def _arrays(node: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _arrays(child, f"{name}.{key}".removeprefix("."))
    elif hasattr(node, "shape") and hasattr(node, "dtype"):
        yield name, node


def _shape_problems(file: ReferenceFile, arrays: Mapping[str, Any]) -> Iterator[str]:
    kind = file.kind.name
    if kind not in DETECTOR_IMAGES | SCIENCE_IMAGES:
        return
    shapes = {tuple(array.shape[-2:]) for array in arrays.values() if len(array.shape) > 1}
    if len(shapes) != 1:
        yield f"Its arrays have different shapes of an image: {sorted(shapes)}."
        return
    rows, columns = shapes.pop()
    named = dict(zip(file.kind.keys, file.match, strict=True))[DETECTOR]
    name = named if named.startswith("WFI") and "|" not in named else "WFI01"
    border = 8 if kind in SCIENCE_IMAGES and columns % 128 else 0
    try:
        detector(name, (rows + border, columns + border))
    except RdmsError as error:
        yield str(error)


def _value_problems(kind: Kind, arrays: Mapping[str, Any]) -> Iterator[str]:
    flags = arrays.get("dq")
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.inexact):
            continue
        whole = np.asarray(array)
        if whole.ndim < 2 or flags is None or whole.shape[-2:] != flags.shape:
            good: Any = True
        else:
            good = np.asarray(flags) == 0
        planes = whole if whole.ndim > 2 else [whole]
        if any(np.any(~np.isfinite(plane) & good) for plane in planes):
            yield f"{name} has values that are not numbers, in pixels without a flag."
        if name == "data" and kind.name in POSITIVE and np.any((whole < 0) & good):
            yield f"{name} has negative values, in pixels without a flag."
