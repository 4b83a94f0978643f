"""Which HTTP status each error of the system becomes: the one table of all services."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from roman_dms import errors

HTTP_STATUS: dict[type[errors.RdmsError], int] = {
    errors.UsageError: 400,
    errors.FileError: 404,
    errors.FormatError: 422,
    errors.ReferenceDataError: 503,
    errors.RdmsError: 500,
}
"""Status of each class of error, or of its nearest base."""


def status_of(error: errors.RdmsError) -> int:
    """HTTP status of an error."""
    return next(HTTP_STATUS[base] for base in type(error).__mro__ if base in HTTP_STATUS)


def install(app: FastAPI) -> None:
    """Make an application answer with the message of an error and its status."""

    @app.exception_handler(errors.RdmsError)
    def answer(_request: Request, error: errors.RdmsError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=status_of(error))
