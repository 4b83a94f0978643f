"""Injected light into each kind of product: L1, L2, L3."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.errors import FormatError, MetadataError, UsageError
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.quality import Pixel
from roman_dms.instrument.throughput import electrons_per_jansky
from roman_dms.products.arrays import PixelArray, rows_of
from roman_dms.products.exposure import RateImage, RawExposure
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic import Mosaic
from roman_dms.products.reference import (
    Flat,
    Gain,
    InverseLinearity,
    Linearity,
    Reference,
    Saturation,
)
from roman_dms.psf.build import psf_grid
from roman_dms.references.selected import SelectedReferences
from roman_dms.simulation.injection import Response, add_to_rate, add_to_resultants
from roman_dms.simulation.mosaic_injection import add_to_mosaic, overlap_kernel, photon_scale
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.signatures.interpixel_capacitance import coupled
from roman_dms.simulation.steps.capacitance import capacitance_of
from roman_dms.simulation.steps.injected_light import (
    Frame,
    InjectionSettings,
    filter_of,
    frame_of_exposure,
    light_on,
    time_of,
    wcs_of,
)
from roman_dms.simulation.steps.mosaic import MosaicRequest, mosaic_psf
from roman_dms.simulation.steps.view import view_of
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.pixel_map import pixel_map
from roman_dms.sky.tangent import TangentPlane
from roman_dms.sky.tessellation import SkyCell

Image = NDArray[np.float32]

FULL_WELL = 55000.0
"""Signal at which pixels saturate where no reference says it [DN] (``romanisim`` 0.14)."""

MOSAIC_DETECTOR = "WFI01"
"""Whose throughput and PSF stand for all in a mosaic, as in simulated ones."""


def required_references(settings: InjectionSettings) -> SelectedReferences:
    """The reference data, without which nothing can be injected into an L1 exposure."""
    if settings.references is None:
        raise UsageError(
            "Injection into an L1 exposure needs reference data.",
            "a store of reference files",
            "name it with --store, or make one: 'rdms references bootstrap'",
        )
    return settings.references


def into_raw(
    raw: RawExposure, scene: Scene, settings: InjectionSettings
) -> tuple[RawExposure, Table]:
    """Inject into an L1 exposure, read by read; see :func:`add_to_resultants`."""
    references = required_references(settings)
    view, detector = view_of(raw.meta, references), raw.detector
    if view.detector.shape != detector.shape:
        raise FormatError(
            f"The exposure has {detector.rows} x {detector.columns} pixels.",
            f"{view.detector.rows} x {view.detector.columns}, as its reference files",
            "name the store that goes with it: --store",
        )
    frame = frame_of_exposure(raw.meta, view.mapping, detector.science_shape)
    psf = settings.psf or psf_grid(frame.detector, frame.element).moved(*view.corner)
    light = light_on(scene, frame, psf, settings.workers)
    found = _loaded(
        references,
        raw.meta,
        {
            "gain": Gain,
            "inverselinearity": InverseLinearity,
            "saturation": Saturation,
            "flat": Flat,
        },
    )
    science = _science(detector)
    response = Response(
        gain=_cut(found["gain"].data, science),
        inverse=_cut(found["inverselinearity"].coeffs, science),
        saturation=_cut(found["saturation"].data, science),
    )
    flat = np.asarray(found["flat"].data)
    rate = light.rate * np.where(np.isfinite(flat) & (flat > 0), flat, np.float32(0))
    data = np.array(rows_of(raw.data, 0, detector.rows))
    shift = _on_board(raw)[science]
    level = data[science]
    if shift.any():
        level = np.clip(level + shift, 0, 65535).astype(np.uint16)
    capacitance = capacitance_of(references, raw.meta)
    added = add_to_resultants(
        level, rate, response, raw.meta.read_pattern, settings.seed, noise=settings.noise,
        kernel=None if capacitance is None else capacitance[1], workers=settings.workers,
    )  # fmt: skip
    if shift.any():
        raised = data[science] + (added.astype(np.int32) - level)
        added = np.clip(raised, 0, 65535).astype(np.uint16)
    data[science] = added
    return dataclasses.replace(raw, data=data), _with_counts(light.catalogue, view.gain)


def _science(detector: Detector) -> Any:
    """Index of the science pixels of an array with border."""
    return np.s_[..., detector.border : -detector.border, detector.border : -detector.border]


def _with_counts(catalogue: Table, gain: float) -> Table:
    """The catalogue with what a source adds to the counts of an exposure."""
    catalogue["DN"] = catalogue["electrons"] / gain
    catalogue["DN"].unit = "DN"
    return catalogue


def _cut(array: PixelArray, science: Any) -> Image:
    return np.ascontiguousarray(np.asarray(array)[science], np.float32)


def _loaded(
    references: SelectedReferences, meta: Metadata, kinds: Mapping[str, type[Reference]]
) -> dict[str, Any]:
    """References that must be there."""
    found = references.load(meta, kinds)
    missing = [kind for kind, reference in found.items() if reference is None]
    if missing:
        raise UsageError(
            f"The context has no {' and no '.join(missing)} reference for this exposure.",
            "one of each kind that injection needs",
            "choose another context with --context",
        )
    return {kind: reference[1] for kind, reference in found.items() if reference}


def _on_board(raw: RawExposure) -> NDArray[np.int32]:
    """What was subtracted on board, (rows, columns) [DN]."""
    offset = int(raw.meta.get("instrument.data_encoding_offset", 0) or 0)
    if raw.reference_read is None:
        return np.full(raw.detector.shape, -offset, np.int32)
    return np.asarray(raw.reference_read, np.int32) - offset


def into_rate(
    image: RateImage, scene: Scene, settings: InjectionSettings
) -> tuple[RateImage, Table]:
    """Inject into an L2 image; see :func:`add_to_rate`.

    Pixels that are not to be used stay as they are.
    """
    wcs, (rows, columns) = wcs_of(image.meta), image.data.shape
    frame = frame_of_exposure(image.meta, pixel_map(wcs, (rows, columns)), (rows, columns))
    gain = _photometric_gain(image.meta)
    corner = _corner(wcs, frame.detector)
    psf = settings.psf or psf_grid(frame.detector, frame.element).moved(*corner)
    light = light_on(scene, frame, psf, settings.workers)
    usable = (image.dq & np.uint32(Pixel.DO_NOT_USE)) == 0
    added = add_to_rate(
        image.data,
        image.var_rnoise,
        np.where(usable, _coupled(light.rate, image, settings), np.float32(0)),
        gain,
        _full_well(image, settings),
        image.meta.read_pattern,
        settings.seed,
        noise=settings.noise,
    )
    changed = dataclasses.replace(
        image,
        data=image.data + added.data,
        dq=image.dq | added.dq,
        err=np.sqrt(np.square(image.err) + added.variance),
        var_poisson=image.var_poisson + added.variance,
    )
    return changed, _with_counts(light.catalogue, gain)


def _coupled(rate: Image, image: RateImage, settings: InjectionSettings) -> Image:
    """Light as interpixel capacitance shows it, where reference data tell its kernel."""
    if settings.references is None:
        return rate
    found = capacitance_of(settings.references, image.meta)
    return rate if found is None else coupled(rate, found[1])


def _photometric_gain(meta: Metadata) -> float:
    """Electrons of the nominal throughput a DN, as the flux calibration reckons."""
    keys = ("photometry.conversion_megajanskys", "photometry.pixel_area")
    conversion, area = (meta.get(key) for key in keys)
    for key, value in zip(keys, (conversion, area), strict=True):
        if not isinstance(value, int | float) or not np.isfinite(value) or value <= 0:
            raise MetadataError(
                f"The keyword meta.{key} is {value!r}.",
                "a positive number, which turns fluxes into count rates",
                "calibrate the image without skipping photom",
            )
    return float(
        conversion * 1e6 * electrons_per_jansky(meta.detector, meta.optical_element) * area
    )


def _corner(wcs: Any, detector: str) -> tuple[float, float]:
    """Where the first pixel lies on the whole detector; a WCS of one step tells nothing."""
    if "v2v3" not in wcs.available_frames:
        return 0.0, 0.0
    telescope = wcs.get_transform(wcs.available_frames[0], "v2v3")(0.0, 0.0)
    x, y = distortion_model(detector).inverse(*telescope)
    return float(x), float(y)


def _full_well(image: RateImage, settings: InjectionSettings) -> Image | float:
    """Linear signal, above that of a reset pixel, at which pixels saturate [DN]."""
    pedestal = _pedestal(image)
    if settings.references is None:
        return FULL_WELL - pedestal
    kinds: dict[str, type[Reference]] = {"saturation": Saturation, "linearity": Linearity}
    found = _loaded(settings.references, image.meta, kinds)
    science = _science(image.detector)
    threshold = _cut(found["saturation"].data, science)
    linear = np.zeros_like(threshold)
    for coefficient in _cut(found["linearity"].coeffs, science)[::-1]:
        linear = linear * threshold + coefficient
    known = np.isfinite(linear) & (linear > pedestal)
    return np.where(known, linear, np.float32(FULL_WELL)) - np.float32(pedestal)


def _pedestal(image: RateImage) -> float:
    """Signal of a reset pixel, as the reference pixels beside the image show it [DN]."""
    sides = (image.borders.left, image.borders.right)
    first = [side[0].ravel() for side in sides if len(side)]
    return float(np.median(np.concatenate(first))) if first else 0.0


def into_mosaic(mosaic: Mosaic, scene: Scene, settings: InjectionSettings) -> tuple[Mosaic, Table]:
    """Inject into an L3 mosaic; see :func:`add_to_mosaic`.

    Pixels that no exposure reached stay as they are.
    """
    element, shape = filter_of(mosaic.meta), mosaic.shape
    plane = TangentPlane.of_wcsinfo(mosaic.meta["wcsinfo"])
    time = _local_time(mosaic, settings.exposure_time)
    frame = Frame(
        shape,
        pixel_map(wcs_of(mosaic.meta), shape),
        MOSAIC_DETECTOR,
        element,
        time_of(mosaic.meta, "coadd_info.time_mean"),
        float(time.max()),
    )
    request = MosaicRequest(element=element, detector=MOSAIC_DETECTOR)
    psf = settings.psf or mosaic_psf(SkyCell(None, plane, shape), request)
    light = light_on(scene, frame, psf, settings.workers)
    jansky = electrons_per_jansky(MOSAIC_DETECTOR, element)
    of_electron = 1 / (1e6 * jansky * plane.pixel_areas(shape).astype(np.float64))
    exposed = (mosaic.weight > 0) & np.isfinite(mosaic.data) & ((time > 0) | ~time.any())
    width = _drop_width(mosaic.meta)
    added, variance = add_to_mosaic(
        np.where(exposed, light.rate * of_electron, 0).astype(np.float32),
        _of_photon(mosaic, of_electron, time, width),
        settings.seed,
        width=width,
        noise=settings.noise,
    )
    changed = dataclasses.replace(
        mosaic,
        data=np.where(exposed, mosaic.data + added, mosaic.data),
        err=np.where(exposed, np.sqrt(np.square(mosaic.err) + variance), mosaic.err),
        var_poisson=np.where(exposed, mosaic.var_poisson + variance, mosaic.var_poisson),
    )
    if not time.any():  # the image itself told the noise, and not the time
        light.catalogue.remove_column("electrons")
    return changed, light.catalogue


def _of_photon(
    mosaic: Mosaic, of_electron: NDArray[np.float64], time: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    """Brightness that one detected electron gives a pixel [MJy / sr]."""
    if time.any():
        return of_electron / np.where(time > 0, time, 1)
    kernel = overlap_kernel(width)
    scale = photon_scale(mosaic.data, mosaic.var_poisson) / np.sum(kernel**2) ** 2
    return np.full(mosaic.shape, scale)


def _local_time(mosaic: Mosaic, given: float | None) -> NDArray[np.float64]:
    """Exposure time of each pixel [s]; 0 everywhere where the metadata do not tell.

    The mean over the pixels that were exposed is in the metadata; the number of
    exposures of each pixel is in its context.
    """
    if given is not None:
        return np.full(mosaic.shape, float(given))
    exposures = np.bitwise_count(mosaic.context).sum(axis=0, dtype=np.int64)
    mean = mosaic.meta.get("coadd_info.exposure_time")
    known = isinstance(mean, int | float) and np.isfinite(mean) and mean > 0
    if not known or not exposures.any():
        return np.zeros(mosaic.shape)
    return exposures * (mean / exposures[exposures > 0].mean())


def _drop_width(meta: Metadata) -> float:
    """Width of a drizzled drop [pixel of the mosaic]; 1 where the metadata do not tell."""
    drop, ratio = meta.get("resample.pixfrac"), meta.get("resample.pixel_scale_ratio")
    if not isinstance(drop, int | float) or not isinstance(ratio, int | float) or not ratio > 0:
        return 1.0
    return max(float(drop / ratio), 0.0)
