"""Bytes at an offset, from a local file or from anything that fsspec reaches.

A local file is read with ``pread``: it needs no seek (so that threads share it),
its pages do not count as memory of this process, and a file that another process
truncates gives an error where a memory map would end the process.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FileError

FilePath = str | os.PathLike[str]
"""A local path, or a URL that fsspec understands."""


class ByteSource(Protocol):
    """A file that is read at random."""

    name: str
    """Path or URL, for messages."""
    size: int
    """Length in bytes."""
    remote: bool
    """Whether each request is slow, so that few large ones are better."""

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on; fewer only at the end of the file."""
        ...

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill ``out`` with the bytes from ``offset`` on; FileError if there are too few."""
        ...


def open_source(path: FilePath) -> ByteSource:
    """The file behind a local path or an fsspec URL such as ``s3://bucket/key``.

    Raises
    ------
    FileError
        If it cannot be opened.
    """
    name = os.fspath(path)
    return RemoteSource(name) if "://" in name else LocalSource(name)


class LocalSource:
    """A file of this machine; open as long as the object lives."""

    remote = False

    def __init__(self, name: str) -> None:
        self.name = name
        self._descriptor = -1
        try:
            if not stat.S_ISREG(Path(name).stat().st_mode):
                raise FileError(
                    f"{name} is not a regular file.", "a file that can be read at random"
                )
            self._descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._descriptor).st_size
        except (OSError, ValueError) as error:
            raise unreadable(name, error) from error

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on; fewer only at the end of the file."""
        try:
            return os.pread(self._descriptor, count, offset)
        except OSError as error:
            raise unreadable(self.name, error) from error

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill ``out`` with the bytes from ``offset`` on."""
        done = 0
        while done < out.size:
            try:
                count = os.preadv(self._descriptor, [out[done:].data], offset + done)
            except OSError as error:
                raise unreadable(self.name, error) from error
            if count == 0:
                raise truncated(self.name, offset + done, offset + out.size)
            done += count

    def __reduce__(self) -> tuple[type[LocalSource], tuple[str]]:
        return LocalSource, (self.name,)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class RemoteSource:
    """A file behind an fsspec URL."""

    remote = True

    def __init__(self, name: str) -> None:
        import fsspec  # noqa: PLC0415 - few runs need it

        self.name = name
        try:
            self._system, self._path = fsspec.core.url_to_fs(name)
            self.size = int(self._system.size(self._path))
        except Exception as error:
            raise unreadable(name, error) from error

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on; fewer only at the end of the file."""
        end = min(offset + count, self.size)
        try:
            return bytes(self._system.cat_file(self._path, start=offset, end=end))
        except Exception as error:
            raise unreadable(self.name, error) from error

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill ``out`` with the bytes from ``offset`` on."""
        content = self.read(offset, out.size)
        if len(content) < out.size:
            raise truncated(self.name, offset + len(content), offset + out.size)
        out[:] = np.frombuffer(content, np.uint8)

    def __reduce__(self) -> tuple[type[RemoteSource], tuple[str]]:
        return RemoteSource, (self.name,)


class MemorySource:
    """Bytes that are in memory already."""

    remote = False

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self._content = content
        self.size = len(content)

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on; fewer only at the end."""
        return self._content[offset : offset + count]

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill ``out`` with the bytes from ``offset`` on."""
        content = self.read(offset, out.size)
        if len(content) < out.size:
            raise truncated(self.name, self.size, offset + out.size)
        out[:] = np.frombuffer(content, np.uint8)


def unreadable(name: str, error: Exception) -> FileError:
    """The error to raise for a file that the system does not let us read."""
    if isinstance(error, FileError):
        return error
    reason: Any = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return FileError(
        f"The file {name} cannot be read: {reason}.",
        "an existing file that you may read",
        "check the path and its permissions",
    )


def truncated(name: str, size: int, needed: int) -> FileError:
    """The error to raise for a file that ends too early."""
    return FileError(
        f"The file {name} is truncated: it ends at byte {size}.",
        f"at least {needed} bytes",
        "fetch or make the file again",
    )
