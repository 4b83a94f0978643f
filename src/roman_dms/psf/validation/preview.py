"""A picture of a validation: errors over the detector, mean residual, curves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from roman_dms.errors import FileError, UsageError

if TYPE_CHECKING:
    from roman_dms.psf.validation.report import Validation


def draw(found: Validation, path: str | Path) -> None:
    """Draw six panels into a file.

    Parameters
    ----------
    found
        What to draw.
    path
        ``.png``, ``.pdf`` or another suffix that matplotlib knows.

    Raises
    ------
    UsageError
        For a suffix that matplotlib does not know.
    FileError
        If the file cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(12, 7), layout="constrained")
    panels = figure.subplots(2, 3)
    _over_detector(figure, panels[0, 0], found, found.errors[:, 0], "T, relative")
    _over_detector(figure, panels[0, 1], found, found.flux, "light, relative")
    _whiskers(panels[0, 2], found)
    _residual(figure, panels[1, 0], found)
    _light(panels[1, 1], found)
    _brightness(panels[1, 2], found)
    figure.suptitle(f"{found.subject}: {len(found.x)} places")
    _save(figure, Path(path))


def _save(figure: Any, path: Path) -> None:
    """Write beside and rename, so that the picture is there whole or not at all."""
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        figure.savefig(beside, dpi=110)
        beside.replace(path)
    except ValueError as error:
        raise UsageError(f"{path.name} cannot be drawn: {error}.", "a name such as x.png") from None
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error}.") from error
    finally:
        beside.unlink(missing_ok=True)


def _over_detector(figure: Any, axes: Any, found: Validation, values: Any, title: str) -> None:
    largest = float(np.percentile(np.abs(values), 95)) or 1.0
    drawn = axes.scatter(
        found.x, found.y, c=values, s=14, cmap="RdBu_r", vmin=-largest, vmax=largest
    )
    figure.colorbar(drawn, ax=axes)
    axes.set(title=title, xlabel="x [pixel]", ylabel="y [pixel]", aspect="equal")


def _whiskers(axes: Any, found: Validation) -> None:
    e1, e2 = found.errors[:, 1], found.errors[:, 2]
    length, angle = np.hypot(e1, e2), np.arctan2(e2, e1) / 2
    if length.any():
        axes.quiver(
            found.x, found.y, length * np.cos(angle), length * np.sin(angle),
            headwidth=0, headlength=0, headaxislength=0, pivot="middle",
        )  # fmt: skip
    title = f"ellipticity, median {np.median(length):.1e}"
    axes.set(title=title, xlabel="x [pixel]", ylabel="y [pixel]", aspect="equal")


def _residual(figure: Any, axes: Any, found: Validation) -> None:
    relative = found.residual / found.peak
    largest = float(np.abs(relative).max()) or 1.0
    drawn = axes.imshow(relative, origin="lower", cmap="RdBu_r", vmin=-largest, vmax=largest)
    figure.colorbar(drawn, ax=axes)
    axes.set(title="mean residual, of the peak")


def _light(axes: Any, found: Validation) -> None:
    low, middle, high = np.percentile(found.encircled, [16, 50, 84], axis=0)
    axes.fill_between(found.radii, low, high, alpha=0.3)
    axes.plot(found.radii, middle)
    axes.axhline(0, color="grey", linewidth=0.5)
    axes.set(title="light within circles, of the star's", xlabel="radius [pixel]")


def _brightness(axes: Any, found: Validation) -> None:
    known = np.isfinite(found.chi2) & np.isfinite(found.significance)
    if known.any():
        axes.loglog(found.significance[known], found.chi2[known], ".", markersize=3)
        axes.axhline(1, color="grey", linewidth=0.5)
    axes.set(title="reduced chi squared", xlabel="S/N")
