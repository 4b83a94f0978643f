"""Tiny products and steps with which the machinery is tested."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pydantic import Field

from roman_dms.instrument.detectors import Detector
from roman_dms.pipeline.step import Parameters, step
from roman_dms.products.exposure import Borders, Ramp, RateImage
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import DarkRate, Flat, Gain

DETECTOR = Detector("WFI01", rows=72, columns=128)


def metadata(**exposure):
    return Metadata(
        {
            "instrument": {"name": "WFI", "detector": "WFI01", "optical_element": "F158"},
            "exposure": {
                "type": "WFI_IMAGE",
                "frame_time": 3.0,
                "read_pattern": [[1], [2], [3]],
                "start_time": "2027-06-01T00:00:00",
                **exposure,
            },
        }
    )


def borders(rows=72, columns=128, n=3):
    flags = np.zeros((rows, 4), np.uint32), np.zeros((4, columns), np.uint32)
    return Borders(
        left=np.zeros((n, rows, 4), np.float32),
        right=np.zeros((n, rows, 4), np.float32),
        top=np.zeros((n, 4, columns), np.float32),
        bottom=np.zeros((n, 4, columns), np.float32),
        dq_left=flags[0],
        dq_right=flags[0],
        dq_top=flags[1],
        dq_bottom=flags[1],
    )


@pytest.fixture
def ramp():
    """A ramp whose every value tells where it is."""
    shape = (3, *DETECTOR.shape)
    return Ramp(
        meta=metadata(),
        detector=DETECTOR,
        data=np.arange(np.prod(shape), dtype=np.float32).reshape(shape),
        resultant_dq=np.zeros(shape, np.uint8),
        dq=np.arange(np.prod(shape[1:]), dtype=np.uint32).reshape(shape[1:]),
        amp33=np.zeros((3, 72, 128), np.uint16),
        borders=borders(),
    )


class ScaleParameters(Parameters):
    factor: float = Field(2.0, gt=0, description="Factor.")


@step(scope="pixel")
def scale(ramp: Ramp, parameters: ScaleParameters) -> Ramp:
    """Multiply all counts."""
    return dataclasses.replace(ramp, data=ramp.data * np.float32(parameters.factor))


@step(scope="pixel")
def amplify(ramp: Ramp, gain: Gain) -> Ramp:
    """Multiply by the gain of each pixel."""
    return dataclasses.replace(ramp, data=ramp.data * gain.data)


@step(scope="detector")
def level(ramp: Ramp) -> Ramp:
    """Subtract the mean of the whole frame."""
    return dataclasses.replace(ramp, data=ramp.data - ramp.data.mean())


@step(scope="pixel")
def last(ramp: Ramp) -> RateImage:
    """Take the last resultant as the rate, without the border."""
    first = max(ramp.first_row, 4)
    stop = min(ramp.first_row + ramp.data.shape[1], 68)
    rows = slice(first - ramp.first_row, max(stop, first) - ramp.first_row)
    image = ramp.data[2, rows, 4:-4]
    return RateImage(
        meta=ramp.meta,
        detector=ramp.detector,
        data=image,
        dq=ramp.dq[rows, 4:-4],
        **dict.fromkeys(("err", "var_poisson", "var_rnoise", "chisq", "dumo"), image),
        jump_indices=np.array([[0, first - 4, 0]], np.int16),
        amp33=ramp.amp33,
        borders=ramp.borders,
        first_row=first - 4,
    )


@step(scope="pixel", applies=lambda meta: None if meta.detector == "WFI18" else "not WFI18")
def only_wfi18(ramp: Ramp) -> Ramp:
    """Do nothing that another detector would see."""
    raise AssertionError


@step(scope="pixel")
def calibrated(rate: RateImage, dark: DarkRate, flat: Flat) -> RateImage:
    """Use a detector-frame and a science-frame reference."""
    return dataclasses.replace(rate, data=(rate.data - dark.dark_slope) / flat.data)


STEPS = {entry.name: entry for entry in (scale, amplify, level, last, only_wfi18, calibrated)}


class Shelf:
    """References in memory."""

    context = "roman_0042.pmap"

    def __init__(self, **products):
        self.products = products

    def load(self, meta, kinds):
        return {
            kind: (f"{kind}.asdf", self.products[kind]) if self.products.get(kind) else None
            for kind in kinds
        }
