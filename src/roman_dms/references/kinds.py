"""The kinds of reference files: name, meaning, and what a file is selected by.

The matching keys are those of the mission's CRDS for the WFI (rule templates of
``crds`` 14, ``crds/roman/specs``), so that its client and this package select
alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from roman_dms.errors import UsageError

DETECTOR = "ROMAN.META.INSTRUMENT.DETECTOR"
OPTICAL_ELEMENT = "ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT"
EXPOSURE_TYPE = "ROMAN.META.EXPOSURE.TYPE"
START_TIME = "ROMAN.META.EXPOSURE.START_TIME"
INSTRUMENT = "ROMAN.META.INSTRUMENT.NAME"

BLIND_ELEMENTS = "DARK|NOT_CONFIGURED"
"""Positions of the element wheel through which no sky is seen."""

DISPERSERS = "GRISM|PRISM"
"""Elements that disperse the light."""


@dataclass(frozen=True)
class Kind:
    """One kind of reference file."""

    name: str
    """Name that CRDS uses, also the folder-free part of file names."""

    keys: tuple[str, ...]
    """Metadata of an exposure that a file is selected by, besides its date."""

    description: str
    """One line."""

    schema: str = ""
    """Name of its RAD tag, ``reference_files/<schema>-x.y.z``; empty for step parameters."""

    absent: tuple[str, ...] = ()
    """Values of ``keys`` (patterns) for which an exposure needs no such file."""

    @property
    def is_parameters(self) -> bool:
        """Whether its files hold parameters of a step."""
        return self.name.startswith("pars-")


def _kind(name: str, keys: tuple[str, ...], description: str, schema: str = "") -> Kind:
    return Kind(name, keys, description, schema or name)


_BY_DETECTOR = (DETECTOR,)
_BY_ELEMENT = (DETECTOR, OPTICAL_ELEMENT)
_BY_TYPE = (DETECTOR, EXPOSURE_TYPE)
_NO_FLAT = ("*", f"{DISPERSERS}|{BLIND_ELEMENTS}")
_NO_SKY = ("*", BLIND_ELEMENTS)

_DATA_KINDS = (
    _kind("abvegaoffset", _BY_DETECTOR, "Offsets between AB and Vega magnitudes."),
    _kind("apcorr", _BY_DETECTOR, "Aperture corrections."),
    _kind("area", _BY_DETECTOR, "Solid angle of each pixel.", "pixelarea"),
    _kind("dark", _BY_TYPE, "Dark current."),
    _kind("darkdecaysignal", (), "Decaying dark signal after a reset, of all detectors."),
    _kind("detectorstatus", (), "Which detectors are in use, with their operating state."),
    Kind("distortion", _BY_ELEMENT, "Geometric distortion.", "distortion", _NO_SKY),
    Kind("epsf", _BY_ELEMENT, "Empirical point spread functions.", "epsf", _NO_FLAT),
    Kind("flat", _BY_ELEMENT, "Relative response of the pixels.", "flat", _NO_FLAT),
    _kind("gain", _BY_DETECTOR, "Electrons a data number."),
    _kind("integralnonlinearity", _BY_DETECTOR, "Correction of the converters, by channel."),
    _kind("inverselinearity", _BY_DETECTOR, "Polynomial from linear to measured signal."),
    _kind("ipc", _BY_DETECTOR, "Kernel of the coupling between neighbouring pixels."),
    _kind("linearity", _BY_DETECTOR, "Polynomial from measured to linear signal."),
    _kind("mask", _BY_DETECTOR, "Flags of bad pixels."),
    _kind("matable", (), "Tables of multi-accumulation read patterns."),
    _kind("photom", _BY_DETECTOR, "Conversion to surface brightness.", "wfi_img_photom"),
    _kind("readnoise", _BY_TYPE, "Noise of one read."),
    _kind("refpix", _BY_DETECTOR, "Weights of the reference pixels."),
    _kind("saturation", _BY_DETECTOR, "Signal at which a pixel saturates."),
    _kind("skycells", (), "Projection regions and sky cells of the whole sky."),
)

_STEPS_BY_TYPE = (
    "assignwcsstep", "darkcurrentstep", "darkdecaystep", "dqinitstep", "exposurepipeline",
    "flatfieldstep", "fluxstep", "highlevelpipeline", "jumpstep", "linearitystep",
    "multibandcatalogstep", "photomstep", "refpixstep", "resamplestep", "saturationstep",
    "skymatchstep", "sourcecatalogstep", "tweakregstep", "wfi18transientstep",
)  # fmt: skip


def _parameters(step: str, keys: tuple[str, ...]) -> Kind:
    return Kind(f"pars-{step}", keys, f"Parameters of {step}.")


_PARAMETER_KINDS = (
    *(_parameters(step, (EXPOSURE_TYPE,)) for step in _STEPS_BY_TYPE),
    _parameters("outlierdetectionstep", (EXPOSURE_TYPE, DETECTOR)),
    _parameters("rampfitstep", ()),
    _parameters("sourcedetectionstep", (EXPOSURE_TYPE, DETECTOR)),
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in sorted((*_DATA_KINDS, *_PARAMETER_KINDS), key=lambda kind: kind.name)
}
"""Every kind of the way from L1 to L2 and of the steps' parameters, by name."""


def kind_of(name: str) -> Kind:
    """The kind of a name (of any case).

    Raises
    ------
    UsageError
        For a name that is no kind.
    """
    try:
        return KINDS[name.lower()]
    except KeyError:
        raise UsageError(
            f"There is no kind of reference file {name!r}.", "one of " + ", ".join(KINDS)
        ) from None
