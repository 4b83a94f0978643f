"""The database of the library: one table, to which rows are only ever added.

SQLite keeps a journal ahead of the database (WAL): readers and a writer do not wait for one
another, writers queue, and what a killed process had begun is undone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.exc import DBAPIError

from roman_dms.errors import FileError

FORM = 1
"""Of the database; kept in its ``user_version``."""

PATIENCE = 60
"""How long a writer waits for others [s]."""

TABLES = MetaData()

ENTRIES = Table(
    "entries",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("detector", String, nullable=False, index=True),
    Column("element", String, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("valid_from", String, nullable=False),
    Column("valid_until", String, nullable=False),
    Column("oversample", Integer, nullable=False),
    Column("nodes", JSON, nullable=False),
    Column("extent", JSON, nullable=False),
    Column("wavelengths", JSON, nullable=False),
    Column("stars", Integer),
    Column("engineering", JSON, nullable=False),
    Column("quality", JSON, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("software", String, nullable=False),
    Column("description", String, nullable=False),
    Column("parent", Integer),
    Column("created", String, nullable=False),
    Column("file", String, nullable=False),
    Column("sha256", String, nullable=False),
    UniqueConstraint("detector", "element", "version"),
)

APPEND_ONLY = """\
CREATE TRIGGER IF NOT EXISTS entries_are_not_{done} BEFORE {what} ON entries
BEGIN SELECT RAISE(ABORT, 'entries of the library are never {done}'); END"""


def open_database(path: Path) -> Engine:
    """The database of a library; made where there is none.

    Raises
    ------
    FileError
        If it cannot be opened or made, is damaged or of another form.
    """
    writable = os.access(path if path.exists() else path.parent, os.W_OK)
    place = f"file:{path}?uri=true" if writable else f"file:{path}?uri=true&immutable=1&mode=ro"
    engine = create_engine(
        f"sqlite:///{place}", connect_args={"timeout": PATIENCE, "isolation_level": None}
    )
    event.listen(engine, "begin", _begin)
    with told(path), engine.connect() as connection:
        if writable:
            _prepare(connection)
        form = connection.exec_driver_sql("PRAGMA user_version").scalar()
    if form != FORM:
        raise FileError(
            f"The database {path} is of the form {form}.",
            f"the form {FORM}",
            "use the version of rdms that made it, or another folder",
        )
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other writer can come between."""
    with (
        engine.connect().execution_options(writing=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn the database's faults into errors that a user can act on."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise FileError(
            f"The database {path} cannot be used: {reason}.",
            "a database of a PSF library, in a folder that you may write to",
            "check folder and disk; if it is damaged, move it away and add the files again",
        ) from None


def _begin(connection: Connection) -> None:
    """Begin as is meant: the driver itself would begin too late for a writer."""
    is_writer = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")


def _prepare(connection: Connection) -> None:
    """Make the table where there is none; once is enough, twice does no harm."""
    connection = connection.execution_options(writing=True)
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA journal_mode=WAL")
    driver.execute("PRAGMA synchronous=FULL")
    if driver.execute("PRAGMA user_version").fetchone()[0]:
        return
    with connection.begin():
        TABLES.create_all(connection)
        for what, done in (("UPDATE", "changed"), ("DELETE", "deleted")):
            connection.exec_driver_sql(APPEND_ONLY.format(what=what, done=done))
        connection.exec_driver_sql(f"PRAGMA user_version={FORM}")
