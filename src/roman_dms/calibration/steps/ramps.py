"""Steps on the ramp, from the raw exposure to the fitted rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from roman_dms.calibration.dark_decay import subtract as subtract_dark_decay
from roman_dms.calibration.data_quality import guide_window_flags, read_borders
from roman_dms.calibration.linearity import linearize
from roman_dms.calibration.ramp_fit import JUMP_THRESHOLD, RampFit, fit_casertano, fit_likelihood
from roman_dms.calibration.reference_pixels import Weights
from roman_dms.calibration.reference_pixels import correct as correct_reference_pixels
from roman_dms.calibration.saturation import flag_saturation
from roman_dms.calibration.wfi18_transient import remove_transient
from roman_dms.errors import CalibrationError, ReferenceDataError
from roman_dms.instrument.quality import Pixel
from roman_dms.pipeline.step import Parameters, step
from roman_dms.products.arrays import PixelArray, rows_of
from roman_dms.products.exposure import Borders, Ramp, RateImage, RawExposure
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import (
    DarkDecay,
    Gain,
    IntegralNonlinearity,
    InverseLinearity,
    Linearity,
    Mask,
    ReadNoise,
    ReferencePixels,
    Saturation,
)

CAL_STEPS = (
    "dq_init", "saturation", "refpix", "dark_decay", "wfi18_transient", "linearity", "ramp_fit",
    "dark", "assign_wcs", "flat_field", "photom", "source_catalog", "tweakreg", "flux", "skymatch",
    "outlier_detection",
)  # fmt: skip
"""Every step whose state RAD wants in an L2 file."""


class DqInitParameters(Parameters):
    """Parameters of ``dq_init``."""

    kind: ClassVar[str] = "pars-dqinitstep"
    mission_names: ClassVar[Mapping[str, str]] = {"expand_gw_flagging": "expand_guide_window"}

    expand_guide_window: int = Field(
        0, ge=0, le=1000, description="Pixels by which the guide window is grown on each side."
    )


@step(scope="detector")
def dq_init(raw: RawExposure, mask: Mask, parameters: DqInitParameters, workers: int = 1) -> Ramp:
    """Start the flags from the mask and the guide window, and keep the borders.

    A reference read that was subtracted on board is added back, and an offset
    of the encoding is taken off.  The border of reference pixels is kept as it
    was read.
    """
    detector = raw.detector
    _check_shape(mask.dq, detector.shape, "mask")
    window = [
        int(raw.meta.get(f"guide_star.window_{key}", -1))
        for key in ("xstart", "xstop", "ystart", "ystop")
    ]
    dq = guide_window_flags(detector.shape, tuple(window), parameters.expand_guide_window)  # type: ignore[arg-type]
    dq |= np.asarray(mask.dq)
    data = _restored(raw.data, raw.reference_read, raw.meta)
    amp33 = _restored(raw.amp33, raw.reference_amp33, raw.meta)
    if amp33 is not raw.amp33:  # RAD keeps it as the converter's uint16
        amp33 = np.rint(np.clip(np.asarray(amp33), 0, 65535)).astype(np.uint16)
    shape = (data.shape[0], *detector.shape)
    borders = read_borders(partial(rows_of, data), shape, detector.border, workers)
    return Ramp(
        meta=raw.meta.updated(
            {
                f"cal_step.{name}": raw.meta.get(f"cal_step.{name}", "INCOMPLETE")
                for name in CAL_STEPS
            }
        ),
        detector=detector,
        data=data,
        resultant_dq=(
            np.zeros(shape, np.uint8)
            if raw.resultantdq is None
            else np.array(raw.resultantdq, np.uint8)
        ),
        dq=dq,
        amp33=amp33,
        borders=_borders(borders, dq, detector.border),
        extras=raw.extras,
    )


def _check_shape(array: PixelArray, shape: tuple[int, ...], kind: str) -> None:
    if tuple(array.shape[-2:]) != tuple(shape[-2:]):
        raise ReferenceDataError(
            f"The {kind} reference has {array.shape[-2]} x {array.shape[-1]} pixels, "
            f"the exposure {shape[-2]} x {shape[-1]}.",
            "a reference file of the same detector and size",
            "look at what was selected with 'rdms references select FILE'",
        )


def _restored(data: PixelArray, subtracted: PixelArray | None, meta: Metadata) -> PixelArray:
    """Counts as the converter gave them; untouched where nothing was changed on board."""
    offset = float(meta.get("instrument.data_encoding_offset", 0) or 0)
    if subtracted is None and offset == 0:
        return data
    restored = np.array(data, np.float32)
    if subtracted is not None:
        restored += np.asarray(subtracted)
    restored -= np.float32(offset)
    return restored


def _borders(read: dict[str, NDArray[np.float32]], dq: NDArray[np.uint32], border: int) -> Borders:
    return Borders(
        **read,
        dq_left=dq[:, :border].copy(),
        dq_right=dq[:, -border:].copy(),
        dq_bottom=dq[:border].copy(),
        dq_top=dq[-border:].copy(),
    )


def _counts(ramp: Ramp) -> NDArray[np.float32]:
    """The resultants of a tile as float32, whatever step came before."""
    return np.asarray(ramp.data, np.float32)


class SaturationParameters(Parameters):
    """Parameters of ``saturation``."""

    kind: ClassVar[str] = "pars-saturationstep"
    mission_names: ClassVar[Mapping[str, str]] = {"n_pix_grow_sat": "grow"}

    grow: int = Field(
        0, ge=0, le=10, description="Pixels by which saturation is grown, for charge that spills."
    )
    backup: int = Field(
        0, ge=0, le=10, description="Averaged resultants flagged before each saturated one."
    )


@step(scope="detector")
def saturation(
    ramp: Ramp, saturation: Saturation, parameters: SaturationParameters, workers: int = 1
) -> Ramp:
    """Flag saturated resultants, also where only some of the averaged reads saturated."""
    shape = ramp.resultant_dq.shape
    _check_shape(saturation.data, shape, "saturation")
    _check_shape(saturation.dq, shape, "saturation")
    resultant_dq, dq = flag_saturation(
        partial(rows_of, ramp.data),
        shape,
        lambda start, stop: (
            rows_of(saturation.data, start, stop),
            rows_of(saturation.dq, start, stop),
        ),
        ramp.meta.read_pattern,
        ramp.resultant_dq,
        ramp.dq,
        grow=parameters.grow,
        backup=parameters.backup,
        workers=workers,
    )
    return dataclasses.replace(ramp, resultant_dq=resultant_dq, dq=dq)


class RefpixParameters(Parameters):
    """Parameters of ``refpix``."""

    kind: ClassVar[str] = "pars-refpixstep"

    missing: Literal["note", "error"] = Field(
        "note",
        description="What to do where a stream of reference pixels is missing: "
        "note it and correct with the others, or end with an error.",
    )


@step(scope="detector")
def refpix(
    ramp: Ramp, weights: ReferencePixels, parameters: RefpixParameters, workers: int = 1
) -> Ramp:
    """Remove the noise of the readout electronics that reference pixels see (IRRC).

    Rauscher et al. (2022): amplifier 33 and the left and right borders, each
    weighted by frequency, after a linear trend of each channel.
    """
    bad = (ramp.dq & np.uint32(Pixel.BAD_REF_PIXEL)) != 0
    corrected = correct_reference_pixels(
        partial(rows_of, ramp.data),
        ramp.resultant_dq.shape,
        np.asarray(ramp.amp33),
        bad,
        _channel_weights(weights),
        ramp.detector,
        workers=workers,
    )
    meta = ramp.meta
    if corrected.missing:
        lacking = f"no reference pixels in {', '.join(corrected.missing)}"
        if parameters.missing == "error":
            raise CalibrationError(
                f"The exposure has {lacking}.",
                "samples that are not 0 DN and not all alike",
                "leave their noise in: --set refpix.missing=note",
            )
        meta = meta.noted(f"refpix: {lacking}; their noise is left in")
    return dataclasses.replace(ramp, data=corrected.data, meta=meta)


def _channel_weights(weights: ReferencePixels) -> Weights:
    def of_channel(channel: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        gamma, zeta, alpha = (
            rows_of(array, channel, channel + 1)[0]
            for array in (weights.gamma, weights.zeta, weights.alpha)
        )
        return gamma, zeta, alpha

    return of_channel


@step(scope="pixel")
def dark_decay(ramp: Ramp, decay: DarkDecay) -> Ramp:
    """Subtract the dark signal that decays after a reset."""
    table = decay.decay_table
    name = ramp.detector.name
    if name not in table:
        raise ReferenceDataError(
            f"The dark-decay table has no entry for {name}.", f"one of {', '.join(table)}"
        )
    data = subtract_dark_decay(
        _counts(ramp),
        ramp.first_row,
        ramp.detector,
        float(table[name]["amplitude"]),
        float(table[name]["time_constant"]),
        ramp.meta.read_pattern,
    )
    return dataclasses.replace(ramp, data=data)


def _only_wfi18(meta: Metadata) -> str | None:
    return None if meta.detector == "WFI18" else f"{meta.detector} shows no such transient"


class TransientParameters(Parameters):
    """Parameters of ``wfi18_transient``."""

    kind: ClassVar[str] = "pars-wfi18transientstep"

    mask_rows: bool = Field(
        False, description="Flag the most affected rows and do not fit the transient."
    )


@step(scope="detector", applies=_only_wfi18)
def wfi18_transient(ramp: Ramp, parameters: TransientParameters) -> Ramp:
    """Remove the transient of the first read of WFI18, a double exponential in row time."""
    data, flags = remove_transient(
        np.asarray(ramp.data, np.float32),
        ramp.detector,
        ramp.meta.read_pattern,
        mask_rows=parameters.mask_rows,
    )
    flagged = bool(flags.any())
    meta = (
        ramp.meta.noted("wfi18_transient: affected rows flagged, none fitted")
        if flagged
        else ramp.meta
    )
    return dataclasses.replace(ramp, data=data, resultant_dq=ramp.resultant_dq | flags, meta=meta)


@step(scope="pixel")
def linearity(
    ramp: Ramp,
    linear: Linearity,
    inverse: InverseLinearity,
    integral: IntegralNonlinearity | None = None,
) -> Ramp:
    """Correct the integral and the classic non-linearity, read by read.

    The reads that were averaged into a resultant are predicted from the ramp,
    corrected one by one and averaged again.
    """
    done = linearize(
        _counts(ramp),
        ramp.resultant_dq,
        np.asarray(linear.coeffs),
        np.asarray(linear.dq),
        np.asarray(inverse.coeffs),
        None if integral is None else integral.value,
        None if integral is None else integral.corrections,
        ramp.meta.read_pattern,
        ramp.detector.channel_width,
    )
    return dataclasses.replace(
        ramp, data=done.data, dq=ramp.dq | done.flags, resultant_dq=done.resultant_dq
    )


class RampFitParameters(Parameters):
    """Parameters of ``ramp_fit``."""

    kind: ClassVar[str] = "pars-rampfitstep"
    mission_names: ClassVar[Mapping[str, str]] = {
        "use_ramp_jump_detection": "find_jumps",
        "rejection_threshold": "jump_threshold",
    }
    mission_values: ClassVar[Mapping[str, str]] = {"likely": "likelihood", "ols_cas22": "casertano"}

    algorithm: Literal["likelihood", "casertano"] = Field(
        "likelihood", description="Likelihood fit (Brandt 2024) or Casertano (2022) weights."
    )
    find_jumps: bool = Field(True, description="Search for jumps (cosmic rays) in the ramps.")
    jump_threshold: float = Field(
        JUMP_THRESHOLD, gt=0, description="Significance at which a jump is rejected [sigma]."
    )


@step(scope="pixel")
def ramp_fit(
    ramp: Ramp, gain: Gain, read_noise: ReadNoise, parameters: RampFitParameters
) -> RateImage:
    """Find jumps and fit the count rate to unevenly averaged resultants."""
    border = ramp.detector.border
    first = max(ramp.first_row, border)
    last = min(ramp.first_row + ramp.data.shape[-2], ramp.detector.rows - border)
    rows = slice(first - ramp.first_row, max(last, first) - ramp.first_row)
    science = np.s_[..., rows, border : ramp.detector.columns - border]
    fit = _fit(
        np.ascontiguousarray(_counts(ramp)[science]),
        np.ascontiguousarray(ramp.resultant_dq[science]),
        np.ascontiguousarray(np.asarray(gain.data)[science], np.float32),
        np.ascontiguousarray(np.asarray(read_noise.data)[science], np.float32),
        ramp.meta,
        parameters,
    )
    offset = np.array([0, first - border, 0], np.int16)
    return RateImage(
        meta=ramp.meta,
        detector=ramp.detector,
        data=fit.rate,
        dq=ramp.dq[science] | fit.dq,
        err=np.sqrt(fit.var_poisson + fit.var_rnoise),
        var_poisson=fit.var_poisson,
        var_rnoise=fit.var_rnoise,
        chisq=fit.chisq,
        dumo=fit.dumo,
        jump_indices=fit.jumps + offset,
        amp33=ramp.amp33,
        borders=ramp.borders,
        first_row=first - border,
        extras=ramp.extras,
    )


def _fit(
    data: NDArray[np.float32],
    resultant_dq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    meta: Metadata,
    parameters: RampFitParameters,
) -> RampFit:
    arguments = (data, resultant_dq, gain, read_noise, meta.read_pattern)
    if parameters.algorithm == "casertano":
        return fit_casertano(*arguments, jumps=parameters.find_jumps)
    threshold = parameters.jump_threshold if parameters.find_jumps else None
    return fit_likelihood(*arguments, jump_threshold=threshold)
