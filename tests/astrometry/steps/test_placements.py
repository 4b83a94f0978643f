"""Places of detectors from exposures on disk to a file, and from the file to exposures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from astropy.table import Table, vstack

from roman_dms.astrometry.priors import Priors
from roman_dms.astrometry.steps.exposure import align_exposure
from roman_dms.astrometry.steps.exposure_files import read_file
from roman_dms.astrometry.steps.exposure_solution import Settings
from roman_dms.astrometry.steps.gaia import GivenStars, open_source
from roman_dms.astrometry.steps.placements import (
    CalibratedPlacement,
    read_placement,
    write_placement,
)
from roman_dms.errors import FileError, FormatError, MetadataError, UsageError
from roman_dms.formats.metadata_update import update_metadata
from tests.astrometry.steps.exposure_on_disk import PLANNED, make_exposure

PLACES = {
    "WFI01": np.array([0.04, -0.02]),
    "WFI08": np.array([-0.03, 0.01]),
    "WFI16": np.array([0.01, 0.05]),
}
"""Errors of the detectors' places, the same in all exposures [arcsec]."""


def exposure(folder, number: int, **how):
    """One of several exposures, each of a field of its own."""
    planned = dataclasses.replace(PLANNED, exposure=number, dec=PLANNED.dec - 2.0 * number)
    return make_exposure(
        folder / f"{number}", tuple(PLACES), planned=planned, places=PLACES, seed=number, **how
    )


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    return [exposure(tmp_path_factory.mktemp("rich"), number) for number in range(1, 5)]


@pytest.fixture(scope="module")
def poor(tmp_path_factory):
    """Four stars a detector that Gaia knows, about."""
    return exposure(tmp_path_factory.mktemp("poor"), 9, stars=6)


@pytest.fixture(scope="module")
def placed(rich):
    return [
        align_exposure(one.files, open_source(str(one.gaia)), dry_run=True).placed for one in rich
    ]


@pytest.fixture(scope="module")
def placement(placed):
    return CalibratedPlacement.of(placed)


@pytest.fixture
def file(placement, tmp_path):
    write_placement(placement, tmp_path / "placement.ecsv")
    return tmp_path / "placement.ecsv"


def test_the_places_are_those_of_the_detectors(placement):
    """But for a shift and a turn of all three, which are the telescope's."""
    shifts = np.stack([place.terms[:2] for place in placement.learned.places.values()])
    wrong = 1e3 * (shifts - np.stack(list(PLACES.values())))
    centres = placement_centres()
    x, y = centres.T
    one, none = np.ones(3), np.zeros(3)
    turns = np.stack([np.stack([one, none, -y], 1), np.stack([none, one, x], 1)], 1).reshape(-1, 3)
    left = wrong.ravel() - turns @ np.linalg.lstsq(turns, wrong.ravel(), rcond=None)[0]
    assert np.sqrt(np.mean(left**2)) < 0.2
    assert 1e3 * placement.learned.scatter[0] < 0.3


def placement_centres():
    from tests.astrometry.simulated_exposure import outline

    return np.stack([outline(name).mean(axis=0) for name in PLACES])


def test_an_exposure_with_few_stars_is_right_with_them(poor, file):
    source = open_source(str(poor.gaia))
    known = align_exposure(
        poor.files, source, Settings(placement=read_placement(file)), dry_run=True
    )
    unknown = align_exposure(poor.files, source, dry_run=True)
    assert known.state == "COMPLETE", known.reason
    errors = [known.solution.predicted_rms[name] for name in PLACES]
    before = [unknown.solution.predicted_rms[name] for name in PLACES]
    assert np.mean(errors) < 0.5 * np.mean(before)


def test_files_are_corrected_with_them(poor, file, tmp_path):
    import shutil

    from roman_dms.formats.trees import open_tagged

    folder = shutil.copytree(poor.files[0].parent, tmp_path / "poor")
    files = [folder / one.name for one in poor.files]
    align_exposure(files, open_source(str(poor.gaia)), Settings(placement=read_placement(file)))
    wrong = []
    for path, name in zip(files, PLACES, strict=True):
        tree = open_tagged(path)
        wrong.append(poor.errors(tree.live(tree.roman["meta"]["wcs"]), name))
    assert np.sqrt(np.mean(np.square(wrong))) < 1.3


def test_what_is_written_is_read(placement, file):
    found = read_placement(file)
    assert found.elements == ("F158",)
    assert found.provenance == placement.provenance
    assert found.provenance["exposures"] == [f"0000101001001001001_000{n}" for n in range(1, 5)]
    assert found.provenance["first"].startswith("2027-")
    np.testing.assert_allclose(found.learned.scatter, placement.learned.scatter)
    for name, place in placement.learned.places.items():
        np.testing.assert_allclose(found.learned.places[name].terms, place.terms)
        np.testing.assert_allclose(found.learned.places[name].covariance, place.covariance)


def test_any_tool_reads_the_table(placement, file):
    table = Table.read(file, format="ascii.ecsv")
    assert list(table["detector"]) == list(PLACES)
    shift = placement.learned.places["WFI08"].terms[0]
    assert table["shift_v2"].quantity.to_value("arcsec")[1] == pytest.approx(shift)
    assert table["covariance"].shape == (3, 6, 6)


def test_another_filter_or_detector_is_told(poor, placement):
    other = dataclasses.replace(placement, elements=("F106",))
    lacking = dataclasses.replace(
        placement,
        learned=dataclasses.replace(
            placement.learned,
            places={"WFI01": placement.learned.places["WFI01"]},
        ),
    )
    files = [read_file(path) for path in poor.files]
    assert other.priors(files, Priors())[1] == (
        "The placement was learned with F106; this is F158.",
    )
    priors, notes = lacking.priors(files, Priors())
    assert set(priors.places) == {"WFI01"}
    assert "no place of WFI08, WFI16" in notes[0]
    with pytest.raises(UsageError, match="no place of WFI16"):
        lacking.priors(files[2:], Priors())


def test_another_distortion_is_refused(poor, placement, tmp_path):
    import shutil

    path = shutil.copy(poor.files[0], tmp_path)
    update_metadata(path, {"ref_file.distortion": "roman_wfi_distortion_0007.asdf"})
    known = dataclasses.replace(placement, distortion={"WFI01": "roman_wfi_distortion_0001.asdf"})
    with pytest.raises(MetadataError, match=r"distortion_0007.asdf, and .*distortion_0001.asdf"):
        known.priors([read_file(path)], Priors())


def test_exposures_with_two_distortions_are_refused(placed):
    first, second = (
        dataclasses.replace(one, distortion={"WFI01": name})
        for one, name in zip(placed, "ab", strict=False)
    )
    with pytest.raises(MetadataError, match="a and b"):
        CalibratedPlacement.of([first, second, placed[2]])


def test_too_few_exposures(placed):
    with pytest.raises(UsageError, match="3 exposures or more"):
        CalibratedPlacement.of(placed[:2])
    with pytest.raises(UsageError, match="3 exposures or more"):
        CalibratedPlacement.of([])


def test_an_exposure_that_is_not_aligned_teaches_nothing(rich):
    stars = GivenStars(vstack([rich[1].stars]), "elsewhere")
    assert align_exposure(rich[0].files, stars, dry_run=True).placed is None


def damaged(file, change) -> None:
    table = Table.read(file, format="ascii.ecsv")
    change(table)
    table.write(file, format="ascii.ecsv", overwrite=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda table: table.remove_column("scale"), "scale"),
        (lambda table: table.meta.pop("scatter"), "scatter"),
        (lambda table: table.meta.update(common_scale=-1), "common scale"),
        (lambda table: table["detector"].__setitem__(0, "NRCA1"), "NRCA1"),
        (lambda table: table["detector"].__setitem__(0, "WFI08"), "WFI08"),
        (lambda table: table["shift_v2"].__setitem__(0, np.nan), "terms of a place"),
        (lambda table: table["covariance"].__setitem__(0, -np.eye(6)), "covariance of a place"),
        (lambda table: table.remove_rows(slice(None)), "damaged"),
    ],
)
def test_damaged_files_are_refused(file, change, told):
    damaged(file, change)
    with pytest.raises(FormatError, match="damaged") as caught:
        read_placement(file)
    assert told in caught.value.found


def test_files_that_are_no_placement(file, tmp_path):
    damaged(file, lambda table: table.meta.update(version=2))
    with pytest.raises(FormatError, match="version 2"):
        read_placement(file)
    Table({"ra": [1.0]}).write(tmp_path / "stars.ecsv")
    with pytest.raises(FormatError, match="of no kind"):
        read_placement(tmp_path / "stars.ecsv")
    (tmp_path / "cut.ecsv").write_bytes(file.read_bytes()[:700])
    with pytest.raises(FormatError):
        read_placement(tmp_path / "cut.ecsv")
    with pytest.raises(FileError, match="no such file"):
        read_placement(tmp_path / "none.ecsv")


def test_another_suffix_is_refused(placement, tmp_path):
    with pytest.raises(UsageError, match=r"\.ecsv"):
        write_placement(placement, tmp_path / "placement.asdf")
