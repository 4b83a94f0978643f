from importlib.resources import files

import pytest
import yaml

from roman_dms.errors import MetadataError, UsageError
from roman_dms.instrument.exposure_types import EXPOSURE_TYPES, exposure_type
from roman_dms.instrument.installed_tables import instrument_table
from roman_dms.instrument.optical_elements import ELEMENTS, FILTERS, optical_element


def _rad_enum(name):
    schema = files("rad") / "resources" / "schemas" / "enums" / f"{name}-2.0.0.yaml"
    return yaml.safe_load(schema.read_text())["enum"]


def test_elements_are_those_of_rad():
    assert list(ELEMENTS) == _rad_enum("wfi_optical_element")


def test_exposure_types_are_those_of_rad():
    assert list(EXPOSURE_TYPES) == _rad_enum("exposure_type")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("Imaging/FiltersSummary/filter_parameters.ecsv", {name: name for name in FILTERS}),
        (
            "Spectroscopy/PrismGrismSummary/grism_prism_parameters.ecsv",
            {"G150": "GRISM", "P127": "PRISM"},
        ),
    ],
)
def test_bands_are_those_of_the_public_table(path, names):
    table = instrument_table(path)
    published = table.get("filter") or table["element"]
    assert set(published) == set(names)
    for row, name in enumerate(published):
        element = optical_element(names[name])
        assert element.blue_edge == float(table["wavelength_min"][row])
        assert element.red_edge == float(table["wavelength_max"][row])
        assert element.centre == float(table["wavelength_center"][row])


def test_uses_of_elements():
    assert len(FILTERS) == 8
    assert [name for name in ELEMENTS if ELEMENTS[name].is_dispersed] == ["GRISM", "PRISM"]
    assert ELEMENTS["DARK"].blue_edge is None


def test_what_each_type_of_exposure_goes_through():
    def those(predicate):
        return {name for name, kind in EXPOSURE_TYPES.items() if getattr(kind, predicate)}

    assert those("is_imaging") == {"WFI_IMAGE", "WFI_LOLO", "WFI_WFSC"}
    assert those("is_catalogued") == {"WFI_IMAGE", "WFI_LOLO"}
    assert those("is_dark") == {"WFI_IM_DARK", "WFI_SP_DARK"}
    assert those("is_spectral") == {"WFI_SPECTRAL", "WFI_SP_DARK"}


def test_unknown_names_are_errors_that_list_the_known():
    with pytest.raises(UsageError, match="F146"):
        optical_element("W146")
    with pytest.raises(MetadataError, match="WFI_SPECTRAL"):
        exposure_type("WFI_GRISM")
