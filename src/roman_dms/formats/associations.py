"""Associations as the mission's JSON files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roman_dms import __version__
from roman_dms.errors import FileError, FormatError
from roman_dms.formats.writing import replacing
from roman_dms.products.association import Association

RULE = "DMS_ELPP_Base"
"""Name of the mission's rule, which its pipeline asks for."""

LARGEST = 64 << 20
"""No association has a longer text [byte]."""

KINDS = {"v": "visit", "p": "pass", "f": "full", "d": "daily"}
"""How images were grouped, by the first letter of the group in a product's name."""


def read_association(path: str | os.PathLike[str]) -> Association:
    """The association in a file.

    Raises
    ------
    FileError
        If it cannot be read.
    FormatError
        If it is no association with one product and at least one image.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise FormatError(f"{path} has {path.stat().st_size} bytes.", f"{LARGEST} at most")
        tree = json.loads(path.read_text())
    except OSError as error:
        raise FileError(f"The association {path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"it is not JSON: {str(error)[:200]}") from None
    if not isinstance(tree, Mapping):
        raise _bad(path, "it is no mapping")
    return _association(tree, path)


def write_association(association: Association, path: str | os.PathLike[str]) -> None:
    """Write an association, whole or not at all.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    members = [{"expname": name, "exptype": "science"} for name in association.members]
    tree = {
        "asn_type": "image",
        "asn_rule": RULE,
        "code_version": f"roman_dms {__version__}",
        "degraded_status": "No known degraded exposures in association.",
        "program": association.program,
        "data_release_id": association.release,
        "version_id": None,
        "target": association.target,
        "constraints": "No constraints",
        "asn_id": "a3001",
        "asn_pool": "none",
        "skycell_wcs_info": dict(association.cell) or "none",
        "products": [{"name": association.name, "members": members}],
    }
    with replacing(Path(path)) as file:
        file.write((json.dumps(tree, indent=4) + "\n").encode())


def _association(tree: Mapping[str, Any], path: Path) -> Association:
    products = tree.get("products")
    if not isinstance(products, list) or len(products) != 1:
        raise _bad(path, "it lists no product, or several")
    product = products[0]
    members = product.get("members") if isinstance(product, Mapping) else None
    name = product.get("name") if isinstance(product, Mapping) else None
    if not isinstance(members, list) or not all(isinstance(one, Mapping) for one in members):
        raise _bad(path, "its product has no members")
    files = [one.get("expname") for one in members if one.get("exptype", "science") == "science"]
    if not files or not all(isinstance(file, str) and file for file in files):
        raise _bad(path, "its product names no science images")
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise _bad(path, f"its product has the name {name!r}")
    target, cell = tree.get("target"), tree.get("skycell_wcs_info")
    group = name.split("_")[2] if name.count("_") >= 2 else ""
    return Association(
        name=name,
        members=tuple(files),
        target=target if isinstance(target, str) and target.lower() != "none" else None,
        program=str(tree.get("program", "noprogram")),
        release=str(tree.get("data_release_id") or "p"),
        kind=KINDS.get(group[:1], "user"),
        cell=cell if isinstance(cell, Mapping) else {},
    )


def _bad(path: Path, reason: str) -> FormatError:
    return FormatError(
        f"{path} is no association of images: {reason}.",
        "a JSON file with one product, its name and its members (expname, exptype)",
        "make one with 'rdms associate'",
    )
