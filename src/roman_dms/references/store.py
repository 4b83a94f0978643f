"""The store of mappings and reference files, laid out as the CRDS client's cache.

::

    mappings/roman/      roman_0001.pmap  roman_wfi_0001.imap  roman_wfi_flat_0001.rmap
    references/roman/    the files (or in a folder wfi below)
    config/roman/        server_config (which context is operational), the ledger

The stock ``crds`` client works on the same folder.
"""

from __future__ import annotations

import ast
import base64
import gzip
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from pprint import pformat
from typing import Any

from roman_dms.errors import FileError, ReferenceDataError
from roman_dms.references import disk
from roman_dms.references.context import Context
from roman_dms.references.ledger import Ledger
from roman_dms.references.mappings import MappingFile, parse

PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
LAYOUT = "ref_cache_subdir_mode"
"""File in which the client notes how reference files are laid out."""
CONTEXT_NAME = re.compile(r"roman_(\d{4,})\.pmap")


def default_path() -> Path:
    """Where the store is: ``RDMS_REFERENCES``, else ``CRDS_PATH``, else the home folder."""
    for variable in ("RDMS_REFERENCES", "CRDS_PATH"):
        if value := os.environ.get(variable):
            return Path(value).expanduser()
    return Path.home() / ".local" / "share" / "rdms" / "references"


class ReferenceStore:
    """A folder of mappings and reference files.

    Parameters
    ----------
    path
        The folder; :func:`default_path` where omitted.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path) if path is not None else default_path()
        self.mappings = self.path / "mappings" / "roman"
        self.configuration = self.path / "config" / "roman"
        self.references = self._reference_folder()
        self._parsed: dict[str, MappingFile] = {}
        self._contexts: dict[str, Context] = {}

    def _reference_folder(self) -> Path:
        """Where files are: the client may keep those of each instrument in a folder."""
        folder = self.path / "references" / "roman"
        try:
            mode = (self.configuration / LAYOUT).read_text().strip()
        except OSError:
            mode = "flat"
        return folder / "wfi" if mode == "instrument" else folder

    @cached_property
    def ledger(self) -> Ledger:
        """What is known of the content of the files."""
        return Ledger(self.configuration / "verified.json", self._announced())

    def _announced(self) -> dict[str, str]:
        """Sums that the CRDS client got from its server, from the configuration that it keeps."""
        try:
            packed = self.server_config()["download_metadata"]["crds_payload"]
            facts = json.loads(gzip.decompress(base64.b64decode(packed)))
            return {str(name): str(fact["sha1sum"]) for name, fact in facts.items()}
        except (ReferenceDataError, KeyError, TypeError, ValueError, OSError, EOFError):
            return {}  # a store that came from no server, or an old client

    def context(self, name: str | None = None) -> Context:
        """A context by name; by default the one in ``CRDS_CONTEXT``, else the operational one.

        Raises
        ------
        ReferenceDataError
            For a context that the store does not have.
        """
        name = name or os.environ.get("CRDS_CONTEXT") or self.operational
        if name in ("latest", "roman-latest", "roman-operational"):
            name = self.operational
        if name not in self._contexts:
            if not CONTEXT_NAME.fullmatch(name) or not (self.mappings / name).is_file():
                raise self._no_context(name)
            self._contexts[name] = Context(self, name)
        return self._contexts[name]

    def contexts(self) -> list[str]:
        """Names of all contexts of the store, oldest first."""
        names = (path.name for path in self.mappings.glob("roman_*.pmap"))
        return sorted(filter(CONTEXT_NAME.fullmatch, names), key=serial_of)

    @property
    def operational(self) -> str:
        """Name of the context that is used where none is named."""
        configuration = self.server_config()
        name = configuration.get("operational_context") or configuration.get("latest_context")
        return str(name)

    def server_config(self) -> dict[str, Any]:
        """What the CRDS client keeps of its server's answer.

        Raises
        ------
        ReferenceDataError
            Where there is no store or its configuration is damaged.
        """
        path = self.configuration / "server_config"
        try:
            content = ast.literal_eval(path.read_text().strip().removeprefix("ConfigInfo"))
        except OSError:
            raise ReferenceDataError(
                f"There is no reference store at {self.path}.",
                "a folder with mappings, references and config",
                "make one with 'rdms references bootstrap', or name yours with --store or the "
                "variable RDMS_REFERENCES",
            ) from None
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            content = None
        if not isinstance(content, dict):
            raise ReferenceDataError(
                f"The configuration {path} of the reference store is damaged.",
                "the text of a Python dictionary",
                "restore it, or name a context with --context",
            )
        return content

    def write_server_config(self, context: str) -> None:
        """Make a context the operational one (the last act of a submission)."""
        try:
            kept = self.server_config()
        except ReferenceDataError:
            kept = {}
        content = {
            "bad_files_list": [],
            "bad_files": "",
            "connected": False,
            "force_remote_mode": False,
            "last_synced": "never",
            "observatory": "roman",
            **kept,
            "edit_context": context,
            "latest_context": context,
            "operational_context": context,
        }
        if not (self.configuration / LAYOUT).exists():
            disk.write_text(self.configuration / LAYOUT, "flat")
        disk.write_text(self.configuration / "server_config", pformat(content) + "\n")

    def mapping(self, name: str) -> MappingFile:
        """A mapping by name, its sum checked, read once.

        Raises
        ------
        ReferenceDataError
            For a mapping that is missing, damaged or malformed.
        """
        if name not in self._parsed:
            self._parsed[name] = parse(self.mapping_text(name), name)
        return self._parsed[name]

    def mapping_text(self, name: str) -> str:
        """Text of a mapping."""
        path = self.mappings / plain(name)
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ReferenceDataError(
                f"The mapping {name} cannot be read from {self.mappings} ({error}).",
                "every mapping that a context names",
                "sync the store again, or choose another context",
            ) from None

    def reference(self, name: str) -> Path:
        """Path of a reference file whose content has been checked.

        Raises
        ------
        ReferenceDataError
            For a file that is missing or damaged.
        """
        path = self.references / plain(name)
        self.ledger.check(path)
        return path

    def mapping_names(self, context: str) -> list[str]:
        """Names of a context and of all mappings below it."""
        found = self.context(context)
        rules = [name for name in found.rule_files.values() if name.endswith(".rmap")]
        return sorted({context, found.instrument_mapping, *rules})

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store against other writers."""
        with disk.locked(self.configuration / "submission.lock"):
            yield

    def verify(self, *, progress: Any = None) -> list[str]:
        """Read the content of every mapping and file again.

        Returns
        -------
        list of str
            What is wrong; empty where all is well.
        """
        problems = []
        files = sorted(self.references.glob("*.asdf")) if self.references.is_dir() else []
        for path in sorted(self.mappings.glob("*.*map")):
            problems += _problem(lambda path=path: parse(self.mapping_text(path.name), path.name))
        for path in files:
            problems += _problem(lambda path=path: self.ledger.check(path, again=True))
            if progress:
                progress(path.name)
        for name in self.contexts():
            problems += self._missing(name)
        return list(dict.fromkeys(problems))

    def _missing(self, context: str) -> list[str]:
        """What a context names and the store does not have."""
        found = Context(self, context)
        problems = _problem(lambda: found.rule_files)
        for kind in [] if problems else found.kinds:
            if unreadable := _problem(lambda kind=kind: found.rules(kind)):
                problems += unreadable
                continue
            rules = found.rules(kind)
            problems += [
                f"{context} names {name}, which is not in the store."
                for name in sorted(rules.files if rules else ())
                if not (self.references / name).is_file()
            ]
        return problems

    def _no_context(self, name: str) -> ReferenceDataError:
        known = self.contexts()
        shown = ", ".join(known[-5:]) or "none"
        return ReferenceDataError(
            f"There is no context {name!r} in the store {self.path}.",
            f"one of its contexts ({shown}{', and older' if len(known) > 5 else ''})",
            "list them with 'rdms references contexts'",
        )


def serial_of(name: str) -> int:
    """Serial number at the end of a mapping's name; 0 where it has none.

    >>> serial_of("roman_wfi_flat_0012.rmap")
    12
    """
    found = re.search(r"_(\d+)\.\w+$", name)
    return int(found[1]) if found else 0


def plain(name: str) -> str:
    """A file name without any path, or an error: names come from files and from the network."""
    if not PLAIN_NAME.fullmatch(name):
        raise ReferenceDataError(f"{name[:80]!r} is not the name of a file of a store.")
    return name


def _problem(check: Any) -> list[str]:
    try:
        check()
    except (ReferenceDataError, FileError) as error:
        return [error.found]
    return []
