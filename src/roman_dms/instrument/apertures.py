"""Where each detector looks: apertures of the mission's SIAF.

Source: the Roman Science Instrument Aperture File that ships with ``pysiaf``
(``prd_data/Roman/roman_siaf.xml``, revision of 21 January 2022); its frames are
defined in JWST-STScI-001550.  The SIAF counts pixels from 1; here the centre of
the first pixel is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.installed_tables import installed_file


@dataclass(frozen=True)
class Aperture:
    """A region of the focal plane and its place in the telescope's V2, V3 frame."""

    name: str
    """``WFI01_FULL`` to ``WFI18_FULL``, ``WFI_CEN``, ``BORESIGHT``..."""

    v2_ref: float
    """V2 of the reference point [arcsec]."""

    v3_ref: float
    """V3 of the reference point [arcsec]."""

    v3_ideal_y_angle: float
    """Angle from V3 to the ideal frame's y axis, positive towards V2 [deg]."""

    parity: int
    """-1 where the ideal frame's x axis points against V2."""

    corners_ideal: NDArray[np.float64]
    """(4, 2): ideal x, y of the corners [arcsec]; of (0, 0), (n, 0), (n, n), (0, n)."""

    @property
    def ideal_to_telescope(self) -> NDArray[np.float64]:
        """(2, 2): turns offsets in the ideal frame into offsets in V2, V3.

        The planar approximation of JWST-STScI-001550, section 5.3.
        """
        angle = np.deg2rad(self.v3_ideal_y_angle)
        cosine, sine = np.cos(angle), np.sin(angle)
        return np.array([[self.parity * cosine, sine], [-self.parity * sine, cosine]])

    @property
    def corners(self) -> NDArray[np.float64]:
        """(4, 2): V2, V3 of the corners [arcsec]."""
        reference = np.array([self.v2_ref, self.v3_ref])
        return self.corners_ideal @ self.ideal_to_telescope.T + reference


@dataclass(frozen=True)
class DetectorAperture(Aperture):
    """The light-sensitive area of one detector, with its distortion."""

    shape: tuple[int, int]
    """(rows, columns) of the science frame [pixel]."""

    x_ref: float
    """Column of the reference point, counted from 0 [pixel]."""

    y_ref: float
    """Row of the reference point, counted from 0 [pixel]."""

    ideal_x: NDArray[np.float64]
    """``c[i, j]`` of the sum of c x^i y^j, x and y from the reference point:
    ideal x [arcsec / pixel^(i+j)]."""

    ideal_y: NDArray[np.float64]
    """The same for ideal y."""


def aperture(name: str) -> Aperture:
    """Return an aperture of the SIAF by its name.

    >>> aperture("WFI_CEN").v2_ref.__round__(3)
    1546.385

    Raises
    ------
    UsageError
        For a name that the SIAF does not have.
    """
    apertures = _apertures()
    if name not in apertures:
        raise UsageError(f"There is no aperture {name!r}.", f"one of {', '.join(apertures)}")
    return apertures[name]


def detector_aperture(detector: str) -> DetectorAperture:
    """Return the aperture of a detector, ``WFI01`` to ``WFI18``.

    Raises
    ------
    UsageError
        For a name that is none of the 18.
    """
    found = aperture(f"{detector}_FULL")
    assert isinstance(found, DetectorAperture)
    return found


def aperture_names() -> tuple[str, ...]:
    """Names of all apertures, in the order of the SIAF."""
    return tuple(_apertures())


@cache
def _apertures() -> dict[str, Aperture]:
    siaf = installed_file("pysiaf", "prd_data/Roman/roman_siaf.xml")
    tree = ElementTree.parse(siaf)  # noqa: S314 - data of an installed package
    entries = ({field.tag: field.text for field in entry} for entry in tree.iter("SiafEntry"))
    apertures = [_aperture(entry) for entry in entries if entry["V2Ref"]]
    return {aperture.name: aperture for aperture in apertures}


def _aperture(entry: dict[str, str | None]) -> Aperture:
    """Build an aperture from the fields of its entry."""

    def number(field: str) -> float:
        return float(entry[field] or "nan")

    position = {
        "name": str(entry["AperName"]),
        "v2_ref": number("V2Ref"),
        "v3_ref": number("V3Ref"),
        "v3_ideal_y_angle": number("V3IdlYAngle"),
        "parity": int(entry["VIdlParity"] or 1),
        "corners_ideal": np.array(
            [[number(f"{axis}IdlVert{corner}") for axis in "XY"] for corner in range(1, 5)]
        ),
    }
    if not entry["Sci2IdlDeg"]:
        return Aperture(**position)  # type: ignore[arg-type]
    return DetectorAperture(
        **position,  # type: ignore[arg-type]
        shape=(int(number("YSciSize")), int(number("XSciSize"))),
        x_ref=number("XSciRef") - 1,
        y_ref=number("YSciRef") - 1,
        ideal_x=_coefficients(entry, "Sci2IdlX"),
        ideal_y=_coefficients(entry, "Sci2IdlY"),
    )


def _coefficients(entry: dict[str, str | None], name: str) -> NDArray[np.float64]:
    """Coefficients by power of x and y; the SIAF's ``ij`` multiplies x^(i-j) y^j."""
    degree = int(entry["Sci2IdlDeg"] or 0)
    coefficients = np.zeros((degree + 1, degree + 1))
    for i in range(degree + 1):
        for j in range(i + 1):
            coefficients[i - j, j] = float(entry[f"{name}{i}{j}"] or 0)
    return coefficients
