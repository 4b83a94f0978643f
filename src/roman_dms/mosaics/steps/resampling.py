"""A stack of images becomes the mosaic of a sky cell, block by block."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from pydantic import Field

from roman_dms.errors import UsageError
from roman_dms.instrument.throughput import PIXEL_SCALE
from roman_dms.mosaics import kernels
from roman_dms.mosaics.blocks import MARGIN, Contribution, make_block
from roman_dms.mosaics.combining import Combination
from roman_dms.mosaics.correlated_noise import circles, correlated_noise_factor
from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.kernels import Kernel
from roman_dms.mosaics.steps.members import Member
from roman_dms.mosaics.steps.metadata import background_table, mosaic_metadata
from roman_dms.mosaics.steps.pixels import AROUND, Loaded, Ways, area_of, blocks_of_cell
from roman_dms.mosaics.steps.stack import Stack
from roman_dms.mosaics.weights import exposure_time, inverse_variance, uniform
from roman_dms.pipeline.step import Parameters
from roman_dms.products.mosaic import Mosaic
from roman_dms.products.mosaic_metadata import mosaic_statistics
from roman_dms.sky.image_places import fitted_map
from roman_dms.sky.tessellation import SkyCell


class ResampleParameters(Parameters):
    """Parameters of ``resample``."""

    kernel: Literal["square", "point", "turbo", "gaussian", "lanczos3"] = Field(
        "square", description="How a pixel's light is spread over the mosaic."
    )
    pixfrac: float = Field(
        1.0, ge=0, le=1, description="Width of the drops, in pixels of the detector."
    )
    weight_type: Literal["ivm", "exptime", "uniform"] = Field(
        "ivm",
        description="Weight of a pixel: the inverse variance of its sky, its exposure time, or 1.",
    )

    def made_kernel(self) -> Kernel:
        """The kernel of these parameters."""
        make = getattr(kernels, self.kernel)
        return make(self.pixfrac) if self.kernel in SPREADING else make()

    @property
    def spread(self) -> float:
        """Width over which a pixel's light is spread [pixel of the detector]."""
        return self.pixfrac if self.kernel in SPREADING else 0.0


WEIGHTINGS = {"ivm": inverse_variance, "exptime": exposure_time, "uniform": uniform}
"""Weights by the mission's names."""

AT_ONCE = 40
"""Images whose planes of a whole block are held in memory together, 400 MB a thread."""

SPREADING = {"square", "turbo", "gaussian"}
"""Kernels that a drop's width makes sense for."""


def made_mosaic(stack: Stack, parameters: ResampleParameters, workers: int) -> Mosaic:
    """The mosaic of a stack's cell.

    Raises
    ------
    UsageError
        If no image lies on the cell.
    """
    cell = stack.cell or stack.cells[0]
    members = [one for one in stack.members if stack.pixels.ways(one, cell)]
    if not members:
        raise UsageError(
            f"None of the {len(stack.members)} images lies on {_label(cell)}.",
            "images that overlap it",
            "find the cells of an image with 'rdms skycells list FILE'",
        )
    loaded = stack.pixels.load(members, stack.cells, workers)
    images = [
        ImageOnCell(
            number, one, loaded[one.name], stack.pixels.ways(one, cell), stack.offset_of(one)
        )
        for number, one in enumerate(members)
    ]
    canvas = Canvas.of(area_of(cell), len(members), _components(members))
    kernel, outliers = parameters.made_kernel(), stack.outliers
    if outliers is not None:
        outliers = replace(outliers, spread=parameters.spread)

    blocks = blocks_of_cell(cell)

    def make(block: Area) -> list[tuple[int, NDArray[np.int32]]]:
        part = block.within(canvas.area)
        assert part is not None
        found: list[tuple[int, NDArray[np.int32]]] = []
        for strip in _strips(part, sum(block in image.ways for image in images)):
            given = [
                contribution
                for image in images
                if (contribution := image.on(block, strip, parameters.weight_type)) is not None
            ]
            made = make_block(strip, given, len(images), kernel, outliers)
            canvas.put(made.sums)
            found += made.rejected
        stack.pixels.pool.rest()
        return found

    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(make, blocks))
    own = {
        "exposure_time": canvas.planes["exposure_time"],
        "correlated_noise": noise_in_apertures(
            images, canvas, cell, kernel, parameters.weight_type
        ),
        "images": images_table(images, cell),
        "missing_images": list(stack.missing),
        "rejected_pixels": _record(found),
    }
    return _mosaic(stack, cell, members, canvas, own, parameters)


def _strips(part: Area, images: int) -> list[Area]:
    """Rows of a part of a block that are made at a time: fewer, the more images there are."""
    count = min(1 + images // AT_ONCE, part.rows)
    edges = [part.y0 + number * part.rows // count for number in range(count + 1)]
    return [Area(part.x0, low, part.columns, high - low) for low, high in itertools.pairwise(edges)]


@dataclass(frozen=True)
class ImageOnCell:
    """An image on its way to a cell."""

    number: int
    member: Member
    loaded: Loaded
    ways: Ways
    offset: float
    """Surface brightness that is subtracted."""

    def on(self, block: Area, part: Area, weight_type: str) -> Contribution | None:
        """What it gives to a part of a block; ``None`` where it is not near, or blind."""
        if block not in self.ways or self.loaded.blind:
            return None
        way = self.ways[block]
        seen = way.window(part.grown(MARGIN), self.member.shape, AROUND)
        window = seen.within(self.loaded.window) if seen else None
        if window is None:
            return None
        loaded = self.loaded
        time = self.member.exposure_time
        return Contribution(
            self.number,
            loaded.part(window, way.centre, self.offset, WEIGHTINGS[weight_type], time),
            way,
            loaded.level - self.offset,
            loaded.noise.over(window),
            loaded.noise.per_light,
            time,
        )


@dataclass(frozen=True)
class Canvas:
    """The arrays of a mosaic while it is made."""

    area: Area
    planes: dict[str, NDArray[np.float32]]
    context: NDArray[np.uint32]

    @classmethod
    def of(cls, area: Area, images: int, components: Sequence[str]) -> Canvas:
        """Arrays for so many images."""
        names = ("data", "err", "weight", "exposure_time", *components)
        planes = {name: np.empty(area.shape, np.float32) for name in names}
        return cls(area, planes, np.empty((-(-images // 32), *area.shape), np.uint32))

    def put(self, made: Combination) -> None:
        """Enter a part."""
        at = self.area.slices(made.area)
        own = ("data", "err", "weight", "exposure_time")
        for name, plane in self.planes.items():
            # of a part without images no variances are known
            plane[at] = getattr(made, name) if name in own else made.variances.get(name, np.nan)
        self.context[(slice(None), *at)] = made.context


def _mosaic(
    stack: Stack,
    cell: SkyCell,
    members: Sequence[Member],
    canvas: Canvas,
    own: Mapping[str, Any],
    parameters: ResampleParameters,
) -> Mosaic:
    """Arrays and metadata together."""
    offsets = [stack.offset_of(one) for one in members]
    meta = mosaic_metadata(
        members, cell,
        association=stack.association, product_type=stack.product_type, release=stack.release,
    )  # fmt: skip
    planes = dict(canvas.planes)
    times = planes.pop("exposure_time")
    covered = int(np.count_nonzero(times))
    changes = {
        "cal_logs": stack.meta.get("cal_logs") or [],
        "cal_step": stack.meta.get("cal_step") or {},
        "coadd_info.exposure_time": float(times.sum(dtype=float)) / max(covered, 1),
        "coadd_info.max_exposure_time": float(times.max(initial=0)),
        "individual_image_meta.background": background_table(offsets, stack.sky),
        "statistics": mosaic_statistics(planes["data"]),
        "resample": {
            "good_bits": stack.good_bits,
            "members": [one.name for one in members],
            "pixel_scale_ratio": cell.plane.scale / PIXEL_SCALE,
            "pixfrac": parameters.pixfrac,
            "pointings": len(members),
            "weight_type": parameters.weight_type,
        },
    }
    return Mosaic(
        meta=meta.updated(changes),
        context=canvas.context,
        extras={"roman_dms": dict(own)},
        **planes,
    )


RADII = (0.11, 0.22, 0.44, 0.88, 1.76)
"""Apertures for which the correlation of noise is given [arcsec]."""


def noise_in_apertures(
    images: Sequence[ImageOnCell],
    canvas: Canvas,
    cell: SkyCell,
    kernel: Kernel,
    weight_type: str,
) -> Table:
    """What errors of apertures are to be multiplied by, where the mosaic is deepest."""
    scale = cell.plane.scale
    block, patch = _deepest(canvas, blocks_of_cell(cell), int(np.ceil(RADII[-1] / scale)) + 1)
    if patch is None:
        return Table({"radius": [], "factor": []}, dtype=[float, float])
    given = [made for image in images if (made := image.on(block, patch, weight_type)) is not None]
    apertures = circles(patch, [radius / scale for radius in RADII])
    factors = correlated_noise_factor(
        [one.image for one in given], [one.way for one in given], patch, kernel, apertures
    )
    return Table({"radius": np.array(RADII), "factor": factors})


def _deepest(canvas: Canvas, blocks: Sequence[Area], half: int) -> tuple[Area, Area | None]:
    """The block whose middle is exposed longest, and a square there; ``None`` if none is."""
    best: tuple[Area, Area | None] = (Area(0, 0, 0, 0), None)
    times = 0.0
    for block in blocks:
        x, y = (round(value) for value in block.centre)
        patch = Area(x - half, y - half, 2 * half + 1, 2 * half + 1)
        if patch.within(canvas.area) == patch:
            least = float(canvas.planes["exposure_time"][canvas.area.slices(patch)].min())
            if least > times:
                best, times = (block, patch), least
    return best


def images_table(images: Sequence[ImageOnCell], cell: SkyCell) -> Table:
    """The images of a mosaic, in the order of the bits of its context.

    With what its effective PSF asks for: where its pixels lie on each image (`sky.image_places`),
    and the weight of the image.
    """
    maps = [fitted_map(image.member.pixels_of(cell.plane), cell.shape) for image in images]
    return Table(
        {
            "name": [image.member.name for image in images],
            "detector": [image.member.meta.detector for image in images],
            "sky": [image.loaded.level for image in images],
            "subtracted": [image.offset for image in images],
            "weight": [1 / float(np.median(image.loaded.noise.mesh)) for image in images],
            "place": np.array(maps),
        }
    )


def _record(found: Sequence[Sequence[tuple[int, NDArray[np.int32]]]]) -> Table:
    """Outliers of all blocks: number of the image, row and column on the detector."""
    places = [
        np.column_stack([np.full(len(pixels), number), pixels])
        for block in found
        for number, pixels in block
        if len(pixels)
    ]
    every = np.concatenate(places) if places else np.empty((0, 3), np.int64)
    every = every[np.lexsort((every[:, 2], every[:, 1], every[:, 0]))].astype(np.uint16)
    return Table({"image": every[:, 0], "row": every[:, 1], "column": every[:, 2]})


def _components(members: Sequence[Member]) -> list[str]:
    """Variances that all images have."""
    common = set.intersection(*(set(one.components) for one in members))
    return sorted(common)


def _label(cell: SkyCell) -> str:
    ra, dec = cell.centre
    return f"the sky cell {cell.name}" if cell.name else f"the field around {ra:.4f}, {dec:.4f}"
