"""Small reference files and stores, made with asdf alone."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import asdf
import numpy as np
from asdf.tagged import TaggedDict
from astropy.time import Time

from roman_dms.references import ReferenceStore, build_context
from roman_dms.references.context import parameters_of
from roman_dms.references.kinds import KINDS

DETECTOR_SHAPE = (16, 128)
SCIENCE_SHAPE = (8, 120)
TAGS = "asdf://stsci.edu/datamodels/roman/tags/reference_files/"
ALL_TYPES = "WFI_IMAGE|WFI_SPECTRAL|WFI_IM_DARK|WFI_SP_DARK|WFI_FLAT|WFI_LOLO|WFI_WFSC|"


def _content(kind: str) -> dict[str, Any]:
    image = np.ones(DETECTOR_SHAPE, "f4")
    flags = np.zeros(DETECTOR_SHAPE, "u4")
    science = np.ones(SCIENCE_SHAPE, "f4")
    return {
        "gain": {"data": image},
        "readnoise": {"data": image},
        "mask": {"dq": flags},
        "saturation": {"data": image, "dq": flags},
        "dark": {"dq": flags, "dark_slope": image, "dark_slope_error": image},
        "flat": {"data": science, "err": science, "dq": np.zeros(SCIENCE_SHAPE, "u4")},
        "darkdecaysignal": {
            "decay_table": {
                f"WFI{n:02d}": {"amplitude": 0.4, "time_constant": 23.0} for n in range(1, 19)
            }
        },
    }[kind]


def make_reference(
    folder: Path,
    name: str,
    kind: str,
    *,
    detector: str = "WFI01",
    element: str = "F158",
    types: str = ALL_TYPES,
    useafter: str = "2020-01-01T00:00:00",
    content: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    tag: str | None = None,
) -> Path:
    """Write a RAD-valid reference file of a kind."""
    tree: dict[str, Any] = {
        "meta": {
            "reftype": kind.upper(),
            "pedigree": "DUMMY",
            "description": f"{name} of a test",
            "author": "test",
            "useafter": Time(useafter),
            "telescope": "ROMAN",
            "origin": "STSCI",
            "instrument": {"name": "WFI", "detector": detector},
        }
        | (meta or {}),
        **_content(kind),
        **(content or {}),
    }
    if kind in ("flat", "dark"):
        tree["meta"]["instrument"]["optical_element"] = element
    if kind in ("dark", "readnoise"):
        tree["meta"]["exposure"] = {"type": types.partition("|")[0], "p_exptype": types}
    schema = KINDS[kind].schema
    return write(folder / name, {"roman": TaggedDict(tree, tag or f"{TAGS}{schema}-2.0.0")})


def make_parameters(folder: Path, name: str, step: str, parameters: dict[str, Any]) -> Path:
    """Write a file of step parameters, laid out as stpipe does."""
    meta = {
        "reftype": f"pars-{step}",
        "useafter": "2020-01-01T00:00:00",
        "exposure": {"type": "WFI_IMAGE"},
        "instrument": {"name": "WFI"},
    }
    return write(
        folder / name, {"class": step, "name": step, "meta": meta, "parameters": parameters}
    )


def make_exposure(path: Path, **values: str) -> Path:
    """Write a file with the metadata of an exposure and nothing else."""
    meta = {
        "instrument": {
            "name": "WFI",
            "detector": values.get("detector", "WFI01"),
            "optical_element": values.get("element", "F158"),
        },
        "exposure": {
            "type": values.get("type", "WFI_IMAGE"),
            "start_time": Time(values.get("start", "2027-03-01T00:00:00")),
        },
    }
    return write(path, {"roman": {"meta": meta}})


def write(path: Path, tree: dict[str, Any]) -> Path:
    """Write an ASDF file, valid or not: asdf does not know the tag until it is written."""
    root = tree.get("roman")
    if isinstance(root, TaggedDict):
        tree = {"roman": TaggedDict(root.data, root._tag.replace("stsci.edu", "stsci.xyz"))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asdf.AsdfFile(tree).write_to(path)
    path.write_bytes(path.read_bytes().replace(b"asdf://stsci.xyz", b"asdf://stsci.edu"))
    return path


def parameters(
    detector: str = "WFI01",
    element: str = "F158",
    exposure_type: str = "WFI_IMAGE",
    start: str = "2027-03-01T00:00:00.000",
) -> dict[str, str]:
    """What an exposure is matched by."""
    return parameters_of(
        {
            "instrument.name": "WFI",
            "instrument.detector": detector,
            "instrument.optical_element": element,
            "exposure.type": exposure_type,
            "exposure.start_time": start,
        }
    )


def rich_files(folder: Path) -> list[Path]:
    """Files with many kinds of rules: dates, alternatives, all detectors, no keys."""
    folder.mkdir(exist_ok=True)
    files = [make_reference(folder, "decay_a.asdf", "darkdecaysignal")]
    files.append(
        make_reference(folder, "decay_b.asdf", "darkdecaysignal", useafter="2027-06-01T12:00:00")
    )
    for detector in ("WFI01", "WFI07", "WFI18"):
        for index, date in enumerate(("2020-01-01", "2026-12-01T06:30:00", "2028-01-01")):
            name = f"{detector}_{index}.asdf"
            files.append(
                make_reference(folder, f"gain_{name}", "gain", detector=detector, useafter=date)
            )
        for element in ("F087", "F158", "F213"):
            name = f"flat_{detector}_{element}.asdf"
            files.append(make_reference(folder, name, "flat", detector=detector, element=element))
        name = f"dark_{detector}"
        files.append(make_reference(folder, f"{name}_all.asdf", "dark", detector=detector))
        files.append(
            make_reference(
                folder,
                f"{name}_im.asdf",
                "dark",
                detector=detector,
                types="WFI_IM_DARK|WFI_FLAT|",
                useafter="2027-01-01",
            )
        )
    files.append(make_reference(folder, "mask_01.asdf", "mask", useafter="2025-01-01"))
    return files


def rich_store(folder: Path) -> ReferenceStore:
    """A store with :func:`rich_files` in its first context."""
    build_context(folder / "store", rich_files(folder / "files"), "rich")
    return ReferenceStore(folder / "store")
