import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.installed_tables import instrument_table
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.instrument.throughput import (
    COLLECTING_AREA,
    COLUMNS,
    ab_zero_point,
    effective_area,
    electrons_per_jansky,
    megajanskys_per_steradian,
    pivot_wavelength,
    wavelengths,
)

ZERO_POINTS = "Imaging/ZeroPoints/Roman_zeropoints_20240301.ecsv"
SPEED_OF_LIGHT = 2.99792458e14  # micron / s


@pytest.mark.parametrize("detector", NAMES)
@pytest.mark.parametrize("element", FILTERS)
def test_count_rate_reproduces_the_published_zero_point(detector, element):
    ours = 2.5 * np.log10(3631 * electrons_per_jansky(detector, element))
    assert ours == pytest.approx(ab_zero_point(detector, element), abs=2e-3)


def test_pivot_links_the_published_flux_densities():
    table = instrument_table(ZERO_POINTS)
    columns = (table[name] for name in ("detector", "element", "FLAM", "FNU"))
    for detector, element, flam, fnu in zip(*columns, strict=True):
        pivot = np.sqrt(float(fnu) / (1e4 * float(flam)) * SPEED_OF_LIGHT)  # FLAM is a angstrom
        assert pivot_wavelength(detector, element) == pytest.approx(pivot, rel=1e-4)


def test_galsim_agrees_but_for_the_vintage_of_its_table():
    """GalSim 2.8 has the effective areas of 2020, larger by 11 % in all bands alike."""
    roman = pytest.importorskip("galsim.roman")
    for name, band in roman.getBandpasses().items():
        element = f"F{name[1:]}"
        theirs = 10 ** (0.4 * band.zeropoint) * roman.collecting_area / 3631
        ours = np.mean([electrons_per_jansky(detector, element) for detector in NAMES])
        assert ours / theirs == pytest.approx(0.89, abs=0.03)
        effective = band.effective_wavelength / 1000
        assert pivot_wavelength("WFI01", element) == pytest.approx(effective, rel=0.03)


@pytest.mark.parametrize(
    ("detector", "element", "published"),
    [
        ("WFI01", "F062", 0.299128),
        ("WFI01", "F158", 0.377625),
        ("WFI01", "F213", 0.602683),
        ("WFI07", "F087", 0.392731),
        ("WFI07", "F146", 0.119224),
    ],
)
def test_surface_brightness_agrees_with_romanisim(detector, element, published):
    """Values of ``romanisim.models.bandpass.etomjysr`` 0.14, per electron."""
    assert megajanskys_per_steradian(detector, element, 1.0) == pytest.approx(published, rel=1e-4)
    twice = megajanskys_per_steradian(detector, element, 2.0)
    assert twice == pytest.approx(2 * published, rel=1e-4)


def test_effective_areas_are_physical():
    for element in COLUMNS:
        area = effective_area("WFI09", element)
        assert area.shape == wavelengths("WFI09").shape
        assert area.min() == 0
        assert 0.03 < area.max() < COLLECTING_AREA


def test_what_is_cached_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        effective_area("WFI01", "F158")[0] = 1


def test_unknown_names_are_errors():
    with pytest.raises(UsageError, match="WFI00"):
        effective_area("WFI00", "F158")
    with pytest.raises(UsageError, match="DARK"):
        effective_area("WFI01", "DARK")
    with pytest.raises(UsageError, match="GRISM"):
        ab_zero_point("WFI01", "GRISM")
