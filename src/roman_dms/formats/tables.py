"""Tables: Parquet, ECSV or FITS, by the suffix of the file.

Parquet is the format of large catalogues; units, descriptions and the table's
metadata travel in its header as YAML, in the way of ``astropy.io.misc.parquet``,
so that astropy reads our files and we read astropy's.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from astropy.table import Table, meta, serialize
from numpy.typing import NDArray

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.writing import replacing

_HEADER = "table_meta_yaml"
"""Key of the YAML in the metadata of a Parquet file."""


def read_table(path: str | os.PathLike[str]) -> Table:
    """Read a table with its units and metadata.

    Parameters
    ----------
    path
        A file ``.parquet``, ``.ecsv``, ``.fits`` or ``.fits.gz``.

    Raises
    ------
    UsageError
        For another suffix.
    FileError
        Where the file is missing, cannot be read or ends too early.
    FormatError
        Where it is not the kind of file that its name says.
    """
    path = Path(path)
    read = _format(path)[0]
    try:
        return read(path)
    except (FileError, FormatError):
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise _not_a_table(path, error) from error


def write_table(table: Table, path: str | os.PathLike[str]) -> None:
    """Write a table beside its place and rename it, so that it is there whole or not at all.

    Raises
    ------
    UsageError
        For a suffix other than those of :func:`read_table`.
    FileError
        Where the file cannot be written.
    """
    path = Path(path)
    write = _format(path)[1]
    with replacing(path) as file:
        write(table, file)


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first needed
    from pyarrow import parquet  # noqa: PLC0415

    try:
        content = parquet.read_table(path, memory_map=False)
    except pa.ArrowInvalid as error:
        raise _not_a_table(path, error) from error
    metadata = content.schema.metadata or {}
    table = Table({name: _from_arrow(content[name]) for name in content.column_names})
    if _HEADER.encode() in metadata:
        header = meta.get_header_from_yaml(metadata[_HEADER.encode()].decode().split("\n"))
        table.meta.update(header.get("meta", {}))
        for described in header["datatype"]:
            if described["name"] in table.colnames:
                _describe(table[described["name"]], described)
    return serialize._construct_mixins_from_columns(table)  # noqa: SLF001 - astropy has no public name


def _describe(column: Any, described: dict[str, Any]) -> None:
    for attribute in ("unit", "description", "format", "meta"):
        if attribute in described:
            setattr(column, attribute, described[attribute])


def _from_arrow(column: Any) -> NDArray[Any]:
    """A column of Arrow as an array of numpy; nulls of numbers become NaN, of text empty."""
    import pyarrow as pa  # noqa: PLC0415

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        # Text of catalogues repeats itself; a million names are few distinct ones.
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        column = column.combine_chunks()
        if not len(column):
            return np.array([], dtype="U1")
        names = column.dictionary.to_numpy(zero_copy_only=False).astype(str)
        codes = column.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
        return np.append(names, "")[codes]
    return np.array(column.to_numpy())


def _write_parquet(table: Table, file: BinaryIO) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    table = serialize.represent_mixins_as_columns(table)
    # astropy looks up the width of text, in characters, under these keys.
    widths = {
        f"table::len::{name}": str(max(table[name].dtype.itemsize // 4, 1))
        for name in table.colnames
        if table[name].dtype.kind == "U"
    }
    header = {_HEADER: "\n".join(meta.get_yaml_from_table(table)), **widths}
    arrays = [_to_arrow(table[name]) for name in table.colnames]
    content = pa.Table.from_arrays(arrays, names=table.colnames)
    parquet.write_table(content.replace_schema_metadata(header), file, compression="zstd")


def _to_arrow(column: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    values = np.asarray(column)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return pa.array(values, mask=getattr(column, "mask", None))


def _read_ecsv(path: Path) -> Table:
    with path.open("rb") as file:
        first = file.readline().strip()
    if not first.startswith(b"# %ECSV"):
        raise FormatError(
            f"The file {path} is not an ECSV table: it begins with {first[:60]!r}.",
            "'# %ECSV 1.0' in the first line",
            "write it with astropy's Table.write(..., format='ascii.ecsv')",
        )
    return _with_empty_text(Table.read(path, format="ascii.ecsv"))


def _write_ecsv(table: Table, file: BinaryIO) -> None:
    import io  # noqa: PLC0415

    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    file.write(text.getvalue().encode())


def _read_fits(path: Path) -> Table:
    with warnings.catch_warnings():
        # A file that ends too early is a warning of astropy's, and an error here.
        warnings.filterwarnings("error", message=".*truncated.*")
        try:
            table = Table.read(path, format="fits", hdu=1)
        except Warning as error:
            raise FileError(
                f"The table {path} is truncated: {error}", "a whole file", "copy it again"
            ) from error
    table.convert_bytestring_to_unicode()
    return _with_empty_text(table)


def _with_empty_text(table: Table) -> Table:
    """Empty text as such, which astropy reads as missing."""
    for name in table.colnames:
        if table[name].dtype.kind == "U" and hasattr(table[name], "filled"):
            table[name] = table[name].filled("")
    return table


def _write_fits(table: Table, file: BinaryIO) -> None:
    fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(table)]).writeto(file)


_FORMATS: dict[str, tuple[Callable[[Path], Table], Callable[[Table, BinaryIO], None]]] = {
    ".parquet": (_read_parquet, _write_parquet),
    ".ecsv": (_read_ecsv, _write_ecsv),
    ".fits": (_read_fits, _write_fits),
}
"""How to read and write a table, by suffix."""


def _format(path: Path) -> tuple[Callable[[Path], Table], Callable[[Table, BinaryIO], None]]:
    name = path.name.removesuffix(".gz") if path.name.endswith(".fits.gz") else path.name
    suffix = Path(name).suffix
    if suffix not in _FORMATS:
        raise UsageError(
            f"The table {path} has the suffix {suffix!r}.", f"one of {', '.join(_FORMATS)}"
        )
    return _FORMATS[suffix]


def _unreadable(path: Path, error: OSError) -> FileError:
    return FileError(
        f"The table {path} cannot be read: {_reason(error)}.",
        "a whole file that you may read",
        "check the path, or copy the file again",
    )


def _not_a_table(path: Path, error: Exception) -> FormatError:
    reason = str(error).split("\n")[0] or type(error).__name__
    return FormatError(
        f"The file {path} holds no table that can be read: {reason}",
        f"what the suffix {path.suffix} says",
        "check what the file is, or copy it again if it is cut",
    )


def _reason(error: OSError) -> str:
    """What went wrong; pyarrow names the file alone where there is none."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return error.strerror or str(error)
