"""Products to and from files: ASDF after RAD's schemas, FITS, previews.

The readers and writers that others use are named here and loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roman_dms.formats.products import (
        read_mosaic,
        read_product,
        read_rate_image,
        read_raw_exposure,
        read_reference,
        write_product,
        write_tree,
    )

__all__ = [
    "read_mosaic",
    "read_product",
    "read_rate_image",
    "read_raw_exposure",
    "read_reference",
    "write_product",
    "write_tree",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from roman_dms.formats import products  # noqa: PLC0415 - asdf takes 0.1 s to import

    return getattr(products, name)
