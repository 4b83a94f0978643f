"""RAD, the schemas of the mission: tags, validation, and what asdf needs to know.

The extension here declares RAD's tags to asdf for our own reads and writes
alone.  It changes nothing for other users of asdf in the same process, and it
does not need ``roman_datamodels``, whose import takes longer than a calibration step.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.resources
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import asdf
import yaml
from asdf.extension import ExtensionProxy, ManifestExtension
from asdf.yamlutil import AsdfLoader

from roman_dms.errors import UsageError, ValidationError

TAGS = "asdf://stsci.edu/datamodels/roman/tags/"
"""Prefix of all tags of RAD."""
MANIFEST = "datamodels-2.1.0"
"""The manifest that we write; that of romancal 1.1."""
ASDF_STANDARD = "1.6.0"


@dataclass(frozen=True)
class Violation:
    """One place where a tree breaks its schema."""

    path: str
    """Where in the product, for instance ``meta.exposure.frame_time``."""
    found: str
    """What is there."""
    expected: str
    """What the schema asks for."""

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; expected {self.expected}"


def newest_tag(name: str) -> str:
    """The tag that we write for a schema: ``wfi_image``, ``reference_files/gain``, ...

    A whole tag is given back as it is.

    Raises
    ------
    UsageError
        If RAD has no such schema.
    """
    if name.startswith(TAGS):
        return name
    for tag in _tags(MANIFEST):
        uri: str = tag["tag_uri"]
        if uri.removeprefix(TAGS).rpartition("-")[0] == name:
            return uri
    raise UsageError(f"RAD has no schema {name!r}.", "for instance wfi_image, reference_files/gain")


def is_known(tag: str) -> bool:
    """Whether a manifest of the installed RAD has the tag."""
    return any(tag == known["tag_uri"] for name in _manifest_names() for known in _tags(name))


def release() -> str:
    """Version of the installed RAD."""
    return importlib.metadata.version("rad")


def split_tag(tag: str) -> tuple[str, str]:
    """Name and version of a tag: ``("wfi_image", "2.1.0")``."""
    name, _, version = tag.removeprefix(TAGS).rpartition("-")
    return name, version


def violations(tree: Any) -> Iterator[Violation]:
    """All places where a tagged tree (see ``trees``) breaks RAD or the ASDF standard."""
    validator = _validator()
    try:
        errors = list(validator.iter_errors(tree))
    finally:
        validator.evolved_validators.clear()  # else it keeps every schema that was ever loaded
    for error in errors:
        yield from _explain(error)


def check(tree: Any, name: str) -> None:
    """Raise a ValidationError that lists what is wrong with a tagged tree."""
    found = list(dict.fromkeys(violations(tree)))
    if found:
        lines = "\n".join(f"  {violation}" for violation in found[:20])
        more = f"\n  and {len(found) - 20} more" if len(found) > 20 else ""
        raise ValidationError(
            f"{name} violates its schema:\n{lines}{more}", remedy="correct the metadata or arrays"
        )


class Context(asdf.AsdfFile):  # type: ignore[misc] # asdf is untyped
    """What asdf needs to convert and to validate, with our extension in place of others'."""

    def __init__(self) -> None:
        super().__init__(version=ASDF_STANDARD, ignore_unrecognized_tag=True)

    def _process_plugin_extensions(self) -> list[ExtensionProxy]:
        return _extensions()


_own = threading.local()
"""A validator for each thread: building it takes 60 ms, and it remembers where it is."""


def _validator() -> Any:
    if not hasattr(_own, "validator"):
        context = Context()
        _ = context.extension_manager  # made on first use; the validator takes it for granted
        _own.validator = asdf.schema.get_validator({}, context)
    return _own.validator


@functools.cache
def _extensions() -> list[ExtensionProxy]:
    """RAD's tags, then every installed extension for the version that is not Roman's own."""
    found = [ExtensionProxy.maybe_wrap(_rad_extension(name)) for name in _manifest_names()]
    for entry in importlib.metadata.entry_points(group="asdf.extensions"):
        if entry.module.partition(".")[0] != "roman_datamodels":
            distribution = entry.dist
            found += [
                ExtensionProxy(
                    extension,
                    package_name=distribution.name if distribution else None,
                    package_version=distribution.version if distribution else None,
                )
                for extension in entry.load()()
            ]
    return [proxy for proxy in found if ASDF_STANDARD in proxy.asdf_standard_requirement]


def _rad_extension(manifest: str) -> ManifestExtension:
    content = dict(_manifest(manifest))
    content.pop("asdf_standard_requirement", None)
    return ManifestExtension(content)


def _manifest_names() -> list[str]:
    """Manifests that exist, the one that we write first."""
    files = (importlib.resources.files("rad.resources") / "manifests").iterdir()
    names = {file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")}
    return [MANIFEST, *sorted(names - {MANIFEST}, reverse=True)]


@functools.cache
def _manifest(name: str) -> Mapping[str, Any]:
    path = importlib.resources.files("rad.resources") / "manifests" / f"{name}.yaml"
    content: Mapping[str, Any] = yaml.load(path.read_bytes(), Loader=AsdfLoader)  # noqa: S506 - a SafeLoader
    return content


def _tags(manifest: str) -> list[Mapping[str, Any]]:
    tags: list[Mapping[str, Any]] = _manifest(manifest)["tags"]
    return tags


def _explain(error: Any) -> Iterator[Violation]:
    path = ".".join(str(part) for part in error.absolute_path) or "the tree"
    found, expected = _shorten(error.instance), f"{error.validator} {error.validator_value}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        for key in missing:
            yield Violation(f"{path}.{key}", "nothing", "the keyword is required")
        return
    if error.validator == "tag":
        found = f"the tag {asdf.tagged.get_tag(error.instance)}"
    elif error.validator == "datatype" and isinstance(error.instance, Mapping):
        found = f"datatype {error.instance.get('datatype')}"
    elif error.validator == "ndim":
        found = f"ndim {error.message.rpartition(' ')[2]}"
    elif error.validator in {"anyOf", "oneOf"}:
        expected = " or ".join(sorted({str(_summary(branch)) for branch in error.validator_value}))
    yield Violation(path, found, _shorten(expected))


def _summary(schema: Mapping[str, Any]) -> str:
    for key in ("tag", "enum", "type", "$ref"):
        if key in schema:
            return f"{key} {schema[key]}"
    return str(dict(schema))


def _shorten(value: Any, limit: int = 200) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[:limit] + " ..."
