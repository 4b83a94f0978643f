import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.instrument.backgrounds import background, detector_noise
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.optical_elements import FILTERS


def test_backgrounds_are_the_published_ones():
    assert (background("F062").zodiacal, background("F062").thermal) == (0.25, 0.003)
    assert (background("F146").zodiacal, background("F146").thermal) == (0.781, 1.03)
    galsim_roman = pytest.importorskip("galsim.roman")
    for name, glow in galsim_roman.thermal_backgrounds.items():
        if f"F{name[1:]}" in FILTERS:
            assert background(f"F{name[1:]}").thermal == pytest.approx(glow, abs=0.15)


def test_sky_through_the_dispersers_is_the_published_one():
    assert (background("GRISM").zodiacal, background("PRISM").zodiacal) == (0.65, 0.95)
    assert background("GRISM").thermal == 0


def test_noise_is_the_published_one():
    noise = detector_noise("WFI12")
    assert (noise.dark_current, noise.cds_noise, noise.total_noise) == (0.020, 13.73, 5.51)
    assert noise.read_noise == pytest.approx(9.7086, abs=1e-4)


def test_median_of_the_detectors_is_near_that_of_the_focal_plane():
    noise = [detector_noise(name) for name in NAMES]
    assert np.median([n.cds_noise for n in noise]) == pytest.approx(13.81, abs=0.3)
    assert np.median([n.total_noise for n in noise]) == pytest.approx(5.58, abs=0.2)
    assert np.median([n.dark_current for n in noise]) == pytest.approx(0.018, abs=0.001)


def test_unknown_names_are_errors():
    with pytest.raises(UsageError, match="DARK"):
        background("DARK")
    with pytest.raises(UsageError, match="WFI1"):
        detector_noise("WFI1")
