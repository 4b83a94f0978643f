"""Write the part of the reference that the code itself knows.

    make docs            or          python docs/generate.py

A test fails where what is written here differs from what the code says.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from fastapi.routing import APIRoute

from roman_dms import recipes
from roman_dms.cli.main import COMMANDS, EXIT_CODES, rdms
from roman_dms.instrument.quality import Pixel, Resultant
from roman_dms.measure.measurements import Caution
from roman_dms.measure.point_sources import FitFlag
from roman_dms.pipeline.step import Step
from roman_dms.products import exposure, mosaic
from roman_dms.products.arrays import PixelField
from roman_dms.recipes import steps as known_steps
from roman_dms.references.kinds import KINDS
from roman_dms.services.references import create_app
from roman_dms.simulation.scenes import scene, variability
from roman_dms.simulation.scenes.columns import COLUMNS
from roman_dms.simulation.signatures.effects import DEFAULTS

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py: change the code, not this page. -->\n"


def pages() -> dict[str, str]:
    """Text of every generated page by its file name."""
    texts = {
        "steps.md": steps(),
        "recipes.md": recipe_pages(),
        "commands.md": commands(),
        "errors.md": error_codes(),
        "flags.md": flags(),
        "products.md": products(),
        "reference-files.md": reference_kinds(),
        "services.md": services(),
        "effects.md": effects(),
        "scenes.md": scenes(),
    }
    return {name: NOTE + "\n".join(lines).rstrip() + "\n" for name, lines in texts.items()}


def steps() -> Iterator[str]:
    """Every step with its products, reference kinds and parameters."""
    yield "\n# Steps\n\nIn the order of the default recipe (see `rdms recipe --describe`)."
    for step in known_steps().values():
        yield f"\n## {step.name}\n\n{inspect.getdoc(step.function)}\n"
        yield f"- {step.takes.__name__} to {step.gives.__name__}; needs {_scope(step)}"
        kinds = [
            f"`{kind.kind}`{'' if step.needs(name) else ' (may be N/A)'}"
            for name, kind in step.references.items()
        ]
        yield f"- reference files: {', '.join(kinds) or 'none'}"
        yield from _parameters(step)


def _scope(step: Step) -> str:
    return {
        "pixel": "a tile of rows",
        "detector": "the whole detector",
        "metadata": "the metadata alone",
    }[step.scope]


def _parameters(step: Step) -> Iterator[str]:
    for name, field in step.parameters.model_fields.items():
        yield f"- `{step.name}.{name}` = `{field.default}`: {field.description}"


def recipe_pages() -> Iterator[str]:
    """The recipes as they are read."""
    yield "\n# Recipes\n\nTOML files: ordered steps with their parameters."
    for path in sorted(recipes.EXPOSURE.parent.glob("*.toml")):
        yield f"\n## {path.stem}\n\n```toml\n{path.read_text().rstrip()}\n```"


def commands() -> Iterator[str]:
    """Every command with its options."""
    yield "\n# Commands"
    context = click.Context(rdms, info_name="rdms")
    for name in sorted(COMMANDS):
        command = rdms.get_command(context, name)
        assert command is not None
        yield from _command(command, name, context)


def _command(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=90)
    yield f"\n## {context.command_path}\n\n```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from _command(found, below, context)


def error_codes() -> Iterator[str]:
    """Exit codes of the errors."""
    yield "\n# Errors\n\n| exit code | error | meaning |\n|---|---|---|"
    yield "| 0 | | all went well |\n| 1 | | a fault of the program |"
    for error, code in sorted(EXIT_CODES.items(), key=lambda item: (item[1], item[0].__name__)):
        yield f"| {code} | {error.__name__} | {inspect.getdoc(error)} |"
    yield "| 130 | | interrupted |"


def flags() -> Iterator[str]:
    """Bits of arrays and catalogues, with the words beside them in the source."""
    yield "\n# Data-quality flags"
    kinds = (
        (Pixel, "of a pixel (uint32)"),
        (Resultant, "of a resultant (uint8)"),
        (Caution, "of a source: `warning_flags` of a catalogue"),
        (FitFlag, "of the fit of a PSF: `psf_flags` of a catalogue"),
    )
    for flag, where in kinds:
        yield f"\n## Flags {where}\n\n| bit | value | name | meaning |\n|---|---|---|---|"
        meanings = _meanings(flag)
        for member in flag:
            bit = member.value.bit_length() - 1
            yield f"| {bit} | {member.value} | {member.name} | {meanings[str(member.name)]} |"


def _meanings(flag: type[Any]) -> dict[str, str]:
    lines = [line.strip() for line in inspect.getsource(flag).splitlines()]
    return {line.split(" = ")[0]: line.split("  # ")[1] for line in lines if " = 1 << " in line}


def products() -> Iterator[str]:
    """Pixels of the products, with frames and units."""
    yield "\n# Products"
    for product in (exposure.RawExposure, exposure.Ramp, exposure.RateImage, mosaic.Mosaic):
        yield f"\n## {product.__name__}\n\n{inspect.getdoc(product)}\n"
        yield from _pixels(product)


def _pixels(product: Any) -> Iterator[str]:
    yield "| array | frame | unit | what |\n|---|---|---|---|"
    for field in dataclasses.fields(product):
        declared = field.metadata.get("pixels")
        if isinstance(declared, PixelField):
            unit = declared.unit or "-"
            yield f"| `{field.name}` | {declared.frame} | {unit} | {declared.description} |"


def reference_kinds() -> Iterator[str]:
    """Kinds of reference files and what they are matched by."""
    yield "\n# Reference files\n\n| kind | matched by | what | used by |\n|---|---|---|---|"
    users: dict[str, list[str]] = {}
    for step in known_steps().values():
        for kind in step.references.values():
            users.setdefault(kind.kind, []).append(step.name)
    for kind in KINDS.values():
        keys = ", ".join(key.removeprefix("ROMAN.META.").lower() for key in kind.keys)
        used = ", ".join(users.get(kind.name, []))
        yield f"| `{kind.name}` | {keys or '-'} | {kind.description} | {used} |"


def services() -> Iterator[str]:
    """Endpoints of the reference server."""
    yield "\n# Services\n\n## Reference server\n\n`rdms references serve`.\n"
    yield "| method | path | what |\n|---|---|---|"
    for route in create_app(Path("store")).routes:
        if isinstance(route, APIRoute):
            what = (inspect.getdoc(route.endpoint) or "").partition("\n")[0]
            yield f"| {', '.join(sorted(route.methods))} | `{route.path}` | {what} |"


def effects() -> Iterator[str]:
    """Effects of the simulated detector, with their parameters."""
    yield "\n# Effects of the simulated detector\n"
    yield (
        "In the order in which they act. `--without NAME` switches one off, "
        "`--set NAME.PARAMETER=VALUE` changes it."
    )
    for name, effect in DEFAULTS.items():
        yield f"\n## {name}\n\n{inspect.getdoc(type(effect))}\n"
        meanings = _field_docs(type(effect))
        for field in dataclasses.fields(effect):
            value = getattr(effect, field.name)
            yield f"- `{name}.{field.name}` = `{value}`: {meanings[field.name]}"


def _field_docs(cls: type[Any]) -> dict[str, str]:
    """The text under each field of a dataclass."""
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for statement, following in itertools.pairwise(body.body):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            found[statement.target.id] = " ".join(str(following.value.value).split())
    return found


def scenes() -> Iterator[str]:
    """Columns of a scene, and what variable sources do."""
    yield f"\n# Scenes\n\n{(inspect.getdoc(scene.Scene) or '').partition('Raises')[0]}"
    yield "| column | unit | default | what |\n|---|---|---|---|"
    for column in COLUMNS.values():
        cells = (f"`{column.name}`", column.unit or "-", column.default, column.description)
        yield f"| {' | '.join(map(str, cells))} |"
    yield f"\n## Variable sources\n\n```text\n{inspect.getdoc(variability)}\n```"


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
