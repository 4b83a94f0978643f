"""Tables for the instrument as a whole: read patterns, detectors in use, step parameters."""

from __future__ import annotations

from typing import Any

from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.ma_tables import MA_TABLES, MATable
from roman_dms.references.bootstrap.frame import Frame


def detectorstatus(_frame: Frame) -> dict[str, Any]:
    """All detectors are in use."""
    return {"status_info": {name: {"enabled": True} for name in NAMES}}


def matable(_frame: Frame) -> dict[str, Any]:
    """The read patterns that the instrument package knows."""
    return {
        "guide_window_tables": {},
        "science_tables": {table.identifier: _science_table(table) for table in MA_TABLES.values()},
    }


def _science_table(table: MATable) -> dict[str, Any]:
    pattern = table.read_pattern
    last_reads = [reads[-1] * table.frame_time for reads in pattern]
    return {
        "accumulated_exposure_time": last_reads,
        "effective_exposure_time": [float(time) for time in pattern.mean_times],
        "frame_time": table.frame_time,
        "integration_duration": [table.frame_time + time for time in last_reads],
        "ma_table_description": table.source,
        "ma_table_name": table.name,
        "ma_table_number": table.number,
        "fsw_slot_number": table.number % 100,
        "min_science_resultants": 2,
        "num_pre_science_reads": 1,
        "num_pre_science_resultants": 0,
        "num_science_resultants": len(pattern),
        "observing_mode": "WIM",
        "pre_science_read_is_reference": [False],
        "pre_science_read_is_resultant": [False],
        "pre_science_read_types": ["reset_read"],
        "pre_science_time_after_reset": 0.0,
        "reset_frame_time": table.frame_time,
        "science_read_pattern": [list(reads) for reads in pattern],
    }


def rampfit_parameters(_frame: Frame) -> dict[str, Any]:
    """Parameters of the mission's ramp fit: the likelihood fit, as by default."""
    return {
        "class": "romancal.ramp_fitting.ramp_fit_step.RampFitStep",
        "name": "RampFitStep",
        "parameters": {"algorithm": "likely", "use_ramp_jump_detection": True},
    }
