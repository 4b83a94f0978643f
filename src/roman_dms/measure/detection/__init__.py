"""Finding sources: the matched filter, footprints, and what belongs to whom in them."""

from roman_dms.measure.detection.finding import Detection, detect
from roman_dms.measure.detection.matched_filter import matched_filter
from roman_dms.measure.detection.settings import DetectionSettings

__all__ = ["Detection", "DetectionSettings", "detect", "matched_filter"]
