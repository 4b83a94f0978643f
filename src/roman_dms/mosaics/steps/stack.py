"""What passes from step to step on the way to a mosaic: images, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from roman_dms.mosaics.outliers import OutlierSettings
from roman_dms.mosaics.steps.members import Member, Missing
from roman_dms.mosaics.steps.pixels import Pixels
from roman_dms.products.metadata import Metadata
from roman_dms.sky.tessellation import SkyCell


@dataclass(frozen=True)
class Candidates:
    """Files that were named for mosaics, opened where that could be done."""

    meta: Metadata
    """State and log of the steps."""

    files: tuple[Member | Missing, ...]

    cells: tuple[SkyCell, ...]
    """All pixels that mosaics are made of, in this run."""


@dataclass(frozen=True)
class Stack:
    """Images that belong together, through one filter."""

    meta: Metadata
    """State and log of the steps."""

    members: tuple[Member, ...]

    cells: tuple[SkyCell, ...]

    missing: tuple[str, ...] = ()
    """Names of files that were to contribute and do not, and why."""

    good_bits: str = "~DO_NOT_USE"
    """Flags that leave a pixel usable."""

    pixels: Pixels = field(default_factory=Pixels)
    """Pixels of the members, read when they are first asked for."""

    offsets: Mapping[str, float] = field(default_factory=dict)
    """Surface brightness that is subtracted from each image, by its name [MJy / sr]."""

    sky: str = "none"
    """How the offsets were found."""

    outliers: OutlierSettings | None = None
    """How outliers are told from light; ``None`` to keep every pixel."""

    cell: SkyCell | None = None
    """The one that a mosaic is being made of."""

    group: str = "user"
    """Name of the group of exposures: a visit, a pass, all."""

    association: str = "none"
    """Name of the association that the images come from."""

    product_type: str = "p_user_coadd"

    release: str = "p"
    """Label of the data release."""

    def offset_of(self, member: Member) -> float:
        """Surface brightness that is subtracted from an image."""
        return self.offsets.get(member.name, 0.0)
