"""The documentation says what the code says, and leaves nothing out."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest

from roman_dms.cli.main import COMMANDS
from roman_dms.recipes import steps as known_steps

DOCS = Path(__file__).parents[2] / "docs"


def generator():
    specification = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


PAGES = generator().pages()


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_fresh(name):
    assert (DOCS / "reference" / name).read_text() == PAGES[name], "run 'make docs'"


@pytest.mark.parametrize("step", known_steps().values(), ids=lambda step: step.name)
def test_every_step_and_parameter_is_described(step):
    assert inspect.getdoc(step.function)
    for name, field in step.parameters.model_fields.items():
        assert field.description, f"{step.name}.{name}"


def test_every_command_and_option_is_described():
    import click

    from roman_dms.cli.main import rdms

    def walk(command, path):
        assert command.help, path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{path} {parameter.opts}"
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                walk(command.get_command(context, name), f"{path} {name}")

    walk(rdms, "rdms")
    assert set(COMMANDS) == set(rdms.list_commands(click.Context(rdms)))


def test_links_lead_somewhere():
    import re

    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
