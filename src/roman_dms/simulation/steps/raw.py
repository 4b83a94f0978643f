"""Raw exposures (L1): the sky through the telescope and all that the detector does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.table import Table

from roman_dms.formats import write_product
from roman_dms.formats.tables import read_table, write_table
from roman_dms.formats.writing import write_plain
from roman_dms.instrument.ma_tables import ma_table
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.products.exposure import RawExposure
from roman_dms.simulation.signatures.persistence import Trapped
from roman_dms.simulation.signatures.read_out import Readout, read_out
from roman_dms.simulation.steps.light import Light, light_for
from roman_dms.simulation.steps.metadata import raw_metadata
from roman_dms.simulation.steps.properties import properties_of
from roman_dms.simulation.steps.request import ExposureRequest
from roman_dms.simulation.steps.seeds import exposure_seed
from roman_dms.simulation.steps.view import view_of


def make_raw(
    request: ExposureRequest,
    exposure: PlannedExposure,
    detector: str,
    output: Path,
    previous: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Path]:
    """Simulate a raw exposure of a detector and write it, with the truth beside it.

    Parameters
    ----------
    request
        What to simulate and with what.
    exposure, detector
        Which exposure.
    output
        Folder, which must exist.
    previous
        File of the charge that earlier exposures of the detector left in traps.
    progress
        Called with the part of the readout that is done.

    Returns
    -------
    list
        Paths of the exposure (``_uncal.asdf``), of its sources (``_truth.parquet``),
        of the charge that it leaves (``_state.parquet``), and where asked for of the
        noiseless rate and the cosmic rays (``_truth.asdf``).
    """
    trapped = _trapped_in(previous)
    product, light, readout = simulate_raw(request, exposure, detector, trapped, progress)
    stem = exposure.stem(detector)
    paths = [
        output / f"{stem}_{ending}" for ending in ("uncal.asdf", "truth.parquet", "state.parquet")
    ]
    write_table(light.truth, paths[1])
    write_table(_state(readout.trapped), paths[2])
    if request.truth_image:
        paths.append(output / f"{stem}_truth.asdf")
        write_plain(_truth(light, readout), paths[3])
    write_product(product, paths[0], keep_date=True)
    return paths


def simulate_raw(
    request: ExposureRequest,
    exposure: PlannedExposure,
    detector: str,
    trapped: Trapped | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[RawExposure, Light, Readout]:
    """The raw exposure of a detector, the light that made it, and how it was read out."""
    pattern = ma_table(exposure.ma_table).read_pattern
    references = request.references()
    view = view_of(raw_metadata(exposure, detector, pattern), references)
    light = light_for(request, exposure, view, pattern)
    meta = raw_metadata(exposure, detector, pattern, wcs=view.wcs, context=references.context)
    properties, names = properties_of(meta, references, view)
    readout = read_out(
        light.rate,
        properties,
        view.detector,
        pattern,
        request.effects(),
        exposure_seed(request.seed, exposure.visit_id, exposure.exposure, detector, "signatures"),
        request.threads,
        progress,
        start=exposure.start,
        trapped=trapped,
        moving=light.moving,
    )
    meta = meta.updated({f"ref_file.{kind}": name for kind, name in names.items()})
    return RawExposure(meta=meta, data=readout.data, amp33=readout.amp33), light, readout


def _trapped_in(path: Path | None) -> Trapped:
    if path is None:
        return Trapped.none()
    table = read_table(path)
    return Trapped.of(table["row"], table["column"], table["time"], table["charge"])


def _state(trapped: Trapped) -> Table:
    """Charge in traps, as a table of its file."""
    table = Table(dataclasses.asdict(trapped))
    table["time"].unit, table["charge"].unit = "d", "electron"
    return table


def _truth(light: Light, readout: Readout) -> dict[str, object]:
    rays = readout.cosmic_rays
    return {
        "rate": light.rate,
        "sky": light.sky,
        "cosmic_rays": np.stack([rays.read, rays.row, rays.column], axis=1),
        "cosmic_ray_electrons": rays.electrons,
        "description": "rate: light on the science pixels without noise, flat response [electron "
        "/ s]; sky: of a pixel of nominal area [electron / s]; cosmic_rays: read (from 1), row, "
        "column in the science array, and the electrons that came before that read",
    }
