"""Spectra: their names, files and limits."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.modeling.models import BlackBody

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.simulation.scenes.spectra import make_spectrum, spectrum


@pytest.mark.parametrize("temperature", [2500, 5800, 30000])
def test_blackbody_is_astropys(temperature):
    wavelengths = np.array([0.5, 1.0, 1.6, 2.3])
    expected = BlackBody(temperature * u.K)(wavelengths * u.micron).value
    found = spectrum(f"blackbody:{temperature}").at(wavelengths)
    np.testing.assert_allclose(found / found[1], expected / expected[1], rtol=5e-6)


def test_redshift_moves_a_spectrum():
    """Wien's displacement: f_nu of 5800 K peaks at 5099 K micron over T, times 1 + z."""
    wavelengths = np.linspace(0.4, 2.5, 20001)
    for redshift in (0.0, 0.5):
        seen = spectrum("blackbody:5800").at(wavelengths, redshift)
        peak = wavelengths[np.argmax(seen)]
        assert peak == pytest.approx(5099.4 / 5800 * (1 + redshift), rel=1e-3)


def test_means_conserve_what_is_between_edges():
    shape = spectrum("power:-2")
    edges = np.array([1.0, 1.5, 2.0])
    expected = (edges[1:] ** 3 - edges[:-1] ** 3) / 3 / 0.5
    np.testing.assert_allclose(shape.means(edges), expected, rtol=1e-6)


def test_file_is_read_and_kept_linear(tmp_path):
    np.savetxt(tmp_path / "s.txt", [[0.3, 1.0], [1.3, 2.0], [3.0, 0.3]])
    shape = spectrum(f"file:{tmp_path / 's.txt'}")
    np.testing.assert_allclose(shape.at(np.array([0.8, 1.3, 2.15])), [1.5, 2.0, 1.15])


@pytest.mark.parametrize(
    "name",
    ["", "X", "blackbody:", "blackbody:hot", "blackbody:-3", "power", "file:", "blackbody:0"],
)
def test_unknown_names(name):
    with pytest.raises(UsageError):
        spectrum(name)


def test_bad_files(tmp_path):
    with pytest.raises(FileError, match="nowhere"):
        spectrum(f"file:{tmp_path / 'nowhere'}")
    for number, rows in enumerate(([[1, 1], [0.5, 1]], [[1, 1], [2, -1]], [[1, 1], [2, np.nan]])):
        path = tmp_path / f"{number}.txt"
        np.savetxt(path, rows)
        with pytest.raises(FormatError):
            spectrum(f"file:{path}")
    (tmp_path / "words").write_text("a b\nc d\n")
    with pytest.raises(FormatError):
        spectrum(f"file:{tmp_path / 'words'}")


def test_spectrum_that_does_not_reach_is_an_error():
    short = make_spectrum("short", np.array([0.9, 1.2]), np.array([1.0, 1.0]))
    with pytest.raises(UsageError, match="short"):
        short.at(np.array([1.3]))
    short.at(np.array([1.3]), 0.2)
