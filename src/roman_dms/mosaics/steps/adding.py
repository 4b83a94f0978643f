"""Exposures added to a mosaic that is there, without those that are in it.

A mosaic keeps what its sums were: weight, data, variances and context.  A new exposure takes the
level of the mosaic's sky, is compared with the mosaic as clean picture, warped, and added::

    image - mosaic -> sky -> outliers of the image -> warped -> added, block by block

What making the mosaic anew would do differently: outliers of the exposures within are not judged
again; the mean sky stays that of the first; where fewer than two exposures lie, and within two
pixels of the mosaic's border, the new one is not judged.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.formats.products import read_mosaic, write_product
from roman_dms.formats.sources import FilePath
from roman_dms.mosaics.blocks import MARGIN, REACH, Contribution
from roman_dms.mosaics.combining import PLANE, Combination, added
from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.median import FEWEST
from roman_dms.mosaics.outliers import OutlierSettings, rejected
from roman_dms.mosaics.steps.added_metadata import extended_metadata
from roman_dms.mosaics.steps.existing import (
    OWN,
    cell_of,
    check_new,
    check_recipe,
    held,
    recipe_of,
    with_record,
)
from roman_dms.mosaics.steps.making import Made, NoReferences, Watching, parted
from roman_dms.mosaics.steps.members import Member, open_members
from roman_dms.mosaics.steps.pixels import Loaded, area_of
from roman_dms.mosaics.steps.resampling import (
    Canvas,
    ImageOnCell,
    ResampleParameters,
    images_table,
    noise_in_apertures,
)
from roman_dms.mosaics.steps.stack import Candidates, Stack
from roman_dms.mosaics.warping import warp
from roman_dms.pipeline.recipe import Recipe
from roman_dms.pipeline.runner import run
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic import Mosaic
from roman_dms.products.mosaic_metadata import SAMPLED, mosaic_statistics
from roman_dms.sky.tessellation import SkyCell

EVERY = 2
"""Rows and columns of an image of which one is compared with the mosaic's sky."""

CLIP, ROUNDS = 4.0, 3
"""Standard deviations beyond which differences do not count, and how often that is decided."""

FEWEST_SAMPLES = 1000
"""Pixels, of those compared, that the level of a sky may rest upon."""


@dataclass(frozen=True)
class Addition:
    """Which images are to be added to which mosaic."""

    files: Sequence[FilePath]

    mosaic: Path

    output: Path | None = None
    """Folder of the new mosaic; by default the new one takes the place of the old."""

    cells: Sequence[SkyCell] = ()
    """Pixels that were asked for, which must be those of the mosaic."""

    recipe: Recipe | None = None
    """By default that of the mosaic."""

    settings: Sequence[str] = ()
    """Parameters to override, as of ``Recipe.with_settings``."""

    skipped: Sequence[str] = ()
    """Steps to leave out."""


def add_images(addition: Addition, watching: Watching, *, workers: int = 2) -> Made:
    """Add images to a mosaic file.

    The file is complete at any time: the new one is written beside it and takes its place.

    Parameters
    ----------
    addition
        Which images and mosaic.
    watching
        Shows how it goes on.
    workers
        Threads; the mosaic does not depend on them.

    Raises
    ------
    UsageError
        For images that are in the mosaic already, are through another filter or lie
        elsewhere; for pixels or steps other than those of the mosaic.
    MetadataError
        For a mosaic that does not tell what adding needs, such as one of other software.
    FileError, FormatError
        For files that cannot be read or written.
    """
    began = time.perf_counter()
    path = addition.mosaic
    with held(path):
        mosaic = read_mosaic(path)
        cell = cell_of(mosaic)
        recipe = addition.recipe or recipe_of(mosaic)
        recipe = recipe.with_settings(addition.settings).skipping(addition.skipped)
        check_recipe(mosaic, recipe, addition.cells)
        shared, _ = parted(recipe)
        # the sky of the new images is that of the mosaic, not of one another
        steps = tuple(entry for entry in shared.steps if entry.name != "skymatch")
        files = tuple(open_members(addition.files, workers))
        candidates = Candidates(Metadata({}), files, (cell,))
        with watching(path.name, len(steps)) as observer:
            shared = dataclasses.replace(shared, steps=steps)
            done = run(shared, candidates, NoReferences(), workers=workers, observer=observer)
        stack: Stack = dataclasses.replace(done.product, cell=cell)
        check_new(mosaic, stack)
        made = with_record(_added(mosaic, stack, recipe, workers), recipe)
        output = path if addition.output is None else addition.output / path.name
        output.parent.mkdir(parents=True, exist_ok=True)
        write_product(made, output)
    return Made(cell, output, dataclasses.replace(done, product=made), time.perf_counter() - began)


def _added(mosaic: Mosaic, stack: Stack, recipe: Recipe, workers: int) -> Mosaic:
    """The mosaic with all images of a stack, one after the other."""
    steps = {entry.name: entry for entry in recipe.steps}
    sky = steps.get("skymatch")
    matching = sky is not None and not sky.skip
    parameters = steps["resample"].parameters
    assert isinstance(parameters, ResampleParameters)
    so_far, left_out = _Growing.of(mosaic, stack, parameters), list(stack.missing)
    for member in stack.members:
        loaded = stack.pixels.load([member], stack.cells, workers)[member.name]
        reason = _useless(stack, member, loaded)
        if reason is None:
            so_far = so_far.with_image(stack, member, loaded, matching, workers)
        else:
            left_out.append(f"{member.name}: {reason}")
        stack.pixels.forget([member.name])
    if so_far.count == _count(mosaic):
        raise UsageError(
            f"Nothing could be added: {'; '.join(left_out)}.",
            "usable images that overlap the mosaic",
            "find the cells of an image with 'rdms skycells list FILE'",
        )
    return so_far.mosaic(mosaic, left_out, stack)


def _useless(stack: Stack, member: Member, loaded: Loaded) -> str | None:
    """Why an image has nothing to give."""
    if loaded.blind:
        return "none of its pixels is usable"
    assert stack.cell is not None
    return None if stack.pixels.ways(member, stack.cell) else "it does not lie on the mosaic"


def _count(mosaic: Mosaic) -> int:
    return len(mosaic.extras[OWN]["images"])


@dataclass(frozen=True)
class _Growing:
    """A mosaic that images are added to."""

    cell: SkyCell
    parameters: ResampleParameters
    outliers: OutlierSettings | None
    canvas: Canvas
    images: Table
    rejected: Table
    noise: Table
    meta: Metadata

    @classmethod
    def of(cls, mosaic: Mosaic, stack: Stack, parameters: ResampleParameters) -> _Growing:
        own, cell = mosaic.extras[OWN], cell_of(mosaic)
        names = ("data", "err", "weight", "var_poisson", "var_rnoise", "var_flat")
        planes = {name: array for name in names if (array := getattr(mosaic, name)) is not None}
        planes["exposure_time"] = np.asarray(own["exposure_time"])
        outliers = stack.outliers
        if outliers is not None:
            outliers = dataclasses.replace(outliers, spread=parameters.spread)
        return cls(
            cell, parameters, outliers, Canvas(area_of(cell), planes, mosaic.context),
            own["images"], own["rejected_pixels"], own["correlated_noise"], mosaic.meta,
        )  # fmt: skip

    @property
    def count(self) -> int:
        """Images in it."""
        return len(self.images)

    def with_image(
        self, stack: Stack, member: Member, loaded: Loaded, matching: bool, workers: int
    ) -> _Growing:
        """With one image more."""
        ways = stack.pixels.ways(member, self.cell)
        plain = ImageOnCell(self.count, member, loaded, ways, 0.0)
        offset = sky_above(plain, self.canvas) if matching else 0.0
        method = str(self.meta["individual_image_meta.background"]["method"][0])
        if offset is None:
            offset = loaded.level if method == "subtract" else 0.0
        image = dataclasses.replace(plain, offset=offset)
        canvas, gone = self._summed(image, workers)
        table = images_table([image], self.cell)
        number = np.full(len(gone), self.count, np.uint16)
        record = Table({"image": number, "row": gone[:, 0], "column": gone[:, 1]})
        note = f"adding: {member.name}, sky {offset:+.3g} MJy/sr, {len(gone)} outliers"
        return dataclasses.replace(
            self,
            canvas=canvas,
            images=vstack([self.images, table]),
            rejected=vstack([self.rejected, record]),
            noise=self._noise(image, canvas),
            meta=extended_metadata(self.meta, member, self.cell, offset, method).noted(note),
        )

    def _summed(self, image: ImageOnCell, workers: int) -> tuple[Canvas, NDArray[np.uint16]]:
        """New arrays, and (n, 2) rows and columns on the detector of what was rejected."""
        kernel, kind = self.parameters.made_kernel(), self.parameters.weight_type
        canvas = _copied(self.canvas, image.number)

        def add(block: Area) -> NDArray[np.int32]:
            part = block.within(self.canvas.area)
            given = image.on(block, part, kind) if part else None
            if part is None or given is None:
                return np.empty((0, 2), np.int32)
            gone = self._outliers(part, given)
            warped = warp(_without(given.image, gone), given.way, part, kernel)
            before = _part(self.canvas, part)
            canvas.put(added(before, warped, given.exposure_time, image.number))
            return gone

        with ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(add, image.ways))
        # pixels that reach into several blocks are found in each
        return canvas, np.unique(np.concatenate(found), axis=0).astype(np.uint16)

    def _outliers(self, part: Area, given: Contribution) -> NDArray[np.int32]:
        """Pixels that reach into a part of a block and hold what the mosaic does not."""
        if self.outliers is None:
            return np.empty((0, 2), np.int32)
        wide = part.grown(MARGIN)
        picture = clean_picture(self.canvas, wide) - np.float32(given.level)
        return rejected(
            given.image, given.way, picture, wide, part.grown(REACH), given.level,
            given.variance, given.per_light, self.outliers,
        )  # fmt: skip

    def _noise(self, image: ImageOnCell, canvas: Canvas) -> Table:
        """Correlated noise: variances of sums over apertures, old and new, add up."""
        before, after = (of.planes["exposure_time"] for of in (self.canvas, canvas))
        common = np.where(after > before, before, np.float32(0))
        deepest = dataclasses.replace(canvas, planes={"exposure_time": common})
        kernel, kind = self.parameters.made_kernel(), self.parameters.weight_type
        alone = noise_in_apertures([image], deepest, self.cell, kernel, kind)
        if not len(alone) or not len(self.noise):
            return self.noise
        sample = (slice(None, None, SAMPLED),) * 2
        at = common[sample] == common[sample].max()
        old, total = (
            of.planes["err"][sample][at] * of.planes["weight"][sample][at]
            for of in (self.canvas, canvas)
        )
        share = float(np.median(old / total)) ** 2
        squares = share * np.square(self.noise["factor"]) + (1 - share) * np.square(alone["factor"])
        return Table({"radius": self.noise["radius"], "factor": np.sqrt(squares)})

    def mosaic(self, before: Mosaic, left_out: Sequence[str], stack: Stack) -> Mosaic:
        """The product."""
        planes = dict(self.canvas.planes)
        times = planes.pop("exposure_time")
        own = {
            **before.extras[OWN],
            "exposure_time": times,
            "correlated_noise": self.noise,
            "images": self.images,
            "rejected_pixels": self.rejected,
            "missing_images": [*before.extras[OWN].get("missing_images", []), *left_out],
        }
        changes = {
            "cal_logs": [*(self.meta.get("cal_logs") or []), *(stack.meta.get("cal_logs") or [])],
            "coadd_info.exposure_time": float(times.sum(dtype=float)) / np.count_nonzero(times),
            "coadd_info.max_exposure_time": float(times.max()),
            "statistics": mosaic_statistics(planes["data"]),
        }
        return Mosaic(
            meta=self.meta.updated(changes),
            context=self.canvas.context,
            extras={**before.extras, OWN: own},
            **planes,
        )


def sky_above(image: ImageOnCell, mosaic: Canvas) -> float | None:
    """How much brighter the sky of an image is than that of a mosaic [MJy / sr].

    The clipped mean of differences of pixels: sources, which both see, cancel.  Their median
    would not do, since noise of photons is the more skew the fewer exposures share it.

    Returns
    -------
    float or None
        ``None`` where they share too little.
    """
    loaded, found = image.loaded, []
    for block, way in image.ways.items():
        part = block.within(mosaic.area)
        seen = way.window(part, image.member.shape, 0) if part else None
        window = seen.within(loaded.window) if seen else None
        if window is None or part is None:
            continue
        rows, columns = loaded.window.slices(window)
        y, x = np.mgrid[rows, columns][:, ::EVERY, ::EVERY].reshape(2, -1)
        on_x, on_y = way.to_mosaic(x + float(loaded.window.x0), y + float(loaded.window.y0))
        column = np.floor(on_x + 0.5).astype(int) - part.x0
        row = np.floor(on_y + 0.5).astype(int) - part.y0
        inside = (column >= 0) & (column < part.columns) & (row >= 0) & (row < part.rows)
        inside &= loaded.usable[y, x]
        y, x, row, column = (axis[inside] for axis in (y, x, row, column))
        light = mosaic.planes["data"][mosaic.area.slices(part)]
        found.append(loaded.data[y, x] - light[row, column])
    every = np.concatenate([np.empty(0, np.float32), *found])
    every = every[np.isfinite(every)]
    return _clipped_mean(every) if every.size >= FEWEST_SAMPLES else None


def _clipped_mean(values: NDArray[np.float32]) -> float:
    middle = float(np.median(values))
    limit = CLIP * 1.4826 * float(np.median(np.abs(values - middle)))
    for _ in range(ROUNDS):
        middle = float(values[np.abs(values - middle) <= limit].mean(dtype=float))
    return middle


def clean_picture(mosaic: Canvas, area: Area) -> NDArray[np.float32]:
    """(rows, columns) of an area: a mosaic where enough exposures made it, NaN elsewhere."""
    picture = np.full(area.shape, np.nan, np.float32)
    common = area.within(mosaic.area)
    assert common is not None
    at = mosaic.area.slices(common)
    exposures = np.bitwise_count(mosaic.context[(slice(None), *at)]).sum(axis=0, dtype=np.int32)
    picture[area.slices(common)] = np.where(exposures >= FEWEST, mosaic.planes["data"][at], np.nan)
    return picture


def _without(image: InputImage, gone: NDArray[np.int32]) -> InputImage:
    """An image some of whose pixels count nothing."""
    weight = image.weight.copy()
    weight[gone[:, 0] - image.window.y0, gone[:, 1] - image.window.x0] = 0
    return dataclasses.replace(image, weight=weight)


def _copied(canvas: Canvas, number: int) -> Canvas:
    """Arrays of the same content with room for an image of this number."""
    lacking = number // PLANE + 1 - len(canvas.context)
    context = np.concatenate(
        [canvas.context, np.zeros((max(lacking, 0), *canvas.area.shape), np.uint32)]
    )
    planes = {name: plane.copy() for name, plane in canvas.planes.items()}
    return Canvas(canvas.area, planes, context)


def _part(canvas: Canvas, area: Area) -> Combination:
    """What a canvas holds in an area."""
    at = canvas.area.slices(area)
    planes = {name: plane[at] for name, plane in canvas.planes.items()}
    context = canvas.context[(slice(None), *at)]
    own = {name: planes.pop(name) for name in ("data", "err", "weight", "exposure_time")}
    return Combination(area, context=context, variances=planes, **own)
