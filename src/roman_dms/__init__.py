"""Roman DMS: a data management system for the Roman Wide Field Instrument."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("roman_dms")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
