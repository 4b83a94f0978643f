"""Sources that are injected into a product: L1, L2 or L3, with the noise of their light."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from roman_dms.errors import FormatError, UsageError
from roman_dms.formats.products import read_product, write_product
from roman_dms.formats.tables import write_table
from roman_dms.pipeline.process import SUFFIXES
from roman_dms.products.exposure import RateImage, RawExposure
from roman_dms.products.mosaic import Mosaic
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.steps.injected_light import InjectionSettings, wcs_of
from roman_dms.simulation.steps.injection_layout import Layout, layout
from roman_dms.simulation.steps.injection_products import (
    into_mosaic,
    into_rate,
    into_raw,
    required_references,
)
from roman_dms.simulation.steps.view import view_of

Product = RawExposure | RateImage | Mosaic


def inject(
    product: Product, scene: Scene | Layout, settings: InjectionSettings | None = None
) -> tuple[Product, Table]:
    """Inject the sources of a scene whose centres lie on a product.

    Parameters
    ----------
    product
        L1, L2 or L3; it is not changed.
    scene
        The sources, of which those elsewhere are left out; or how to lay them out.
    settings
        How.

    Returns
    -------
    tuple
        A new product, and the catalogue of what was injected: the columns of a truth
        catalogue, ``electrons`` in the whole exposure, and ``DN`` but for mosaics.

    Raises
    ------
    UsageError
        Where no source lies on the product, or it is no L1, L2 or L3.
    FormatError
        For a product without WCS.
    MetadataError
        For one without photometric calibration, or not taken through a filter.
    """
    settings = settings or InjectionSettings()
    if isinstance(scene, Layout):
        scene = layout(*_geometry(product, settings), scene)
    changed: Product
    if isinstance(product, RawExposure):
        changed, catalogue = into_raw(product, scene, settings)
    elif isinstance(product, RateImage):
        changed, catalogue = into_rate(product, scene, settings)
    else:
        changed, catalogue = into_mosaic(product, scene, settings)
    catalogue.meta |= {"seed": settings.seed, "noise": settings.noise}
    return _noted(changed, catalogue, settings), catalogue


def inject_file(
    source: Path | str,
    scene: Scene | Layout,
    output: Path | None = None,
    settings: InjectionSettings | None = None,
) -> tuple[Path, Path, Table]:
    """Inject sources into a file; the file itself stays as it is.

    Parameters
    ----------
    source
        L1, L2 or L3.
    scene
        The sources, or how to lay them out.
    output
        The new file (``.asdf``), or a folder for it, which is made where there is none;
        beside ``source``, with ``inj`` in its name, by default.
    settings
        How.

    Returns
    -------
    tuple
        The new file, the catalogue beside it (``*_injected.parquet``), and its content.

    Raises
    ------
    UsageError
        Where the output would overwrite the input; else as of :func:`inject`.
    """
    target = output_path(Path(source), output)
    if target.resolve() == Path(source).resolve():
        raise UsageError(
            f"The output {target} is the file itself.", "another name", "choose it with --output"
        )
    product = read_product(source)
    if not isinstance(product, RawExposure | RateImage | Mosaic):
        raise FormatError(
            f"The file {source} is a {type(product).__name__}.",
            "an L1 exposure, an L2 image or an L3 mosaic",
        )
    changed, catalogue = inject(product, scene, settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    catalogue.meta["injected_into"] = Path(source).name
    beside = target.with_name(f"{target.stem}_injected.parquet")
    write_table(catalogue, beside)
    write_product(changed, target)
    return target, beside, catalogue


def output_path(source: Path, output: Path | None) -> Path:
    """Where a product goes: ``inj`` before the part of the name that says what it is.

    >>> output_path(Path("l2/r1_cal.asdf"), None).as_posix()
    'l2/r1_inj_cal.asdf'
    >>> output_path(Path("mine.asdf"), None).as_posix()
    'mine_inj.asdf'
    >>> output_path(Path("l2/r1_cal.asdf"), Path("new")).as_posix()
    'new/r1_inj_cal.asdf'
    """
    if output is not None and output.suffix == ".asdf" and not output.is_dir():
        return output
    stem, kind = source.stem, ""
    for ending in SUFFIXES:
        if stem.endswith(f"_{ending}"):
            stem, kind = stem.removesuffix(f"_{ending}"), f"_{ending}"
            break
    return (output or source.parent) / f"{stem}_inj{kind}.asdf"


def _geometry(product: Product, settings: InjectionSettings) -> tuple[Any, tuple[int, int]]:
    """WCS and shape of the pixels that see the sky."""
    if isinstance(product, RawExposure):
        view = view_of(product.meta, required_references(settings))
        return view.wcs, view.detector.science_shape
    rows, columns = product.data.shape
    return wcs_of(product.meta), (rows, columns)


def _noted(product: Product, catalogue: Table, settings: InjectionSettings) -> Product:
    """The product with a record of what was injected."""
    galaxies = int(np.sum(np.asarray(catalogue["type"]) == "SER"))
    line = (
        f"inject: {len(catalogue)} sources, {galaxies} of them galaxies, seed {settings.seed}, "
        f"{'with' if settings.noise else 'without'} photon noise"
    )
    record = {
        "sources": len(catalogue),
        "galaxies": galaxies,
        "seed": settings.seed,
        "noise": settings.noise,
    }
    return dataclasses.replace(
        product,
        meta=product.meta.noted(line),
        extras=dict(product.extras) | {"injection": record},
    )
