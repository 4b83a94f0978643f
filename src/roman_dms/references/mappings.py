"""The text of CRDS mappings: pmap, imap and rmap, read safely and written.

A mapping is Python text with two assignments, ``header`` and ``selector``.  It
is never executed: the syntax tree is walked and only literals and the selectors
``Match`` and ``UseAfter`` are understood; all else is an error.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from typing import Any

from roman_dms.errors import ReferenceDataError

SELECTORS = ("Match", "UseAfter")
MAX_CHARACTERS = 16_000_000
MAX_DEPTH = 32


@dataclass(frozen=True)
class Selector:
    """One level of the rules of an rmap."""

    name: str
    """``Match`` or ``UseAfter``."""

    choices: dict[Any, Any]
    """Next selector, file name or ``N/A`` by key: a tuple of patterns, or a date."""


@dataclass(frozen=True)
class MappingFile:
    """A mapping as it is in its file."""

    header: dict[str, Any]
    selector: Selector | dict[str, str]
    """Rules of an rmap; else names of the mappings below, by instrument or kind."""

    @property
    def name(self) -> str:
        """File name, as its header says."""
        return str(self.header["name"])


def parse(text: str, name: str) -> MappingFile:
    """Read the text of a mapping and check its sum.

    Parameters
    ----------
    text
        Whole text of the file.
    name
        File name, for messages.

    Raises
    ------
    ReferenceDataError
        For text that is damaged, malformed or does anything but declare.
    """
    if len(text) > MAX_CHARACTERS:
        raise _malformed(name, f"has {len(text)} characters, more than {MAX_CHARACTERS}")
    if _deepest_bracket(text) > MAX_DEPTH:
        raise _malformed(name, f"nests deeper than {MAX_DEPTH} brackets")
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _malformed(name, f"is not the text of a mapping ({error})") from None
    sections = _sections(module, name)
    header, selector = sections["header"], sections["selector"]
    if not isinstance(header, dict) or not isinstance(selector, Selector | dict):
        raise _malformed(name, "has no proper header and selector")
    _check_sum(text, header, name)
    header.setdefault("name", name)
    return MappingFile(header, selector)


def write(header: MappingType[str, Any], selector: Selector | MappingType[str, str]) -> str:
    """Text of a mapping, with its checksum, laid out as CRDS does."""
    body = _format(selector, 0)
    bare = {key: value for key, value in header.items() if key != "sha1sum"}
    unsigned = f"header = {_format(bare, 0)}\n\nselector = {body}\n"
    signed = {**bare, "sha1sum": checksum(unsigned)}
    return f"header = {_format(signed, 0)}\n\nselector = {body}\n"


def checksum(text: str) -> str:
    """SHA-1 of a mapping's text without the line of the sum itself, as CRDS has it."""
    lines = (line for line in text.splitlines(keepends=True) if "sha1sum" not in line)
    return hashlib.sha1("".join(lines).encode(), usedforsecurity=False).hexdigest()


def _deepest_bracket(text: str) -> int:
    """Deepest nesting of brackets: the parser of Python must not meet a hostile one."""
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _sections(module: ast.Module, name: str) -> dict[str, Any]:
    sections: dict[str, Any] = {}
    for statement in module.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name):
            raise _malformed(name, "does more than declare", statement)
        if target.id not in ("header", "selector", "comment") or len(statement.targets) > 1:
            raise _malformed(name, f"sets {target.id!r}", statement)
        sections[target.id] = _literal(statement.value, name, 0)
    if not {"header", "selector"} <= set(sections):
        raise _malformed(name, "lacks its header or its selector")
    return sections


def _literal(node: ast.expr, name: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise _malformed(name, f"nests deeper than {MAX_DEPTH} levels", node)
    match node:
        case ast.Constant(value=str() | int() | float() | bool() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Tuple(elts=items):
            return tuple(_literal(item, name, depth + 1) for item in items)
        case ast.List(elts=items):
            return [_literal(item, name, depth + 1) for item in items]
        case ast.Dict(keys=keys, values=values):
            return _dictionary(keys, values, name, depth)
        case ast.Call(func=ast.Name(id=called), args=[ast.Dict(keys=keys, values=values)]) if (
            called in SELECTORS and not node.keywords
        ):
            return Selector(called, _dictionary(keys, values, name, depth))
    raise _malformed(name, "holds something that is neither a literal nor a rule", node)


def _dictionary(
    keys: list[ast.expr | None], values: list[ast.expr], name: str, depth: int
) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key_node, value_node in zip(keys, values, strict=True):
        if key_node is None:
            raise _malformed(name, "unpacks a dictionary", value_node)
        key = _literal(key_node, name, depth + 1)
        try:
            repeated = key in result
        except TypeError:
            raise _malformed(name, f"has the key {key!r}", key_node) from None
        if repeated:
            raise _malformed(name, f"has the key {key!r} twice", key_node)
        result[key] = _literal(value_node, name, depth + 1)
    return result


def _check_sum(text: str, header: dict[str, Any], name: str) -> None:
    expected, found = header.get("sha1sum"), checksum(text)
    if expected != found:
        raise ReferenceDataError(
            f"The mapping {name} is damaged: its SHA-1 is {found}.",
            f"{expected}, as its header says",
            "fetch it again, or restore it from the store that it came from",
        )


def _format(value: Any, indent: int) -> str:
    if isinstance(value, Selector):
        return f"{value.name}({_format(value.choices, indent)})"
    if not isinstance(value, dict):
        return repr(value)
    margin = "    " * indent
    lines = [
        f"{margin}    {key!r} : {_format(item, indent + 1)},\n"
        for key, item in sorted(value.items(), key=lambda pair: _order(pair[0]))
    ]
    return "{\n" + "".join(lines) + margin + "}"


def _order(key: Any) -> tuple[str, ...]:
    return tuple(map(str, key)) if isinstance(key, tuple) else (str(key),)


def _malformed(name: str, what: str, node: ast.AST | None = None) -> ReferenceDataError:
    line = f" (line {node.lineno})" if node is not None and hasattr(node, "lineno") else ""
    return ReferenceDataError(
        f"The mapping {name} {what}{line}.",
        "a CRDS mapping: a header and a selector made of literals, Match and UseAfter",
        "do not use it; fetch it again from the store that it came from",
    )
