import subprocess
import sys

import pytest

from roman_dms.errors import FileError, FormatError
from roman_dms.instrument import installed_tables
from roman_dms.instrument.installed_tables import installed_file, instrument_table


def test_a_table_has_the_columns_of_its_header():
    table = instrument_table("FPSPerformance/WFI_SCU_to_SCA.ecsv")
    assert list(table) == ["SCU#", "SCA"]
    assert table["SCU#"][-1] == "18"
    assert table["SCA"][0] == "22081.0"


@pytest.mark.parametrize("package", ["pysiaf", "no_such_package"])
def test_a_missing_file_says_what_to_install(package):
    with pytest.raises(FileError, match="pip install") as error:
        installed_file(package, "no/such/file.ecsv")
    assert "no/such/file.ecsv" in error.value.found


def test_a_ragged_table_is_an_error(tmp_path, monkeypatch):
    ragged = tmp_path / "ragged.ecsv"
    ragged.write_text("# header\na, b\n1, 2\n3\n")
    monkeypatch.setattr(installed_tables, "installed_file", lambda *_: ragged)
    with pytest.raises(FormatError, match="different lengths"):
        instrument_table("ragged.ecsv")


def test_the_instrument_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from roman_dms.instrument import (apertures, backgrounds, exposure_types, ma_tables,"
        " optical_elements, quality, throughput)\n"
        "apertures.aperture('WFI_CEN'), throughput.pivot_wavelength('WFI01', 'F158')\n"
        "heavy = {'pysiaf', 'astropy', 'scipy', 'numba', 'requests',"
        " 'roman_technical_information'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
