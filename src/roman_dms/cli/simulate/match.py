"""``rdms simulate match``: injected sources against those that were found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from roman_dms.simulation.steps.matching import Matched

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("given", type=FILE, metavar="INPUT")
@click.argument("found", type=FILE, metavar="OUTPUT")
@click.option("-o", "--output", type=FILE,
              help="Table of all sources of both, matched (.parquet, .ecsv or .fits).")  # fmt: skip
@click.option("--summary", type=FILE, help="Table of completeness, purity and errors.")
@click.option("--preview", type=FILE, help="Picture of completeness and flux errors (.png).")
@click.option("--radius", type=float, default=0.3, show_default=True,
              help="Largest separation of a pair [arcsec].")  # fmt: skip
@click.option("--band", help="Filter, where a table has columns of several, as F158.")
@click.option("--bins", "step", type=float, default=0.5, show_default=True,
              help="Width of the bins [mag].")  # fmt: skip
@click.option("--magnitudes", type=(float, float), nargs=2, metavar="BRIGHT FAINT",
              help="Range of the bins [AB mag]; all sources by default.")  # fmt: skip
@click.option("--input-columns", nargs=3, metavar="RA DEC FLUX",
              help="Columns of INPUT; found by their names by default.")  # fmt: skip
@click.option("--output-columns", nargs=3, metavar="RA DEC FLUX",
              help="Columns of OUTPUT; found by their names by default.")  # fmt: skip
def command(given: Path, found: Path, **options: Any) -> None:
    """Match injected sources (INPUT) with those that were found (OUTPUT).

    Both are tables (.parquet, .ecsv or .fits) with positions and fluxes: a catalogue of
    'rdms simulate inject', a source catalogue of the mission, or any other.  Two sources
    are a pair if each is the nearest of the other.

    \b
    rdms simulate match r0001_inj_cal_injected.parquet r0001_inj_cat.parquet
    rdms simulate match truth.ecsv mine.fits --output-columns RA DEC FLUX_AUTO -o pairs.parquet

    Printed, by magnitude: completeness, purity with the ends of their 68 % interval, and
    bias and scatter of flux (found / injected - 1) and of position.
    """
    from roman_dms.formats.tables import read_table, write_table
    from roman_dms.simulation.steps.match_preview import write_match_preview
    from roman_dms.simulation.steps.matching import Columns, match_tables

    columns = [Columns(*(options[f"{name}_columns"] or ())) for name in ("input", "output")]
    matched = match_tables(
        read_table(given), read_table(found), radius=options["radius"], band=options["band"],
        columns=(columns[0], columns[1]), step=options["step"],
        edges=_edges(options["magnitudes"], options["step"]),
    )  # fmt: skip
    _show(matched)
    for path, table in ((options["output"], matched.table), (options["summary"], matched.summary)):
        if path is not None:
            write_table(table, path)
            click.echo(str(path))
    if options["preview"] is not None:
        write_match_preview(matched, options["preview"])
        click.echo(str(options["preview"]))


def _edges(magnitudes: tuple[float, float] | None, step: float) -> Any:
    """Edges of bins over a range; the last bin may be narrower."""
    if not magnitudes:
        return None
    import numpy as np

    from roman_dms.errors import UsageError

    low, high = magnitudes
    if not (low < high and step >= 0.01):
        raise UsageError(
            f"Bins of {step} mag from {low} to {high} were asked for.",
            "the bright end first, and bins of 0.01 mag or more",
        )
    return np.append(np.arange(low, high - 1e-9, step), high)


def _show(matched: Matched) -> None:
    """Print the shares and errors, a row for each bin that has sources."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("magnitude", "injected", "completeness", "detected", "purity",
                    "flux bias", "scatter", "position, mas"):  # fmt: skip
        table.add_column(heading, justify="right")
    for row in matched.summary:
        if row["injected"] or row["detected"]:
            table.add_row(
                f"{row['bright']:.2f} to {row['faint']:.2f}",
                str(row["injected"]), _share(row, "completeness"),
                str(row["detected"]), _share(row, "purity"),
                _known(row["flux_bias"], "+.4f"), _known(row["flux_scatter"], ".4f"),
                _known(1000 * row["position_scatter"], ".1f"),
            )  # fmt: skip
    console = Console(width=120, markup=False, highlight=False)
    console.print(table)
    both, missed, others = (
        int(np.sum(matched.table["match"] == name)) for name in ("both", "input", "output")
    )
    console.print(
        f"{both} pairs; {missed} sources of the input were missed, "
        f"{others} of the output are no source of it"
    )


def _share(row: Any, name: str) -> str:
    """A share and the ends of its interval."""
    ends = f"({row[f'{name}_low']:.3f} - {row[f'{name}_high']:.3f})"
    return _known(row[name], ".3f", f" {ends}")


def _known(value: float, form: str, more: str = "") -> str:
    """A number, or a dash where there is none."""
    import math

    return f"{value:{form}}{more}" if math.isfinite(value) else "-"
