"""The runner: selects references, calls the steps of a recipe, records what it did."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import and_
from typing import Any, Protocol

from roman_dms import __version__
from roman_dms.errors import RecipeError
from roman_dms.pipeline.recipe import Recipe, RecipeStep
from roman_dms.pipeline.tiles import BoundStep, SpareMemory, run_tiles
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Reference

COMPLETE, SKIPPED, NOT_APPLICABLE = "COMPLETE", "SKIPPED", "N/A"
"""States of a step, as RAD's ``meta.cal_step`` knows them."""


class References(Protocol):
    """Where the runner gets reference data from."""

    @property
    def context(self) -> str:
        """Name of the context."""
        ...

    def load(
        self, meta: Metadata, kinds: Mapping[str, type[Reference]]
    ) -> Mapping[str, tuple[str, Reference] | None]:
        """File name and product of each kind, ``None`` where a rule says N/A."""
        ...

    def parameters(
        self, meta: Metadata, kinds: Collection[str]
    ) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
        """File name and content of each parameter reference that there is."""
        ...


class Observer:
    """Is told how a run goes on; the base class ignores it all."""

    def start(self, names: Sequence[str]) -> None:
        """Steps that begin together."""

    def advance(self, fraction: float) -> None:
        """Share of the frame that was finished since the last call."""

    def finish(self, record: StepRecord) -> None:
        """Record of a step that has ended or was left out."""


@dataclass(frozen=True)
class StepRecord:
    """What became of a step."""

    name: str
    state: str
    """RAD's state: COMPLETE, SKIPPED or N/A."""
    reason: str = ""
    """Why it was left out, or what it had to say."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """A finished run."""

    product: Any
    records: tuple[StepRecord, ...]
    reference_files: Mapping[str, str]
    """Names of the reference files that were used, by kind."""


def run(
    recipe: Recipe,
    product: Any,
    references: References,
    *,
    workers: int = 2,
    observer: Observer | None = None,
    save: Mapping[str, Callable[[Any], None]] | None = None,
) -> Run:
    """Run a recipe on a product.

    Parameters
    ----------
    recipe
        Steps that begin with one that takes ``product``.
    product
        Any product with metadata.
    references
        Where reference data come from.
    workers
        Threads for the pixels of this product.
    observer
        Is told how the run goes on.
    save
        For a step's name, what to do with the product that it gives.

    Raises
    ------
    RecipeError
        If the first step does not take the product.
    ReferenceDataError
        If a rule or a reference file is missing or damaged.
    """
    observer = observer or Observer()
    save = save or {}
    active, left_out = _decide(recipe, product.meta)
    _check_start(active, product)
    kinds = {ref.kind: ref for entry in active for ref in entry.step.references.values()}
    loaded = references.load(product.meta, kinds)
    active, lacking = _without_lacking(active, loaded)
    records = {record.name: record for record in (*left_out, *lacking)}
    for record in records.values():
        observer.finish(record)
    kept = [product]
    for group in _groups(active, save):
        observer.start([entry.name for entry in group])
        known = len(_log(product))
        spare = SpareMemory(product, kept)
        product, seconds = _run_group(group, product, loaded, workers, observer, spare)
        notes = _log(product)[known:]
        for entry, spent in zip(group, seconds, strict=True):
            said = "; ".join(note.removeprefix(f"{entry.name}: ") for note in notes)
            records[entry.name] = StepRecord(entry.name, COMPLETE, said, spent)
            observer.finish(records[entry.name])
        last = group[-1].name
        if last in save:
            save[last](_with_provenance(product, recipe, records, loaded, references.context))
            kept.append(product)
    product = _with_provenance(product, recipe, records, loaded, references.context)
    files = {kind: found[0] for kind, found in loaded.items() if found is not None}
    return Run(product, tuple(records[name] for name in recipe.names), files)


def _log(product: Any) -> list[str]:
    return product.meta.get("cal_logs") or []


def _decide(recipe: Recipe, meta: Metadata) -> tuple[list[RecipeStep], list[StepRecord]]:
    """Which steps run on this exposure, and why the others do not.

    A step that the product has been through, here or in another pipeline, is
    not run again: a run goes on from where the file stopped.  One that was left
    out there is not made up for after later corrections of the pixels.
    """
    active, left_out = [], []
    done = [meta.get(f"cal_step.{entry.name}") == COMPLETE for entry in recipe.steps]
    on_pixels = [entry.step.scope != "metadata" for entry in recipe.steps]
    for place, entry in enumerate(recipe.steps):
        why_not = entry.step.applies(meta)
        past = on_pixels[place] and any(map(and_, done[place:], on_pixels[place:]))
        if done[place]:
            left_out.append(StepRecord(entry.name, COMPLETE, "done before"))
        elif entry.skip:
            left_out.append(StepRecord(entry.name, SKIPPED, "asked to be skipped"))
        elif why_not is not None:
            left_out.append(StepRecord(entry.name, NOT_APPLICABLE, why_not))
        elif past:
            left_out.append(StepRecord(entry.name, SKIPPED, "the file is past it"))
        else:
            active.append(entry)
    return active, left_out


def _check_start(active: list[RecipeStep], product: Any) -> None:
    if not active:
        raise RecipeError(
            "The file has been through every step of the recipe.", "a step that is left to do"
        )
    takes = active[0].step.takes
    if not isinstance(product, takes):
        raise RecipeError(
            f"The first step to run is {active[0].name!r}, which takes a {takes.__name__}; "
            f"a {type(product).__name__} was given.",
            f"a file that holds a {takes.__name__}",
            "give the L1 file, or a recipe that goes on from where the file stopped",
        )


def _without_lacking(
    active: list[RecipeStep], loaded: Mapping[str, tuple[str, Reference] | None]
) -> tuple[list[RecipeStep], list[StepRecord]]:
    """Leave out the steps for which a rule says that there is no reference file."""
    runnable, lacking = [], []
    for entry in active:
        missing = [
            ref.kind
            for name, ref in entry.step.references.items()
            if loaded[ref.kind] is None and entry.step.needs(name)
        ]
        if not missing:
            runnable.append(entry)
        elif entry.step.changes_product:
            raise RecipeError(
                f"The context says N/A for {', '.join(missing)}, which {entry.name!r} needs.",
                "a context with a file of that kind for this exposure",
                "choose another with --context, or add one with 'rdms references submit'",
            )
        else:
            reason = f"the context says N/A for {', '.join(missing)}"
            lacking.append(StepRecord(entry.name, SKIPPED, reason))
    return runnable, lacking


def _groups(active: Sequence[RecipeStep], save: Collection[str]) -> Iterator[list[RecipeStep]]:
    """Consecutive pixel-local steps together, every other step by itself.

    A step whose product is to be saved ends its group.
    """
    group: list[RecipeStep] = []
    for entry in active:
        if entry.step.scope != "pixel":
            if group:
                yield group
            group = []
            yield [entry]
            continue
        group.append(entry)
        if entry.name in save:
            yield group
            group = []
    if group:
        yield group


def _run_group(
    group: list[RecipeStep],
    product: Any,
    loaded: Mapping[str, tuple[str, Reference] | None],
    workers: int,
    observer: Observer,
    spare: SpareMemory,
) -> tuple[Any, list[float]]:
    chain = [BoundStep(entry, _arguments(entry, loaded)) for entry in group]
    if group[0].step.scope == "pixel":
        return run_tiles(chain, product, workers, observer.advance, spare)
    began = time.perf_counter()
    product = chain[0].run(product, workers)
    observer.advance(1.0)
    return product, [time.perf_counter() - began]


def _arguments(
    entry: RecipeStep, loaded: Mapping[str, tuple[str, Reference] | None]
) -> dict[str, Reference]:
    arguments = {}
    for name, kind in entry.step.references.items():
        found = loaded[kind.kind]
        if found is not None:
            arguments[name] = found[1]
    return arguments


def _with_provenance(
    product: Any,
    recipe: Recipe,
    records: Mapping[str, StepRecord],
    loaded: Mapping[str, tuple[str, Reference] | None],
    context: str,
) -> Any:
    """The product with what was done written into its metadata."""
    changes: dict[str, Any] = {f"cal_step.{name}": record.state for name, record in records.items()}
    changes |= {f"ref_file.{kind}": found[0] if found else "N/A" for kind, found in loaded.items()}
    changes |= {
        "ref_file.crds.context": context,
        "ref_file.crds.version": f"roman_dms {__version__}",
        "calibration_software_name": "roman_dms",
        "calibration_software_version": __version__,
        "cal_logs": [*_log(product), *_log_lines(recipe, records)],
    }
    return dataclasses.replace(product, meta=product.meta.updated(changes))


def _log_lines(recipe: Recipe, records: Mapping[str, StepRecord]) -> Iterator[str]:
    versions = " ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba", "asdf", "gwcs")
    )
    yield f"roman_dms {__version__} ({versions})"
    for entry in recipe.steps:
        record = records.get(entry.name)
        if record is None:
            continue
        values = " ".join(f"{key}={value}" for key, value in entry.parameters.model_dump().items())
        how = f" [{values}]" if values and record.state == COMPLETE else ""
        why = f" ({record.reason})" if record.reason else ""
        yield f"{entry.name}: {record.state}{how}{why}"
