"""Pixels of the images of a mosaic: read once, in the unit of the mosaic, in little memory.

A mosaic is made block by block, and each block touches parts of many images.  What a mosaic
needs of an image is read in one go, and the part that lies on the mosaic kept: in memory
while that lasts, then in a file that vanishes with the process.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FileError

IN_MEMORY = 1 << 26
"""Pixels that are kept in memory before the file is used [byte]."""


@dataclass
class Pool:
    """Where staged pixels are kept, as long as anything refers to them."""

    in_memory: int = IN_MEMORY
    """Bytes that may be kept in memory."""

    _used: int = 0
    _mapped: list[mmap.mmap] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def kept(self, array: NDArray[Any]) -> NDArray[Any]:
        """A copy of an array, in memory or in a file without name.

        Raises
        ------
        FileError
            Where the disk is full.
        """
        with self._lock:
            self._used += array.nbytes
            fits = self._used <= self.in_memory
        if fits or not array.size:
            return array.copy()
        mapped = _file(array.nbytes)
        with self._lock:
            self._mapped.append(mapped)
        copy = np.frombuffer(mapped, array.dtype).reshape(array.shape)
        copy[...] = array
        mapped.madvise(mmap.MADV_DONTNEED)
        return copy

    def rest(self) -> None:
        """Give the memory behind arrays that are in the file back to the system.

        They stay readable, by any thread at any time; what is looked at again comes from the
        system's cache.
        """
        for mapped in self._mapped:
            mapped.madvise(mmap.MADV_DONTNEED)


def _file(size: int) -> mmap.mmap:
    """A file without name, in memory as far as it is used."""
    try:
        with tempfile.TemporaryFile(prefix="rdms-mosaic-") as file:
            # blocks are reserved first: to find the disk full later would end the process
            os.posix_fallocate(file.fileno(), 0, size)
            return mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise FileError(
            f"There is no room for {size >> 20} MB of pixels in {tempfile.gettempdir()}: "
            f"{error.strerror}.",
            "a disk with room for the parts of all images that lie on the mosaic",
            "name another folder with TMPDIR, or give fewer images",
        ) from error
