"""The steps from L1 to L2.

Each takes products apart, calls one function of arrays and puts the result
together; the physics is in the module that it calls.
"""

from __future__ import annotations

from roman_dms.calibration.steps.ramps import (
    dark_decay,
    dq_init,
    linearity,
    ramp_fit,
    refpix,
    saturation,
    wfi18_transient,
)
from roman_dms.calibration.steps.rates import assign_wcs, dark, flat_field, photom, statistics
from roman_dms.pipeline.step import Step

STEPS: dict[str, Step] = {
    entry.name: entry
    for entry in (
        dq_init,
        saturation,
        refpix,
        dark_decay,
        wfi18_transient,
        linearity,
        ramp_fit,
        dark,
        flat_field,
        assign_wcs,
        photom,
        statistics,
    )
}
"""The steps from L1 to L2 by name, in the order of the default recipe."""
