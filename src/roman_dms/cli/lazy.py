"""Groups of commands that are imported when they run, so that help is instant."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that imports a command when it runs, not when its name is listed.

    Parameters
    ----------
    package
        Where the modules are; each has the name of its command and a ``command``.
    commands
        What each command is for, by name.
    """

    def __init__(self, *, package: str, commands: Mapping[str, str], **settings: Any) -> None:
        settings.pop("commands", None)
        super().__init__(**settings)
        self.package = package
        self.purposes = commands

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Names of the commands."""
        return sorted(self.purposes)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, imported now."""
        if cmd_name not in self.purposes:
            return None
        command: click.Command = importlib.import_module(f"{self.package}.{cmd_name}").command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self.purposes.items()))
