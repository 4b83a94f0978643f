"""How a process that calibrates asks its memory of the system."""

from __future__ import annotations

import ctypes
import sys

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1
"""Names of the settings in glibc's ``malloc.h``."""

LARGE = 32 << 20
"""Above this an array gets pages of its own [byte]; glibc allows no more."""

KEPT = 1 << 30
"""Freed memory that is kept for the next array [byte]."""


def keep_freed_memory() -> None:
    """Keep freed memory for the next array; where the C library is glibc.

    Every transform and every tile frees arrays of some megabytes.  Given back to
    the system, their pages have to be cleared and mapped again for the next,
    which costs more than what is computed in them.  Threads share one pool,
    since pools of their own are given back whole.

    To be called at the start of a program, before it has threads; a library
    that is imported leaves the allocator alone.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in ((ARENA_MAX, 1), (MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, KEPT)):
            mallopt(setting, value)
