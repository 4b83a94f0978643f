"""``rdms references``: the reference data, made, chosen, compared, delivered, served."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from roman_dms.errors import ReferenceDataError

F = TypeVar("F", bound=Callable[..., Any])

FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
CONTEXT = click.option(
    "--context",
    help="Context, or the path of an overlay; by default CRDS_CONTEXT, else the operational one.",
)


def store_option(function: F) -> F:
    """Add the option that names the store."""
    return click.option(
        "--store",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the store; by default RDMS_REFERENCES, else CRDS_PATH, else "
        "~/.local/share/rdms/references.",
    )(function)


@click.group()
def command() -> None:
    """Reference data: what an exposure is calibrated with, and who decides.

    A store holds reference files and contexts. A context (roman_0001.pmap) is one
    fixed set of rules that says which file fits which exposure; results change
    only when you choose another context. The store is also a cache of the
    mission's CRDS client.

    \b
    rdms references bootstrap                a baseline of synthetic files
    rdms references select L1.asdf           which files an exposure is given
    rdms references overlay my_flat.asdf -o mine.overlay.json
    rdms calibrate L1.asdf --context mine.overlay.json
    """


@command.command()
@store_option
@click.option(
    "--detector", "detectors", multiple=True, default=("WFI01",), show_default=True,
    help="WFI01 to WFI18, or 'all'; may be repeated.",
)  # fmt: skip
@click.option(
    "--filter", "filters", multiple=True, default=("F158",), show_default=True,
    help="F062 to F213, GRISM, PRISM, or 'all' filters; may be repeated.",
)  # fmt: skip
@click.option("--size", default=4096, show_default=True, help="Rows and columns of the detectors.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same values.")
@click.option(
    "--measured", type=int, metavar="SEED",
    help="Make the files as a calibration programme would have measured the same detectors, "
    "with errors drawn from SEED; by default they are the truth.",
)  # fmt: skip
@click.option(
    "--miniature", is_flag=True,
    help="The detector that the miniature exposure in tests/data was cut from, cut alike; "
    "the options above, but --measured, are then ignored.",
)  # fmt: skip
def bootstrap(
    store: Path | None,
    detectors: tuple[str, ...],
    filters: tuple[str, ...],
    size: int,
    seed: int,
    measured: int | None,
    miniature: bool,
) -> None:
    """Make a complete, synthetic baseline of reference files and a context of them.

    The values come from public figures of the instrument, the structure is drawn
    at random. Nothing of the mission's own files is in it.

    Simulate with one store and calibrate with another that knows the same detectors
    as well as they can be measured:

    \b
    rdms references bootstrap --store truth --seed 5
    rdms references bootstrap --store measured --seed 5 --measured 1
    """
    from roman_dms.instrument.detectors import NAMES
    from roman_dms.instrument.optical_elements import DISPERSERS, FILTERS
    from roman_dms.psf.steps.reference_files import baseline_epsf
    from roman_dms.references import default_path
    from roman_dms.references.bootstrap import MINIATURE
    from roman_dms.references.bootstrap import bootstrap as make

    folder = store or default_path()
    what: dict[str, Any] = {
        "detectors": NAMES if "all" in detectors else detectors,
        "filters": (*FILTERS, *(e for e in DISPERSERS if e in filters))
        if "all" in filters
        else filters,
        "size": size,
        "seed": seed,
    }
    context = make(
        folder,
        progress=lambda name: click.echo(f"made {name}", err=True),
        measured=measured,
        effective_psf=baseline_epsf,
        **(MINIATURE if miniature else what),
    )
    click.echo(f"{context} in {folder}")


@command.command()
@store_option
@CONTEXT
@JSON
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--kind", "kinds", multiple=True, help="Only this kind; may be repeated.")
def select(
    store: Path | None, context: str | None, as_json: bool, file: Path, kinds: tuple[str, ...]
) -> None:
    """Tell which reference files an exposure is given, and check that they are sound."""
    from roman_dms.errors import RdmsError
    from roman_dms.references.context import parameters_of
    from roman_dms.references.files import read_metadata

    chosen = _context(store, context)
    parameters = parameters_of(read_metadata(file))
    result: dict[str, str] = {}
    for kind in kinds or chosen.kinds:
        try:
            path = chosen.select(parameters, [kind])[kind]
        except RdmsError as error:
            if kinds:
                raise
            result[kind] = f"none: {error.found}"
        else:
            result[kind] = str(path) if path else "N/A"
    shown = {kind: name for kind, name in result.items() if as_json or kinds or name != "N/A"}
    heading = f"{file} with {chosen.name} (kinds that are N/A are left out):"
    _show({"context": chosen.name, "files": shown}, as_json, heading, shown.items())


@command.command()
def kinds() -> None:
    """List the kinds of reference files and what each is selected by, besides the date."""
    from roman_dms.references.kinds import KINDS

    rows = []
    for kind in KINDS.values():
        keys = " ".join(key.removeprefix("ROMAN.META.").lower() for key in kind.keys)
        rows.append((kind.name, keys or "-", kind.description))
    _show([], False, "", rows)


@command.command()
@store_option
@JSON
def contexts(store: Path | None, as_json: bool) -> None:
    """List the contexts of the store; '*' marks the one used where none is named."""
    opened = _store(store)
    rows = []
    for name in opened.contexts():
        header = opened.mapping(name).header
        mark = "*" if name == opened.operational else ""
        rows.append((name, mark, header.get("derived_from", ""), header.get("description", "")))
    content = {"operational": opened.operational, "contexts": [row[0] for row in rows]}
    _show(content, as_json, "", rows)


@command.command()
@store_option
@JSON
@click.argument("old")
@click.argument("new")
def diff(store: Path | None, as_json: bool, old: str, new: str) -> None:
    """Tell which rules and files differ between the contexts OLD and NEW."""
    from roman_dms.references.comparison import diff as compare

    opened = _store(store)
    changes = compare(opened.context(old), opened.context(new))
    rows = [(c.kind, " ".join(c.match), c.useafter, c.old or "-", c.new or "-") for c in changes]
    _show([dataclasses.asdict(change) for change in changes], as_json, "", rows)


@command.command()
@store_option
@JSON
@click.argument("old")
@click.argument("new")
@FILES
def affected(
    store: Path | None, as_json: bool, old: str, new: str, files: tuple[Path, ...]
) -> None:
    """Tell which of the exposures FILES would be calibrated with other files.

    Compares what the contexts OLD and NEW give to each; an exposure that is not
    listed need not be processed again.
    """
    from roman_dms.references.comparison import affected as compare

    opened = _store(store)
    changes = compare(opened.context(old), opened.context(new), files)
    rows = [(str(change.exposure), change.kind, change.old, change.new) for change in changes]
    content = [dict(zip(("exposure", "kind", "old", "new"), row, strict=True)) for row in rows]
    _show(content, as_json, "", rows)


@command.command()
@store_option
@JSON
@FILES
def certify(store: Path | None, as_json: bool, files: tuple[Path, ...]) -> None:
    """Check whether FILES are fit to be reference files; tell all that is wrong.

    Checked are the name, the mission's schema (RAD), the metadata by which the
    rules select, the date, the shape, the values, and that no other file has the
    same name or the same place in the rules.
    """
    from roman_dms.references.certification import certify as examine

    problems = examine(files, _store(store))
    rows = [(str(path), what) for path, found in problems.items() for what in found or ["fit"]]
    _show({str(path): found for path, found in problems.items()}, as_json, "", rows)
    if bad := sum(map(bool, problems.values())):
        raise ReferenceDataError(f"{bad} of {len(files)} files are not fit to be reference files.")


@command.command()
@store_option
@FILES
@click.option("--description", default="", help="What changes and why; kept in the context.")
def submit(store: Path | None, files: tuple[Path, ...], description: str) -> None:
    """Add FILES to the store and make a new context that uses them.

    A file replaces one for the same exposures and date, else it is added to the
    rules. All is done or nothing: old contexts stay as they are for ever.
    """
    from roman_dms.references.submission import submit as deliver

    click.echo(deliver(_store(store), files, description))


@command.command()
@store_option
@CONTEXT
@FILES
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the overlay, such as mine.overlay.json.",
)  # fmt: skip
def overlay(store: Path | None, context: str | None, files: tuple[Path, ...], output: Path) -> None:
    """Use your own FILES (or folders of them) over a context; the store stays untouched.

    They are preferred for the exposures that their metadata name. Give the written
    file as --context to 'rdms calibrate' or 'rdms references select'.
    """
    from roman_dms.references.overlay import Overlay

    made = Overlay(_store(store).context(context), files)
    made.save(output)
    click.echo(f"{output}: {len(made.files)} files, {made.name}")


@command.command()
@store_option
@JSON
def verify(store: Path | None, as_json: bool) -> None:
    """Read every mapping and file of the store again and compare with the known sums."""
    opened = _store(store)
    opened.server_config()
    problems = opened.verify(progress=None if as_json else lambda name: click.echo(f"read {name}"))
    _show(problems, as_json, "", [(problem,) for problem in problems])
    if problems:
        raise ReferenceDataError(f"The store {opened.path} has {len(problems)} problems.")
    if not as_json:
        click.echo(f"{opened.path} is sound.")


@command.command()
@store_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, help="Port to listen on.")
def serve(store: Path | None, host: str, port: int) -> None:
    """Serve the store to clients of CRDS.

    They set CRDS_SERVER_URL=http://HOST:PORT. The files can be read by all who
    reach the address; nothing can be written.
    """
    from roman_dms.references import default_path
    from roman_dms.services.references import serve as run

    folder = store or default_path()
    click.echo(f"Serving {folder} at http://{host}:{port} (stop with Ctrl-C)", err=True)
    run(folder, host, port)


def _store(path: Path | None) -> Any:
    from roman_dms.references import ReferenceStore

    return ReferenceStore(path)


def _context(store: Path | None, name: str | None) -> Any:
    from roman_dms.references.overlay import open_context

    return open_context(_store(store), name)


def _show(content: object, as_json: bool, heading: str, rows: Iterable[tuple[str, ...]]) -> None:
    """Print JSON, or columns as wide as their content."""
    if as_json:
        click.echo(json.dumps(content, indent=2))
        return
    if heading:
        click.echo(heading)
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
