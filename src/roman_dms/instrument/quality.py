"""Data-quality flags: name, bit and meaning on one line, as RAD's users know them.

Bits as in ``roman_datamodels.dqflags`` 1.1.
"""

from __future__ import annotations

from enum import IntFlag


class Pixel(IntFlag):
    """Flags of a pixel, kept as uint32."""

    DO_NOT_USE = 1 << 0  # bad pixel, do not use
    SATURATED = 1 << 1  # saturated during the exposure
    JUMP_DET = 1 << 2  # a jump was found in the ramp
    DROPOUT = 1 << 3  # lost in transmission
    GW_AFFECTED_DATA = 1 << 4  # touched by reads of the guide window
    PERSISTENCE = 1 << 5  # high persistence
    AD_FLOOR = 1 << 6  # at or below the floor of the converter, 0 DN
    OUTLIER = 1 << 7  # rejected when images were combined
    UNRELIABLE_ERROR = 1 << 8  # uncertainty exceeds the quoted error
    NON_SCIENCE = 1 << 9  # not on the part of the detector that sees the sky
    DEAD = 1 << 10  # no response
    HOT = 1 << 11  # high dark current
    WARM = 1 << 12  # raised dark current
    LOW_QE = 1 << 13  # low quantum efficiency
    TELEGRAPH = 1 << 15  # random telegraph noise
    NONLINEAR = 1 << 16  # response far from linear
    BAD_REF_PIXEL = 1 << 17  # reference pixel that cannot be used
    NO_FLAT_FIELD = 1 << 18  # flat field not measured
    NO_GAIN_VALUE = 1 << 19  # gain not measured
    NO_LIN_CORR = 1 << 20  # no linearity correction
    NO_SAT_CHECK = 1 << 21  # saturation cannot be checked
    UNRELIABLE_BIAS = 1 << 22  # large variance of the bias
    UNRELIABLE_DARK = 1 << 23  # large variance of the dark rate
    UNRELIABLE_SLOPE = 1 << 24  # large variance of the slope
    UNRELIABLE_FLAT = 1 << 25  # large variance of the flat field
    UNRELIABLE_RESET = 1 << 28  # sensitive to the reset anomaly
    OTHER_BAD_PIXEL = 1 << 30  # bad for a reason that has no flag
    REFERENCE_PIXEL = 1 << 31  # blind, for reference


class Resultant(IntFlag):
    """Flags of one resultant of a pixel, kept as uint8."""

    DO_NOT_USE = 1 << 0  # bad, do not use
    SATURATED = 1 << 1  # a read of it, or an earlier one, saturated
    JUMP_DET = 1 << 2  # a jump between it and the one before
    DROPOUT = 1 << 3  # lost in transmission
    AD_FLOOR = 1 << 6  # at or below the floor of the converter, 0 DN
    WFI18_TRANSIENT = 1 << 7  # disturbed by the first-read transient of WFI18
