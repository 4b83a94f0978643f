"""Which images belong together in a mosaic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Association:
    """Images of a sky cell through one filter, and the name of the mosaic that they make."""

    name: str
    """Of the product, without suffix: ``r00001_p_v01001001001001_270p65x50y50_f158``."""

    members: tuple[str, ...]
    """Files of the images; relative ones lie beside the association's own file."""

    target: str | None = None
    """Name of the sky cell."""

    program: str = "noprogram"

    release: str = "p"
    """Label of the data release, ``p`` for prompt products."""

    kind: str = "user"
    """How the images were grouped: visit, pass, full or user."""

    cell: Mapping[str, Any] = field(default_factory=dict)
    """The pixels of the sky cell, as romancal takes them (``skycell_wcs_info``)."""
