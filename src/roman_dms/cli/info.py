"""``rdms info``: what a file is, at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from roman_dms.formats.summary import Summary


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a file.")
@click.option("--no-statistics", is_flag=True, help="Read no pixels.")
def command(files: tuple[str, ...], as_json: bool, no_statistics: bool) -> None:
    """Tell at a glance what a file is: a product or a reference file.

    FILE is a path or an fsspec URL such as s3://bucket/key.

    \b
    rdms info r0000101001001001001_0001_wfi01_f158_cal.asdf
    rdms info *.asdf --json
    """
    from roman_dms.formats import summary

    for name in files:
        found = summary.summarise(name, statistics=not no_statistics)
        if as_json:
            import json

            click.echo(json.dumps(summary.as_json(found)))
        else:
            _show(found)


def _show(found: Summary) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(f"[bold]{escape(found.file)}[/bold]")
    console.print(f"{found.product}  [dim]{found.schema}, {_bytes(found.size)}[/dim]")
    table = _pairs(found.fields)
    if found.read_pattern:
        table.add_row("reads of resultants", found.read_pattern)
    if found.statistics:
        table.add_row("pixels", "  ".join(f"{k} {v:.4g}" for k, v in found.statistics.items()))
    console.print(table)
    if found.arrays:
        console.print(_arrays(found))
    for title, values in (("Steps", found.steps), ("Reference files", found.reference_files)):
        if values:
            console.print(f"[bold]{title}[/bold]")
            console.print(_pairs(values))


def _pairs(values: Any) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 1))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for label, value in values.items():
        text = f"{value:.9g}" if isinstance(value, float) else str(value)
        table.add_row(escape(label), escape(text))
    return table


def _arrays(found: Summary) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 1), header_style="bold")
    for title in ("array", "shape", "type", "compression", "in the file"):
        table.add_column(title, justify="right" if title == "in the file" else "left")
    for array in found.arrays:
        shape = " x ".join(map(str, array.shape))
        table.add_row(array.name, shape, array.dtype, array.compression, _bytes(array.stored))
    return table


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
