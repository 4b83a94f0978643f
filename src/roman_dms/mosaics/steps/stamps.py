"""Linear-optimal stamps from files: L2 images in, a piece of sky with a chosen PSF out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import MetadataError, UsageError
from roman_dms.formats.exposures import tree_of
from roman_dms.formats.mosaics import MOSAIC
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import open_tagged
from roman_dms.mosaics.geometry import Area, block_map
from roman_dms.mosaics.linear_optimal import linear_optimal
from roman_dms.mosaics.psf_overlaps import Broadened, Gaussian, PixelResponse
from roman_dms.mosaics.stamp import Stamp, StampInput, StampSettings
from roman_dms.mosaics.steps.combination import SelectImagesParameters, select_images
from roman_dms.mosaics.steps.members import Member, open_members
from roman_dms.mosaics.steps.pixels import AROUND, Loaded, area_of
from roman_dms.mosaics.steps.stack import Candidates
from roman_dms.mosaics.weights import inverse_variance
from roman_dms.products.metadata import Metadata
from roman_dms.psf.effective import PsfModel, coloured
from roman_dms.psf.steps.named import named_psf
from roman_dms.psf.steps.reference_psfs import ReferencePsfs
from roman_dms.sky.tangent import TangentPlane
from roman_dms.sky.tessellation import free_field

REFERENCE = "reference"
"""Effective PSFs (``epsf``) that the reference data have for each image."""

Rejected = Mapping[str, NDArray[np.intp]]
"""(2, n) rows and columns of pixels that are left out, by name of the image."""


@dataclass(frozen=True)
class StampRequest:
    """Which piece of the sky, and how it shall look."""

    ra: float
    """Right ascension of its middle, ICRS [deg]."""

    dec: float
    """Declination [deg]."""

    size: int = 64
    """Rows and columns."""

    scale: float = 0.055
    """Side of a pixel [arcsec]."""

    position_angle: float = 0.0
    """Of its y axis, from north to east [deg]."""

    target_fwhm: float = 0.22
    """Full width at half maximum of the Gaussian that its PSF shall be [arcsec]."""

    broadened: bool = False
    """Blur the mean PSF of the images by that Gaussian in place of it."""

    kappa: float = StampSettings.kappa
    leakage: float | None = None
    radius: float = 0.9
    """Input pixels this far around are used [arcsec]."""

    psf: str = REFERENCE
    """Name of the PSFs (`roman_dms.psf.steps.named`), where {detector} and {element} stand for
    each image's own; by default those of the reference data.  The optical model alone,
    ``{detector}/{element}``, lacks what capacitance between pixels makes of it."""

    store: Path | None = None
    """Folder of the reference data; by default as every command finds it."""

    context: str | None = None
    """Context of the reference data; the operational one by default."""

    wavelength: float | None = None
    """Mean wavelength of the light [micron]; a G2V star's by default."""

    good_bits: str = "~DO_NOT_USE"

    @property
    def plane(self) -> TangentPlane:
        """Its pixels."""
        return free_field(
            self.ra, self.dec, self.size, scale=self.scale, position_angle=self.position_angle
        ).plane

    def settings(self) -> StampSettings:
        """The same in pixels.

        Raises
        ------
        UsageError
            For a size, a target or a radius that cannot be.
        """
        if not self.size >= 1:
            raise UsageError(f"A stamp of {self.size} rows was asked for.", "one row at least")
        if not (self.target_fwhm > 0 and 0 < self.radius <= 5):
            raise UsageError(
                f"The target is {self.target_fwhm:g} arcsec wide, the radius {self.radius:g}.",
                "a width above zero, a radius up to 5 arcsec",
            )
        shape = Broadened if self.broadened else Gaussian
        return StampSettings(
            target=shape(self.target_fwhm / self.scale),
            radius=self.radius / self.scale,
            kappa=self.kappa,
            leakage=self.leakage,
        )


@dataclass(frozen=True)
class MadeStamp:
    """A stamp and what it was made of."""

    request: StampRequest
    stamp: Stamp
    element: str
    names: tuple[str, ...]
    """Files of the images in it."""

    levels: tuple[float, ...]
    """Sky that was taken off each [MJy / sr]."""

    origins: tuple[str, ...]
    """Where the PSF of each is from."""

    missing: tuple[str, ...] = field(default=())
    """Images that were left out, and why."""


def make_stamp(
    files: Sequence[FilePath],
    request: StampRequest,
    *,
    rejected: Rejected | None = None,
    keep_weights: bool = False,
    workers: int = 2,
) -> MadeStamp:
    """Combine the L2 images that show a place into a stamp.

    Raises
    ------
    UsageError
        For images through several filters, where none shows the place, or for PSFs that are not
        theirs.
    FileError, FormatError, MetadataError
        For files that cannot be used.
    ReferenceDataError
        Where PSFs are to come from reference data, and there are none.
    """
    settings = request.settings()
    margin = int(np.ceil(settings.radius)) + 2
    outer = free_field(
        request.ra,
        request.dec,
        request.size + 2 * margin,
        scale=request.scale,
        position_angle=request.position_angle,
    )
    area = area_of(outer).grown(-margin)
    opened = Candidates(Metadata({}), tuple(open_members(files, workers)), (outer,))
    stack = select_images(
        opened, SelectImagesParameters.model_validate({"good_bits": request.good_bits})
    )
    loaded = stack.pixels.load(stack.members, [outer], workers)
    psfs = _Psfs(request)
    used: list[tuple[Member, StampInput]] = []
    for member in stack.members:
        one = _input(member, loaded[member.name], outer.grid_plane, area, psfs)
        if one is not None:
            used.append((member, _without(one, (rejected or {}).get(member.name))))
    if not used:
        raise UsageError(
            f"None of the {len(stack.members)} images shows {request.ra:.6f}, {request.dec:.6f}.",
            "a place on one image at least",
        )
    stamp = linear_optimal(
        [one for _, one in used], area, settings, keep_weights=keep_weights, workers=workers
    )
    members = [member for member, _ in used]
    return MadeStamp(
        request,
        stamp,
        members[0].meta.optical_element,
        tuple(one.name for one in members),
        tuple(loaded[one.name].level for one in members),
        tuple(psfs.of(one).origin for one in members),
        stack.missing,
    )


def record_of(mosaic: FilePath) -> tuple[list[str], dict[str, NDArray[np.intp]]]:
    """Names of the images in a mosaic of ours, and the pixels of each that it rejected.

    Raises
    ------
    FileError, FormatError
        For a file that is no mosaic.
    MetadataError
        Where the mosaic holds no such record.
    """
    file = open_tagged(mosaic)
    tree = tree_of(file, MOSAIC)
    record, images = tree.get("rejected_pixels"), tree.get("images")
    if record is None or images is None:
        raise MetadataError(
            f"{file.name} does not tell which pixels it rejected.",
            "a mosaic by 'rdms mosaic', with 'images' and 'rejected_pixels'",
        )
    numbers = np.asarray(record["image"])
    places = np.stack([np.asarray(record[key], np.intp) for key in ("row", "column")])
    names = [str(name) for name in images["name"]]
    return names, {name: places[:, numbers == n] for n, name in enumerate(names)}


@dataclass(frozen=True)
class _Psfs:
    """The PSFs of images, each read once."""

    request: StampRequest
    _known: dict[str, PsfModel] = field(default_factory=dict)

    @cached_property
    def _references(self) -> ReferencePsfs:
        return ReferencePsfs(self.request.store, self.request.context)

    def of(self, member: Member) -> PsfModel:
        """Those of an image.

        Raises
        ------
        UsageError
            If what was named is of another detector or filter.
        ReferenceDataError
            If the reference data have none.
        """
        name = self._name(member.meta)
        if name not in self._known:
            self._known[name] = named_psf(name)
        model = self._known[name]
        of = f"{model.grid.detector}/{model.grid.element}"
        own = f"{member.meta.detector}/{member.meta.optical_element}"
        if model.grid.detector and of != own:
            raise UsageError(
                f"The PSFs {name} are of {of}, and {member.name} is of {own}.",
                "PSFs of each image's detector and filter",
                "write {detector} and {element} in their name, or leave --psf out",
            )
        return model

    def _name(self, meta: Metadata) -> str:
        if self.request.psf == REFERENCE:
            return str(self._references.file(meta))
        try:
            return self.request.psf.format(detector=meta.detector, element=meta.optical_element)
        except (LookupError, ValueError):
            raise UsageError(
                f"{self.request.psf!r} names no PSF.", "no other braces than {detector}, {element}"
            ) from None


def _input(
    member: Member, loaded: Loaded, plane: TangentPlane, area: Area, psfs: _Psfs
) -> StampInput | None:
    """An image on its way to a stamp; ``None`` where it does not show it."""
    request = psfs.request
    around = int(np.ceil(request.radius / request.scale)) + 1
    way = block_map(member.pixels_of(plane), area.grown(around), margin=2)
    if way is None or loaded.blind:
        return None
    seen = way.window(area.grown(around), member.shape, AROUND)
    window = seen.within(loaded.window) if seen else None
    if window is None or way.window(area, member.shape, 0) is None:
        return None
    image = loaded.part(window, way.centre, loaded.level, inverse_variance, member.exposure_time)
    model = psfs.of(member)
    lights = model.grid.wavelengths
    colour = coloured(model, request.wavelength if len(lights) > 1 else float(lights[0]))
    samples = colour.at(*way.centre).astype(float)
    response = PixelResponse(samples, colour.model.grid.oversample, way.jacobian)
    return StampInput(image, way, response)


def _without(one: StampInput, pixels: NDArray[np.intp] | None) -> StampInput:
    """The same with pixels (2, n) left out."""
    if pixels is None or not pixels.size:
        return one
    window = one.image.window
    rows, columns = pixels[0] - window.y0, pixels[1] - window.x0
    inside = (rows >= 0) & (rows < window.rows) & (columns >= 0) & (columns < window.columns)
    one.image.weight[rows[inside], columns[inside]] = 0
    return one
