"""Every error that a user can meet.

A message says what was found, what was expected and what to do next.  The
command line maps each class to an exit code and a service to an HTTP status;
no other exception is meant to reach a user.
"""

from __future__ import annotations


class RdmsError(Exception):
    """Base of all errors that the system raises on purpose.

    Parameters
    ----------
    found
        What was met.
    expected
        What should have been there.
    remedy
        What the reader can do next.
    """

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [self.found]
        if self.expected:
            parts.append(f"Expected: {self.expected}")
        if self.remedy:
            parts.append(f"What to do: {self.remedy}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[type[RdmsError], tuple[str, str, str]]:
        return type(self), (self.found, self.expected, self.remedy)


class UsageError(RdmsError):
    """A request that cannot be meant: an unknown name, a bad value."""


class FileError(RdmsError):
    """A file that is missing, unreadable, truncated or cannot be written."""


class FormatError(RdmsError):
    """A file that can be read but is not what it claims or should be."""


class ValidationError(FormatError):
    """A product that violates its schema."""


class MetadataError(FormatError):
    """A keyword that is missing or has a value that cannot be used."""


class ReferenceDataError(RdmsError):
    """Reference data that are missing, damaged or contradictory."""


class CalibrationError(RdmsError):
    """An exposure that cannot be calibrated as asked."""


class RecipeError(UsageError):
    """A recipe with an unknown step, parameter or value."""
