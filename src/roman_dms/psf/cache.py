"""PSF grids kept on disk, so that each is built once.

A cache is never in the way: a damaged file is made again, and where nothing can be
written nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from roman_dms.psf.grid import PsfGrid

VERSION = 4
"""Of the optical model and of the files; grids of another version are built again."""

_ARRAYS = ("nodes_x", "nodes_y", "wavelengths", "samples", "wings")


def folder() -> Path:
    """Where grids are kept: ``RDMS_CACHE``, else ``~/.cache/rdms``."""
    return Path(os.environ.get("RDMS_CACHE") or Path.home() / ".cache" / "rdms") / "psf"


def kept(settings: Mapping[str, Any], build: Callable[..., PsfGrid]) -> PsfGrid:
    """The grid of these settings: from the disk, or built and put there.

    Parameters
    ----------
    settings
        Arguments of ``build``, all that its result depends on.
    build
        Makes the grid.
    """
    key = hashlib.sha256(repr((VERSION, sorted(settings.items()))).encode()).hexdigest()[:20]
    path = folder() / f"{settings['detector']}_{settings['element']}_{key}.npz"
    grid = _read(path, settings)
    if grid is None:
        grid = build(**settings)
        _write(path, grid)
    return grid


def _read(path: Path, settings: Mapping[str, Any]) -> PsfGrid | None:
    """The grid in a file, or none where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:  # a damaged member fails its checksum
            arrays = {name: stored[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return PsfGrid(
        detector=settings["detector"],
        element=settings["element"],
        oversample=settings["oversample"],
        **arrays,
    )


def _write(path: Path, grid: PsfGrid) -> None:
    """Write beside and rename; where that cannot be, go without."""
    content = io.BytesIO()
    np.savez(content, **{name: getattr(grid, name) for name in _ARRAYS})
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content.getbuffer())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
