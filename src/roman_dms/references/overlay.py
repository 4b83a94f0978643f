"""A user's own reference files over a context, without touching the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from roman_dms.errors import FormatError, ReferenceDataError
from roman_dms.references import disk
from roman_dms.references.context import Context
from roman_dms.references.files import ReferenceFile, read_reference_file
from roman_dms.references.kinds import START_TIME
from roman_dms.references.mappings import Selector
from roman_dms.references.rules import Rules
from roman_dms.references.store import ReferenceStore

SUFFIX = ".overlay.json"


class Overlay:
    """A context in which a user's own files come first, by the same rules of matching.

    Parameters
    ----------
    base
        Context that is asked where no file of the user fits.
    files
        Reference files, or folders of them.

    Raises
    ------
    FileError, FormatError
        For a file that cannot be read or is no reference file.
    ReferenceDataError
        For two files for the same exposures and date.
    """

    def __init__(self, base: Context, files: Iterable[Path | str]) -> None:
        self.base = base
        self.files = [read_reference_file(path) for path in _expanded(files)]
        self._rules = _rules_of(self.files)
        self._paths = {file.name: file.path.resolve() for file in self.files}

    @property
    def name(self) -> str:
        """Name of the base and a sum of the content of the user's files.

        It tells two overlays apart in the provenance of products.
        """
        sums = sorted(disk.sha1_of(path) for path in self._paths.values())
        digest = hashlib.sha1("".join(sums).encode(), usedforsecurity=False).hexdigest()
        return f"{self.base.name}+overlay-{digest[:8]}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that the base or the user's files know."""
        return tuple(sorted({*self.base.kinds, *self._rules}))

    def select(self, parameters: Mapping[str, str], kinds: Iterable[str]) -> dict[str, Path | None]:
        """Path of the file of each kind; as :meth:`Context.select`, the user's first."""
        kinds = list(kinds)
        own = {kind: self._own(parameters, kind) for kind in kinds}
        others = self.base.select(parameters, [kind for kind in kinds if own[kind] is None])
        return {kind: own[kind] or others[kind] for kind in kinds}

    def save(self, path: Path | str) -> Path:
        """Write a small file that names base, store and files, to be used as a context."""
        path = Path(path)
        content = {
            "base": self.base.name,
            "store": str(self.base.store.path.resolve()),
            "files": sorted(map(str, self._paths.values())),
        }
        disk.write_text(path, json.dumps(content, indent=2) + "\n")
        return path

    def _own(self, parameters: Mapping[str, str], kind: str) -> Path | None:
        rules = self._rules.get(kind)
        name = rules.choose(parameters) if rules else None
        return self._paths[name] if name else None


def open_context(store: ReferenceStore, name: str | Path | None = None) -> Context | Overlay:
    """A context by name, or an overlay by the path of its file, of a reference file or a folder.

    This is what the option ``--context`` of a command means.
    """
    path = Path(name) if name else None
    if path is None or not path.exists():
        return store.context(str(name) if name else None)
    if path.name.endswith(".json"):
        return _load(store, path)
    return Overlay(store.context(), [path])


def _load(store: ReferenceStore, path: Path) -> Overlay:
    try:
        content = json.loads(path.read_text())
        base, files = str(content["base"]), list(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise FormatError(
            f"{path} is not an overlay.", "a file that 'rdms references overlay' wrote"
        ) from None
    return Overlay(store.context(base), files)


def _expanded(files: Iterable[Path | str]) -> list[Path]:
    paths: list[Path] = []
    for path in map(Path, files):
        paths += sorted(path.glob("*.asdf")) if path.is_dir() else [path]
    if not paths:
        raise ReferenceDataError(
            "The overlay has no files.", "reference files, or a folder of them"
        )
    return paths


def _rules_of(files: list[ReferenceFile]) -> dict[str, Rules]:
    choices: dict[str, dict[tuple[str, ...], dict[str, str]]] = {}
    names: set[str] = set()
    for file in files:
        dates = choices.setdefault(file.kind.name, {}).setdefault(file.match, {})
        if file.name in names or file.useafter in dates:
            raise ReferenceDataError(
                f"{file.path} has the name, or the exposures and date, of another file.",
                "one file for each set of exposures and date, each with its own name",
            )
        names.add(file.name)
        dates[file.useafter] = file.name
    kinds = {file.kind.name: file.kind for file in files}
    return {
        kind: Rules(
            name=f"your own files of the kind {kind}",
            kind=kind,
            keys=kinds[kind].keys,
            date_key=START_TIME,
            selector=Selector(
                "Match", {key: Selector("UseAfter", dates) for key, dates in by_match.items()}
            ),
            substitutions={},
            required=False,
        )
        for kind, by_match in choices.items()
    }
