"""The steps from L2 images to a mosaic.

The first ones decide; pixels are touched once, block by block, in the last.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from astropy.nddata.bitmask import interpret_bit_flags
from pydantic import Field

from roman_dms.errors import UsageError
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.instrument.quality import Pixel
from roman_dms.mosaics.outliers import OutlierSettings, scale_at
from roman_dms.mosaics.sky_levels import match_levels
from roman_dms.mosaics.steps.members import Member, Missing
from roman_dms.mosaics.steps.overlaps import differences
from roman_dms.mosaics.steps.pixels import Pixels
from roman_dms.mosaics.steps.resampling import ResampleParameters, made_mosaic
from roman_dms.mosaics.steps.stack import Candidates, Stack
from roman_dms.pipeline.step import Parameters, step
from roman_dms.products.mosaic import Mosaic


class SelectImagesParameters(Parameters):
    """Parameters of ``select_images``."""

    missing: Literal["stop", "note"] = Field(
        "stop",
        description="What to do about an image that cannot be read: stop, or go on and say so.",
    )
    good_bits: str = Field(
        "~DO_NOT_USE",
        description="Flags that leave a pixel usable, as romancal writes them; ~ in front: all "
        "but these.",
    )
    least_good: float = Field(
        0.0, ge=0, le=1, description="Least share of good pixels of an image, by its statistics."
    )


@step(scope="metadata")
def select_images(files: Candidates, parameters: SelectImagesParameters) -> Stack:
    """Choose the images that contribute; all must be through one filter."""
    missing = [one for one in files.files if isinstance(one, Missing)]
    if missing and parameters.missing == "stop":
        raise missing[0].error
    reasons = [f"{one.name}: {one.error.found}" for one in missing]
    members: dict[str, Member] = {}
    for one in files.files:
        if isinstance(one, Missing):
            continue
        reason = _unfit(one, members, parameters)
        if reason is None:
            members[one.name] = one
        else:
            reasons.append(f"{one.name}: {reason}")
    _check_filters(list(members.values()))
    meta = files.meta
    for reason in reasons:
        meta = meta.noted(f"select_images: left out {reason}")
    return Stack(
        meta=meta,
        members=tuple(members.values()),
        cells=files.cells,
        missing=tuple(reasons),
        good_bits=parameters.good_bits,
        pixels=Pixels(bad=bad_flags(parameters.good_bits)),
    )


def bad_flags(good_bits: str) -> int:
    """Flags that make a pixel unusable, of what a user calls good.

    Raises
    ------
    UsageError
        For a flag that is not there.
    """
    names = {str(flag.name): int(flag) for flag in Pixel}
    try:
        ignored = interpret_bit_flags(good_bits, flag_name_map=names)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"good_bits is {good_bits!r}: {error}.",
            f"names of flags joined by '+' or ',', ~ in front of all: {', '.join(names)}",
        ) from None
    return 0xFFFFFFFF & ~int(ignored) if ignored is not None else 0


def _unfit(
    member: Member, known: dict[str, Member], parameters: SelectImagesParameters
) -> str | None:
    if member.name in known:
        return "it is there already"
    share = member.meta.get("statistics.good_pixel_fraction")
    if isinstance(share, float) and 0 <= share < parameters.least_good:
        return f"{share:.1%} of its pixels are good, {parameters.least_good:.1%} are asked for"
    return None


def _check_filters(members: list[Member]) -> None:
    if not members:
        raise UsageError("No image is left to make a mosaic of.", "one L2 image at least")
    elements = sorted({member.meta.optical_element for member in members})
    if len(elements) > 1:
        raise UsageError(
            f"The images are through {', '.join(elements)}.",
            "images through one filter",
            "make a mosaic of each: 'rdms associate' sorts them",
        )


class FluxParameters(Parameters):
    """Parameters of ``flux``."""

    pixel_area: Literal["own", "nominal"] = Field(
        "own",
        description="The area that a pixel's count rate belongs to: its own on the sky by the "
        "WCS, or a nominal one, for images whose flat field holds the areas.",
    )


@step(scope="metadata")
def flux(stack: Stack, parameters: FluxParameters) -> Stack:
    """Take count rates to surface brightness, MJy/sr."""
    pixels = dataclasses.replace(stack.pixels, own_areas=parameters.pixel_area == "own")
    return dataclasses.replace(stack, pixels=pixels)


class SkymatchParameters(Parameters):
    """Parameters of ``skymatch``."""

    method: Literal["match", "subtract"] = Field(
        "match",
        description="match: remove what the skies of images differ by and keep their mean; "
        "subtract: remove that mean, too.",
    )


@step(scope="detector")
def skymatch(stack: Stack, parameters: SkymatchParameters, workers: int = 1) -> Stack:
    """Find the sky of each image from what it shares with others."""
    loaded = stack.pixels.load(stack.members, stack.cells, workers)
    levels = [loaded[member.name].level for member in stack.members]
    shared = differences(stack.members, loaded)
    matched = match_levels(shared, len(levels), levels=levels, mode=parameters.method)
    names = [member.name for member in stack.members]
    groups = len(set(matched.groups.tolist()))
    note = f"skymatch: {len(shared)} overlaps of {len(names)} images in {groups} groups"
    return dataclasses.replace(
        stack,
        meta=stack.meta.noted(note),
        offsets=dict(zip(names, matched.offsets.tolist(), strict=True)),
        sky=parameters.method,
    )


class OutlierDetectionParameters(Parameters):
    """Parameters of ``outlier_detection``."""

    snr: tuple[float, float] = Field(
        (5.0, 4.0),
        description="Deviation that makes an outlier, in standard deviations: anywhere, and next "
        "to another outlier.",
    )
    scale: tuple[float, float] | None = Field(
        None,
        description="What the picture's light and its gradient add to it, likewise; by default "
        "what suits the sampling of the filter.",
    )
    grow: int = Field(
        0, ge=0, le=3, description="Pixels around an outlier that are rejected with it."
    )


@step(scope="metadata")
def outlier_detection(stack: Stack, parameters: OutlierDetectionParameters) -> Stack:
    """Tell cosmic rays, moving objects and faults from light, by comparing the images."""
    scale = parameters.scale or scale_at(_wavelength(stack.members[0].meta.optical_element))
    settings = OutlierSettings(snr=parameters.snr, scale=scale, grow=parameters.grow)
    return dataclasses.replace(stack, outliers=settings)


def _wavelength(element: str) -> float:
    """Middle of a filter's band [micron]."""
    centre = optical_element(element).centre
    if centre is None:
        raise UsageError(f"No light passes {element}.", "images through a filter")
    return centre


@step(scope="detector")
def resample(stack: Stack, parameters: ResampleParameters, workers: int = 1) -> Mosaic:
    """Drizzle the images onto the pixels of the sky cell and combine them."""
    return made_mosaic(stack, parameters, workers)


STEPS = {one.name: one for one in (select_images, flux, skymatch, outlier_detection, resample)}
"""The steps of mosaics, by name."""
