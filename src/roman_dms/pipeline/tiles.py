"""Tiles: a chain of pixel-local steps streamed through bands of rows.

A tile stays in the processor's cache from the raw counts to the rate.  Tiles
run on all cores (the kernels release the interpreter's lock), and no cube of
the whole detector exists beyond what a whole-frame step made.  The steps are
the same plain functions that can be run by themselves.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import ReferenceDataError
from roman_dms.instrument.detectors import Detector
from roman_dms.pipeline.recipe import RecipeStep
from roman_dms.products.arrays import Frame, PixelArray, pixel_fields, rows_of
from roman_dms.products.reference import Reference

TILE_ROWS = 16
"""Rows of a tile: 9 resultants of 4096 columns in float32 are 2.4 MB."""


@dataclass(frozen=True)
class BoundStep:
    """A step of a recipe with the references that it asks for."""

    entry: RecipeStep
    references: Mapping[str, Reference]

    def run(self, product: Any, workers: int = 1) -> Any:
        """Run on a whole product."""
        return self.entry.step.run(product, self.references, self.entry.parameters, workers)

    def run_tile(self, tile: Any) -> Any:
        """Run on a tile, with the references cut to its rows."""
        cut = {name: reference_rows(ref, tile) for name, ref in self.references.items()}
        return self.entry.step.run(tile, cut, self.entry.parameters)


def frame_of(product: Any) -> Frame:
    """The frame in which the pixels of a product live."""
    return next(field.frame for _, field in pixel_fields(product))


def take_rows(product: Any, start: int, stop: int) -> Any:
    """The rows ``start:stop`` of a product, as a product that knows where it begins."""
    cut = {
        name: rows_of(array, start, stop)
        for name, _ in pixel_fields(product)
        if (array := getattr(product, name)) is not None
    }
    first = product.first_row + start
    jumps = getattr(product, "jump_indices", None)
    if jumps is not None:
        inside = (jumps[:, 1] >= first) & (jumps[:, 1] < first + stop - start)
        cut["jump_indices"] = jumps[inside]
    return dataclasses.replace(product, first_row=first, **cut)


def reference_rows(reference: Reference, tile: Any) -> Reference:
    """A reference cut to the rows, and to the frame, of a tile."""
    rows = next(getattr(tile, name) for name, _ in pixel_fields(tile)).shape[-2]
    cut: dict[str, Any] = {
        name: _aligned(
            getattr(reference, name), tile.detector, frame_of(tile), tile.first_row, rows
        )
        for name, _ in pixel_fields(reference)
    }
    return dataclasses.replace(reference, **cut) if cut else reference


def _aligned(
    array: PixelArray, detector: Detector, frame: Frame, first_row: int, rows: int
) -> NDArray[Any]:
    """Rows of a reference array in the frame of the product that it meets."""
    shape = tuple(array.shape[-2:])
    border = detector.border
    if shape == (detector.shape if frame == "detector" else detector.science_shape):
        return rows_of(array, first_row, first_row + rows)
    if frame == "science" and shape == detector.shape:
        start = first_row + border
        return rows_of(array, start, start + rows)[..., border : shape[1] - border]
    raise ReferenceDataError(
        f"A reference array of {shape[0]} x {shape[1]} pixels meets {detector.name} of "
        f"{detector.rows} x {detector.columns} pixels.",
        "a reference file of the same detector and size",
        "look at what was selected with 'rdms references select FILE'",
    )


class _Assembly:
    """Puts finished tiles into one product of the whole frame."""

    def __init__(self, tiles: int, spare: SpareMemory) -> None:
        self._spare = spare
        self._lists: list[Any] = [None] * tiles
        self._arrays: dict[str, NDArray[Any]] = {}
        self._last: Any = None
        self._lock = threading.Lock()

    def put(self, place: int, tile: Any) -> None:
        """Copy the rows of a tile to where they belong."""
        with self._lock:
            self._last = tile
            if not self._arrays:
                self._arrays = _whole_frame(tile, self._spare)
        self._lists[place] = getattr(tile, "jump_indices", None)
        for name, whole in self._arrays.items():
            rows = getattr(tile, name)
            whole[..., tile.first_row : tile.first_row + rows.shape[-2], :] = rows

    def product(self) -> Any:
        """The whole product."""
        changes: dict[str, Any] = {**self._arrays, "first_row": 0}
        if self._lists[0] is not None:
            changes["jump_indices"] = np.concatenate(self._lists)
        return dataclasses.replace(self._last, **changes)


def _whole_frame(tile: Any, spare: SpareMemory) -> dict[str, NDArray[Any]]:
    frame, detector = frame_of(tile), tile.detector
    rows = detector.rows if frame == "detector" else detector.science_shape[0]
    whole = {}
    for name, _ in pixel_fields(tile):
        array = getattr(tile, name)
        if array is not None:
            shape = (*array.shape[:-2], rows, array.shape[-1])
            found = spare.take(name, shape, array.dtype, detector.border)
            whole[name] = np.empty(shape, array.dtype) if found is None else found
    return whole


class SpareMemory:
    """Memory of a product that its own tiles have used up.

    A tile puts its results only where its own rows were, so that what comes out
    of a chain can lie where the ramp was: nothing new has to be touched, which
    takes longer than the copying.

    Parameters
    ----------
    product
        The product that goes into a chain and is not needed afterwards.
    kept
        Products whose arrays must stay as they are.
    """

    def __init__(self, product: Any, kept: Sequence[Any]) -> None:
        others = [array for one in kept for array in _arrays_of(one).values()]
        self._arrays = {
            name: array
            for name, array in _arrays_of(product).items()
            if array.flags.writeable and not any(np.may_share_memory(array, o) for o in others)
        }
        cube = self._arrays.get("data")
        self._planes = list(cube) if cube is not None and cube.ndim == 3 else []

    def take(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], border: int
    ) -> NDArray[Any] | None:
        """Memory for an array: its forerunner of the same name, or a plane of the ramp."""
        forerunner = self._arrays.get(name)
        if forerunner is not None and (forerunner.shape, forerunner.dtype) == (shape, dtype):
            self._planes = self._planes if forerunner.ndim == 2 else []
            return forerunner
        while self._planes and len(shape) == 2:
            plane = self._planes.pop()
            inside = plane[border : plane.shape[0] - border, border : plane.shape[1] - border]
            if inside.shape == shape and plane.dtype.itemsize == dtype.itemsize:
                return inside.view(dtype)
        return None


def _arrays_of(product: Any) -> dict[str, NDArray[Any]]:
    """The arrays of a product that hold pixels and are in memory."""
    found = {name: getattr(product, name) for name, _ in pixel_fields(product)}
    return {name: array for name, array in found.items() if isinstance(array, np.ndarray)}


def run_tiles(
    chain: Sequence[BoundStep],
    product: Any,
    workers: int,
    advance: Callable[[float], None],
    spare: SpareMemory,
) -> tuple[Any, list[float]]:
    """Run a chain of pixel-local steps over all tiles of a product.

    Parameters
    ----------
    chain
        The steps in their order.
    product
        The whole product.
    workers
        Number of threads.
    advance
        Told the fraction of the frame that each finished tile adds.
    spare
        Where results may be put.

    Returns
    -------
    product, seconds
        The whole product that the last step gives, and for each step the time
        that the threads spent in it, divided by their number.
    """
    rows = next(getattr(product, name) for name, _ in pixel_fields(product)).shape[-2]
    bands = [(start, min(start + TILE_ROWS, rows)) for start in range(0, rows, TILE_ROWS)]
    assembly = _Assembly(len(bands), spare)
    seconds = [0.0] * len(chain)
    lock = threading.Lock()

    def run_band(place: int) -> None:
        tile = take_rows(product, *bands[place])
        spent = []
        for bound in chain:
            began = time.perf_counter()
            tile = bound.run_tile(tile)
            spent.append(time.perf_counter() - began)
        assembly.put(place, tile)
        with lock:
            for index, value in enumerate(spent):
                seconds[index] += value / workers
            advance(1 / len(bands))

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(run_band, place) for place in range(len(bands))]:
            done.result()
    return assembly.product(), seconds
