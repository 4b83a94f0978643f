"""``rdms validate``: check products against the schemas of the mission."""

from __future__ import annotations

import click

from roman_dms.errors import RdmsError, ValidationError


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def command(files: tuple[str, ...]) -> None:
    """Check files against RAD, their checksums and their own consistency.

    Every violation is listed with its place, what was found and what was
    expected.  The exit code is 0 only if all files are valid.
    """
    failures: dict[str, RdmsError] = {}
    for name in files:
        try:
            _check(name)
        except RdmsError as error:
            failures[name] = error
            if len(files) > 1:
                click.secho(f"{name}: {error.found}", fg="red", err=True)
        else:
            click.echo(f"{name}: valid")
    if len(files) == 1 and failures:
        raise failures[files[0]]
    if failures:
        raise ValidationError(
            f"{len(failures)} of {len(files)} files are not valid: {', '.join(failures)}."
        )


def _check(name: str) -> None:
    from roman_dms.formats.validation import validate_file

    found = validate_file(name)
    if found:
        lines = "\n".join(
            f"  {violation.path}\n    found:    {violation.found}\n"
            f"    expected: {violation.expected}"
            for violation in found
        )
        count = f"{len(found)} violation" + ("s" if len(found) > 1 else "")
        raise ValidationError(f"{name} is not valid, {count}:\n{lines}")
