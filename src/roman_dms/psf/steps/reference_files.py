"""Effective PSFs as the mission's reference files (RAD ``epsf``): read and made.

A file holds an image for each defocus, spectral type and place; here a type is the black
body of its temperature, and stands at the mean wavelength of that body's photons.  Files
made here also name the components of their grid (``meta.colours``), so that they give back
the grid that they were made from, and may hold errors (``psf_error``); other readers pass
over both.

Normalisation: a sample is the fraction of a star's light in a pixel centred there, so that
an unbounded image sums to the square of the oversampling.  Files of light that is not yet
integrated over pixels (which sum to 1) are integrated when they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import FormatError, UsageError
from roman_dms.formats.reference_files import reference_of
from roman_dms.formats.trees import open_tagged
from roman_dms.formats.writing import write_tree
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.instrument.starlight import SPECTRAL_TYPES, star_wavelength, temperature_of
from roman_dms.products.reference import Epsf
from roman_dms.psf.build import psf_grid
from roman_dms.psf.capacitance import with_capacitance
from roman_dms.psf.effective import EXACT_NODES, FITTED_NODES, PsfModel
from roman_dms.psf.grid import PsfGrid, with_core
from roman_dms.psf.resampling import smoothing

TAG = "reference_files/epsf"
"""Schema of the files; the newest of RAD's is written."""

FILE_NODES = {"F062": (9, 9)}
"""Columns and rows of nodes in a file, where PSFs vary most."""

FEWEST_FILE_NODES = (7, 7)
"""The same for other elements: files of 19 MB that err by less than 4e-4 of the peak."""

WINGS_OVERSAMPLE = 1
"""Samples a pixel of the wings in files made here."""

Content = dict[str, Any]


def file_grid(detector: str, element: str, **settings: Any) -> PsfGrid:
    """The optical model's PSFs with as many nodes as a file holds.

    Parameters
    ----------
    settings
        Of :func:`~roman_dms.psf.build.psf_grid`.
    """
    nodes = settings.pop("nodes", None) or FILE_NODES.get(element, FEWEST_FILE_NODES)
    return psf_grid(detector, element, nodes=nodes, **settings)


def baseline_epsf(
    detector: str, element: str, corner: tuple[int, int], capacitance: ArrayLike
) -> Content:
    """Content of a reference file for a baseline: the optical model on coupled pixels.

    Parameters
    ----------
    corner
        (x0, y0) of the detector's part that the file is for [pixel].
    capacitance
        (3, 3) kernel of the detector's ``ipc`` reference; it is in the PSFs, and stated
        as ``meta.interpixel_capacitance``.
    """
    grid = file_grid(detector, element, cache=False).moved(*corner)
    content = epsf_content(PsfModel(with_capacitance(grid, capacitance)))
    content["meta"]["interpixel_capacitance"] = np.asarray(capacitance, float).tolist()
    return content


def epsf_content(model: PsfModel) -> Content:
    """What is particular to a file of effective PSFs: ``meta``, ``psf``, ``extended_psf``.

    Raises
    ------
    UsageError
        For a grism or prism: spectral types do not tell their PSFs apart.
    """
    grid = model.grid
    if optical_element(grid.element).is_dispersed:
        raise UsageError(
            f"A file of effective PSFs was asked for {grid.element}.",
            "a filter",
            "use the optical model itself, with a wavelength, for dispersed light",
        )
    types = [star_wavelength(grid.detector, grid.element, t) for t in SPECTRAL_TYPES.values()]
    shares = grid.weights(np.array(types))
    images = np.tensordot(shares, grid.samples, axes=1)
    places = [(float(x), float(y)) for y in grid.nodes_y for x in grid.nodes_x]
    width = grid.samples.shape[-1]
    content: Content = {
        "meta": {
            "oversample": int(grid.oversample),
            "spectral_type": list(SPECTRAL_TYPES),
            "defocus": [0],
            "pixel_x": [x for x, _ in places],
            "pixel_y": [y for _, y in places],
            "jitter_major": 1000 * model.jitter,
            "jitter_minor": 1000 * model.jitter,
            "jitter_position_angle": 0.0,
            "colours": {
                "spectral_types": types,
                "components": [float(wave) for wave in grid.wavelengths],
            },
            "extended_oversample": WINGS_OVERSAMPLE,
            "fitted_nodes": model.between <= FITTED_NODES,
        },
        "psf": np.ascontiguousarray(images.reshape(1, len(types), len(places), width, width)),
        "extended_psf": np.ascontiguousarray(grid.wings, dtype=np.float32),
    }
    if model.scatter is not None:
        content["psf_error"] = model.scatter.reshape(len(places), width, width)
    return content


def epsf_tree(
    source: PsfModel | PsfGrid,
    *,
    description: str,
    useafter: str = "2020-01-01T00:00:00",
    pedigree: str = "MODEL",
    author: str = "Roman DMS",
    extra: Mapping[str, Any] | None = None,
) -> Content:
    """The whole tree of a reference file, ready to be written or submitted.

    Parameters
    ----------
    source
        Effective PSFs, with or without what is known of their errors.
    description
        What the file is, for its readers.
    useafter
        Date from which it holds, ISO.
    pedigree
        ``MODEL``, ``INFLIGHT``, ``SIMULATION``, ``GROUND`` or ``DUMMY``.
    extra
        More metadata.
    """
    from astropy.time import Time  # noqa: PLC0415 - slow to import

    model = PsfModel(source) if isinstance(source, PsfGrid) else source
    content = epsf_content(model)
    meta = {
        "reftype": "EPSF",
        "pedigree": pedigree,
        "description": description,
        "author": author,
        "useafter": Time(useafter),
        "telescope": "ROMAN",
        "origin": "Roman DMS",
        "instrument": {
            "name": "WFI",
            "detector": model.grid.detector,
            "optical_element": model.grid.element,
        },
    }
    return {**content, "meta": {**meta, **content["meta"], **(extra or {})}}


def write_epsf(source: PsfModel | PsfGrid, path: Path, **about: Any) -> None:
    """Write a reference file; ``about`` are the arguments of :func:`epsf_tree`."""
    write_tree(TAG, epsf_tree(source, **about), path)


def read_epsf(reference: Epsf, *, defocus: int = 0) -> PsfGrid:
    """The grid of effective PSFs in a reference file, ours or the mission's.

    Parameters
    ----------
    reference
        The file, read.
    defocus
        Which focus, in the file's own waves; 0 is in focus.

    Raises
    ------
    FormatError
        For places that make no grid, spectra that are not known, PSFs without light.
    UsageError
        For a defocus that the file does not have.
    """
    return epsf_model(reference, defocus=defocus).grid


def read_model(path: Path | str, *, defocus: int = 0) -> PsfModel:
    """Effective PSFs of a file on disk, with their errors where it has them.

    Raises
    ------
    FileError
        If the file cannot be read or is damaged.
    FormatError
        If it holds no effective PSFs.
    """
    file = open_tagged(path)
    reference = reference_of(file)
    if not isinstance(reference, Epsf):
        raise FormatError(f"{path} is of the kind {reference.kind!r}.", "effective PSFs (epsf)")
    stored = file.live().get("psf_error")
    error = None if stored is None else np.asarray(stored, np.float32)
    return replace(epsf_model(reference, defocus=defocus, error=error), origin=str(path))


def epsf_model(
    reference: Epsf, *, defocus: int = 0, error: NDArray[np.float32] | None = None
) -> PsfModel:
    """Effective PSFs of a file, with the jitter that is in them; see :func:`read_epsf`."""
    meta = reference.meta
    instrument = meta.get("instrument") or {}
    detector, element = str(instrument.get("detector")), str(instrument.get("optical_element"))
    psf = np.asarray(reference.psf[_focus(reference, defocus)], np.float32)
    oversample = int(meta.get("oversample") or 4)
    nodes_x, nodes_y, order = _grid_of_places(reference)
    images = _whole_pixels(_odd(psf[:, order]), oversample)
    if not np.isfinite(images).all() or not (images.sum(axis=(-2, -1)) > 0).all():
        raise FormatError(
            f"The PSFs of {detector} in {element} are not finite, or hold no light.",
            "fractions of a star's light",
        )
    wavelengths, images = _components(reference, detector, element, images)
    shape = (len(nodes_y), len(nodes_x), *images.shape[-2:])
    samples = np.ascontiguousarray(images.reshape(len(wavelengths), *shape))
    grid = PsfGrid(
        detector,
        element,
        oversample,
        nodes_x,
        nodes_y,
        wavelengths,
        samples,
        _wings(reference, samples, oversample),
    )
    axes = [float(meta.get(f"jitter_{axis}") or 0.0) for axis in ("major", "minor")]
    jitter = round(float(np.sqrt(np.mean(np.square(axes)))) / 1000, 9)
    scatter = None if error is None else error[order].reshape(shape)
    between = FITTED_NODES if meta.get("fitted_nodes") else EXACT_NODES
    return PsfModel(grid, jitter, scatter, between, "epsf file")


def _focus(reference: Epsf, defocus: int) -> int:
    """Place of a focus along the first axis."""
    known = list(reference.meta.get("defocus") or [0])
    if defocus not in known or known.index(defocus) >= len(reference.psf):
        raise UsageError(f"The file has no defocus of {defocus} waves.", f"one of {known}")
    return known.index(defocus)


def _grid_of_places(
    reference: Epsf,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Columns and rows of the nodes, and the order of the images by row, then column."""
    x, y = (np.asarray(reference.meta.get(key), float) for key in ("pixel_x", "pixel_y"))
    nodes_x, nodes_y = np.unique(x), np.unique(y)
    order = np.lexsort((x, y))
    wanted = [(row, column) for row in nodes_y for column in nodes_x]
    if not np.isfinite([x, y]).all() or list(zip(y[order], x[order], strict=True)) != wanted:
        raise FormatError(
            f"The {len(x)} places of the PSFs make no grid of columns and rows.",
            "an image at each crossing of some columns and rows",
        )
    return nodes_x, nodes_y, order


def _odd(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images with a middle sample: those of even width are moved by half a sample."""
    width = images.shape[-1]
    if images.shape[-2] != width:
        raise FormatError(f"The PSFs have {images.shape[-2:]} samples.", "square images")
    if width % 2:
        return images
    from scipy.ndimage import map_coordinates  # noqa: PLC0415 - slow to import

    places = np.stack(np.meshgrid(*(np.arange(width - 1) + 0.5,) * 2, indexing="ij"))
    flat = [map_coordinates(one, places, order=5) for one in images.reshape(-1, width, width)]
    return np.array(flat, np.float32).reshape(*images.shape[:-2], width - 1, width - 1)


def _whole_pixels(images: NDArray[np.float32], oversample: int) -> NDArray[np.float32]:
    """Images integrated over pixels, if they are not: such sum to about 1."""
    light = np.median(images.sum(axis=(-2, -1)))
    if oversample == 1 or light > oversample**2 / 2:
        return images
    box = smoothing(images.shape[-1], lambda f: np.sinc(oversample * f)).astype(np.float32)
    integrated = oversample**2 * (box @ images @ box.T)
    return integrated.astype(np.float32)


def _components(
    reference: Epsf, detector: str, element: str, images: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Wavelengths, increasing, and images of the components of the grid."""
    meta = reference.meta
    own = meta.get("colours")
    if own:
        types, parts = (np.asarray(own[key], float) for key in ("spectral_types", "components"))
        empty = np.zeros((len(parts), 1, 1, 1, 1), np.float32)
        none = np.zeros(1)
        shares = PsfGrid(detector, element, 1, none, none, parts, empty, empty[0, 0, 0]).weights(
            types
        )
        back = np.linalg.pinv(shares.astype(float))
        return parts, np.tensordot(back, images, axes=1).astype(np.float32)
    names = list(meta.get("spectral_type") or [])
    if len(images) == 1 and not names:
        names = ["G2V"]
    if len(names) != len(images):
        raise FormatError(
            f"The file has PSFs of {len(images)} spectra and names {names}.",
            "a spectral type for each",
        )
    waves = np.array([star_wavelength(detector, element, temperature_of(n)) for n in names])
    waves, chosen = np.unique(waves, return_index=True)
    return waves, images[chosen]


def _wings(reference: Epsf, samples: NDArray[np.float32], oversample: int) -> NDArray[np.float32]:
    """Wings on whole pixels: the extended PSF where there is one, else what the samples hold."""
    half = (samples.shape[-1] - 1) // 2 // oversample
    wings = np.zeros((2 * half + 1,) * 2, np.float32)
    if reference.extended_psf is not None:
        fine = int(reference.meta.get("extended_oversample") or oversample)
        wide = _whole_pixels(_odd(np.asarray(reference.extended_psf)), fine)
        middle = (wide.shape[0] - 1) // 2
        start = middle - middle // fine * fine
        if middle // fine >= half:
            wings = np.ascontiguousarray(wide[start::fine, start::fine])
    return with_core(wings, samples, oversample)
