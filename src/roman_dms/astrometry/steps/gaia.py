"""Where reference stars come from: a file, a HATS catalogue or a network service.

All give the columns of Gaia's ``gaia_source`` (data model of Gaia DR3, section
20.1.1), as far as they have them.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry.reference_stars import CORRELATIONS, PARAMETERS
from roman_dms.errors import FileError, FormatError, ReferenceDataError, UsageError
from roman_dms.formats.tables import read_table

Columns = Mapping[str, NDArray[Any]]

SETTING = "RDMS_GAIA"
"""Environment variable that names the source where none is given."""
TABLE = "gaiadr3.gaia_source"
"""Table of a network service."""

UNITS = {
    "ra": "deg", "dec": "deg", "ra_error": "mas", "dec_error": "mas", "parallax": "mas",
    "parallax_error": "mas", "pmra": "mas / yr", "pmdec": "mas / yr", "pmra_error": "mas / yr",
    "pmdec_error": "mas / yr", "ref_epoch": "yr", "phot_g_mean_mag": "mag", "ruwe": "",
    **dict.fromkeys(CORRELATIONS, ""),
}  # fmt: skip
"""Columns that are read and the units in which they are given on, those of Gaia's archive."""

OTHER_NAMES = {
    "RA": "ra", "DEC": "dec", "Dec": "dec", "mag": "phot_g_mean_mag", "epoch": "ref_epoch",
}  # fmt: skip
"""Names of the reference catalogues of ``romancal`` (``stcal`` 1.19) and of scenes."""


_NAME = re.compile(r"\w+(\.\w+){0,2}")


class ReferenceSource(Protocol):
    """A catalogue of reference stars."""

    @property
    def name(self) -> str:
        """Short, for the name of a WCS and for messages."""
        ...

    def within(self, ra: float, dec: float, radius: float) -> Columns:
        """Columns of the stars within a radius of a place of the sky, all in degrees.

        Raises
        ------
        RdmsError
            Where the catalogue cannot be read.
        """
        ...


def open_source(where: str | None = None) -> ReferenceSource:
    """The source that a path or URL names.

    Parameters
    ----------
    where
        A file (.parquet, .ecsv, .fits); a folder or URL of a HATS catalogue; the
        URL of a TAP service, which ends in ``tap``, with another table than that of
        Gaia DR3 after a ``#``.  Where ``None``, what ``RDMS_GAIA`` says.

    Raises
    ------
    UsageError
        Where nothing is named.
    FileError
        For a file or folder that is not there.
    """
    where = where or os.environ.get(SETTING)
    if not where:
        raise UsageError(
            "No catalogue of reference stars is named.",
            "a file, a HATS catalogue or a TAP service",
            f"use --gaia, or set {SETTING}",
        )
    service, _, table = where.partition("#")
    if service.rstrip("/").lower().endswith("tap") and "://" in service:
        return TapSource(service.rstrip("/"), table or TABLE)
    if "://" in where or Path(where).is_dir():
        return HatsSource(where)
    if not Path(where).exists():
        raise FileError(
            f"There is no catalogue of reference stars {where}.",
            "a file (.parquet, .ecsv, .fits), a HATS catalogue or the URL of a TAP service",
            f"correct --gaia or {SETTING}",
        )
    return FileSource(Path(where))


@dataclass(frozen=True)
class GivenStars:
    """Stars that are in memory already."""

    columns: Columns
    """By Gaia's names and in its units."""
    name: str = "given"

    def within(self, ra: float, dec: float, radius: float) -> Columns:
        """Columns of the stars within a radius of a place."""
        given = {n: _numbers(values) for n, values in self.columns.items() if n in UNITS}
        return _inside(given, ra, dec, radius, self.name)


@dataclass(frozen=True)
class FileSource:
    """A table in Parquet, ECSV or FITS."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the file without its suffix."""
        return self.path.name.split(".")[0]

    def within(self, ra: float, dec: float, radius: float) -> Columns:
        """Columns of the stars within a radius of a place, all in degrees."""
        parquet = self.path.suffix == ".parquet"
        table = self._band(dec, radius) if parquet else read_table(self.path)
        found = {}
        for name in table.colnames:
            known = OTHER_NAMES.get(name, name)
            if known in UNITS:
                found[known] = _in_unit(table[name], known, str(self.path))
        if "ref_epoch" not in found and "epoch" in table.meta and "ra" in found:
            found["ref_epoch"] = np.full(len(table), float(table.meta["epoch"]))
        return _inside(found, ra, dec, radius, str(self.path))

    def _band(self, dec: float, radius: float) -> Any:
        """The rows of a Parquet file in a band of declination; others are never decoded."""
        import pyarrow as pa  # noqa: PLC0415 - loaded when first needed
        from astropy.table import Table  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415

        try:
            schema = parquet.read_schema(self.path)
            wanted = [n for n in schema.names if n in UNITS or n in OTHER_NAMES]
            axis = next((n for n in wanted if OTHER_NAMES.get(n, n) == "dec"), None)
            limits = axis and [(axis, ">=", dec - radius), (axis, "<=", dec + radius)]
            masks = [mask for n in wanted if (mask := f"{n}.mask") in schema.names]
            rows = parquet.read_table(
                self.path, columns=wanted + masks, filters=limits or None, memory_map=False
            )
        except (pa.ArrowInvalid, OSError) as error:
            raise FormatError(
                f"The reference catalogue {self.path} cannot be read: {error}.", "a Parquet file"
            ) from error
        described = read_table_header(schema.metadata or {})
        table = Table({n: _numbers(rows[n].to_pandas()) for n in wanted})
        for mask in masks:  # as astropy writes masked columns
            table[mask.removesuffix(".mask")][rows[mask].to_numpy()] = np.nan
        for column in described.get("datatype", ()):
            if column["name"] in table.colnames and "unit" in column:
                table[column["name"]].unit = column["unit"]
        table.meta.update(described.get("meta") or {})
        return table


def read_table_header(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """What astropy wrote into the header of a Parquet file; empty where it did not."""
    from astropy.table import meta  # noqa: PLC0415 - loaded when first needed

    text = metadata.get(b"table_meta_yaml")
    return dict(meta.get_header_from_yaml(text.decode().split("\n"))) if text else {}


@dataclass(frozen=True)
class HatsSource:
    """A catalogue in the HATS format (https://hats.readthedocs.io), in a folder or at a URL."""

    where: str

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.where.rstrip("/").rpartition("/")[2]

    def within(self, ra: float, dec: float, radius: float) -> Columns:
        """Columns of the stars within a radius of a place; only its partitions are read."""
        import hats  # noqa: PLC0415 - takes seconds
        from hats.io import file_io  # noqa: PLC0415

        try:
            catalogue = hats.read_hats(self.where)
            catalogue = getattr(catalogue, "main_catalog", catalogue)  # of a collection
            near = catalogue.filter_by_cone(ra, dec, 3600 * radius)
            info = catalogue.catalog_info
            names = {info.ra_column: "ra", info.dec_column: "dec"}
            wanted = [n for n in catalogue.schema.names if names.get(n, n) in UNITS]
            frames = [
                file_io.read_parquet_file_to_pandas(path, columns=wanted)
                for path in near.get_pixel_paths()
            ]
        except Exception as error:  # hats and its file systems raise what they like
            raise ReferenceDataError(
                f"The HATS catalogue {self.where} cannot be read: {_first_line(error)}",
                "a folder or URL that 'hats.read_hats' opens",
                "check the path, or take a local file",
            ) from error
        found = {
            names.get(n, n): np.concatenate([_numbers(f[n]) for f in frames])
            if frames
            else np.empty(0)
            for n in wanted
        }
        return _inside(found, ra, dec, radius, self.where)


@dataclass(frozen=True)
class TapSource:
    """A TAP service of the Virtual Observatory, as that of Gaia's archive."""

    url: str
    table: str = TABLE
    timeout: float = 60.0
    """For each answer of the service [s]."""
    longest: float = 600.0
    """For a query that is too large for an immediate answer [s]."""

    @property
    def name(self) -> str:
        """Catalogue of the table, ``gaiadr3``."""
        return self.table.partition(".")[0]

    def query(self, ra: float, dec: float, radius: float) -> str:
        """The query in ADQL."""
        if not _NAME.fullmatch(self.table):
            raise UsageError(f"A table cannot be called {self.table!r}.", f"a name such as {TABLE}")
        return (  # the table's name was looked at
            f"SELECT {', '.join(UNITS)} FROM {self.table} WHERE 1 = CONTAINS("  # noqa: S608
            f"POINT('ICRS', ra, dec), CIRCLE('ICRS', {ra:.9f}, {dec:.9f}, {radius:.9f}))"
        )

    def within(self, ra: float, dec: float, radius: float) -> Columns:
        """Columns of the stars within a radius of a place."""
        import pyvo  # noqa: PLC0415 - slow to import

        query = self.query(ra, dec, radius)
        try:
            table = self._answer(pyvo, query)
        except Exception as error:  # pyvo and what it uses raise what they like
            raise ReferenceDataError(
                f"The service {self.url} gave no reference stars: {_first_line(error)}",
                "a TAP service that can be reached and has the columns of gaia_source",
                "check the address and the network, or give a local file with --gaia",
            ) from error
        found = {n: _in_unit(table[n], n, self.url) for n in table.colnames if n in UNITS}
        return _inside(found, ra, dec, radius, self.url)

    def _answer(self, pyvo: Any, query: str) -> Any:
        """The table that answers a query; a large one is waited for."""
        service = pyvo.dal.TAPService(self.url, session=_session(self.timeout))
        with warnings.catch_warnings():  # an answer that was cut is looked at below
            warnings.simplefilter("ignore", pyvo.dal.exceptions.DALOverflowWarning)
            found = service.run_sync(query, maxrec=_AT_ONCE)
        if found.query_status != "OVERFLOW" and len(found) < _AT_ONCE:
            return found.to_table()
        job = service.submit_job(query, maxrec=_MOST)
        try:
            job.run().wait(phases=["COMPLETED", "ERROR", "ABORTED"], timeout=self.longest)
            job.raise_if_error()
            return job.fetch_result().to_table()
        finally:
            job.delete()


_AT_ONCE = 2000
"""Rows that Gaia's archive gives at once."""
_MOST = 3_000_000
"""Rows that it gives at all."""


def _session(timeout: float) -> Any:
    """A session whose every request has an end."""
    import requests  # noqa: PLC0415 - slow to import

    class Session(requests.Session):
        def request(self, method: Any, url: Any, *args: Any, **settings: Any) -> requests.Response:
            settings["timeout"] = settings.get("timeout") or timeout
            return super().request(method, url, *args, **settings)

    return Session()


def _inside(found: dict[str, Any], ra: float, dec: float, radius: float, name: str) -> Columns:
    """The rows of a table within a radius of a place."""
    missing = [column for column in ("ra", "dec") if column not in found]
    if missing:
        raise ReferenceDataError(
            f"The reference catalogue {name} has no column {', '.join(missing)}.",
            f"Gaia's columns {', '.join(PARAMETERS)} and their errors",
        )
    lon, lat, lon0, lat0 = (np.radians(value) for value in (found["ra"], found["dec"], ra, dec))
    versine = np.sin((lat - lat0) / 2) ** 2
    versine += np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    near = versine <= np.sin(np.radians(radius) / 2) ** 2
    return {column: values[near] for column, values in found.items()}


def _in_unit(column: Any, name: str, source: str) -> NDArray[np.float64]:
    """A column of astropy in the unit that Gaia's archive has; masked values are NaN."""
    from astropy import units as u  # noqa: PLC0415 - slow to import

    values = _numbers(column)
    unit = str(getattr(column, "unit", None) or "")
    if not unit or not UNITS[name] or name == "ref_epoch":
        return values
    try:
        factor = u.Unit(unit).to(UNITS[name])
    except u.UnitsError as error:
        raise ReferenceDataError(
            f"The column {name} of {source} is in {unit}.", f"a unit such as {UNITS[name]}"
        ) from error
    return values * factor if factor != 1 else values


def _numbers(column: Iterable[Any]) -> NDArray[np.float64]:
    """A column as float64, NaN where it is masked or null."""
    if hasattr(column, "to_numpy") and not isinstance(column, np.ndarray):
        return np.asarray(column.to_numpy(dtype=float, na_value=np.nan))
    values: Any = np.ma.asarray(getattr(column, "value", column)).astype(float)
    return np.asarray(np.ma.filled(values, np.nan))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300] or type(error).__name__
