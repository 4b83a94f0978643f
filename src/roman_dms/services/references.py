"""The reference server: what clients of CRDS ask, from a store, read-only.

The protocol is that of ``crds.client`` 14: JSON-RPC by POST under ``/json/``, and
the files themselves under ``/mappings/roman/`` and ``/references/roman/``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, ValidationError, validate_call

from roman_dms import __version__
from roman_dms.errors import FileError, RdmsError, UsageError
from roman_dms.references import disk
from roman_dms.references.store import PLAIN_NAME, ReferenceStore
from roman_dms.services import failures

MAX_BODY = 1_000_000
"""Longest call [byte]."""


class Call(BaseModel):
    """One JSON-RPC call; clients add fields of their own."""

    model_config = ConfigDict(extra="ignore")

    method: str
    params: list[Any] | dict[str, Any] = []
    id: str | int | None = None


class ReferenceService:
    """The answers, without HTTP.

    Parameters
    ----------
    store
        What is served.
    """

    def __init__(self, store: ReferenceStore) -> None:
        self.store = store
        self._sums: dict[str, str] = {}
        self.methods: dict[str, Callable[..., Any]] = {
            "get_server_info": self.server_info,
            "get_default_context": self.default_context,
            "get_mapping_names": self.mapping_names,
            "get_reference_names": self.reference_names,
            "get_file_info": self.file_info_in,
            "get_file_info_map": self.file_info_map,
        }

    def server_info(self, base_url: str) -> dict[str, Any]:
        """Which context is in force and where the files are."""
        context = self.store.operational
        return {
            "observatory": "roman",
            "server": base_url,
            "latest_context": context,
            "operational_context": context,
            "edit_context": context,
            "mapping_url": {"roman": f"{base_url}/mappings/roman/"},
            "reference_url": {"roman": f"{base_url}/references/roman/"},
            "bad_files": "",
            "bad_files_list": self.store.server_config().get("bad_files_list", []),
            "force_remote_mode": False,
            "connected": True,
            "status": "server",
            "last_synced": "never",
            "crds_version": {"str": f"roman_dms {__version__}"},
        }

    def default_context(self, observatory: str | None = None, state: str | None = None) -> str:
        """Name of the operational context, whatever the observatory and state asked for."""
        del observatory, state
        return self.store.operational

    def mapping_names(self, context: str) -> list[str]:
        """Mappings that a context is made of."""
        return self.store.mapping_names(self._known(context))

    def reference_names(self, context: str) -> list[str]:
        """Files that a context can select."""
        found = self.store.context(self._known(context))
        rules = (found.rules(kind) for kind in found.kinds)
        return sorted({name for chosen in rules if chosen for name in chosen.files})

    def file_info_map(
        self, observatory: str, files: list[str] | None = None, fields: list[str] | None = None
    ) -> dict[str, dict[str, str]]:
        """Size and SHA-1 of files, by default of all."""
        del observatory
        names = files if files is not None else self._all_files()
        wanted = fields or ["size", "sha1sum"]
        infos = {name: self.file_info(name) for name in names}
        return {
            name: {key: info[key] for key in wanted if key in info} for name, info in infos.items()
        }

    def file_info(self, name: str) -> dict[str, str]:
        """Size and SHA-1 of one file."""
        path = self.path_of(name)
        if path.parent == self.store.references:
            sha1 = self.store.ledger.check(path)
        else:
            sha1 = self._sums.setdefault(name, disk.sha1_of(path))  # mappings never change
        return {"name": name, "size": str(path.stat().st_size), "sha1sum": sha1}

    def file_info_in(self, context: str, name: str) -> dict[str, str]:
        """Size and SHA-1 of one file, as clients ask: with a context, which does not matter."""
        del context
        return self.file_info(name)

    def path_of(self, name: str) -> Path:
        """Path of a mapping or reference file.

        Raises
        ------
        FileError
            For a name that is none of the store's.
        """
        mapping = name.endswith((".pmap", ".imap", ".rmap"))
        path = (self.store.mappings if mapping else self.store.references) / name
        if not PLAIN_NAME.fullmatch(name) or not path.is_file():
            raise FileError(f"There is no file {name[:80]!r} in the store.")
        return path

    def _known(self, context: str) -> str:
        if not context.endswith(".pmap"):
            raise UsageError(f"{context[:80]!r} is no context.", "a name such as roman_0001.pmap")
        self.path_of(context)
        return context

    def _all_files(self) -> list[str]:
        mappings = (path.name for path in self.store.mappings.glob("*.*map"))
        references = (path.name for path in self.store.references.glob("*.asdf"))
        return sorted(filter(PLAIN_NAME.fullmatch, [*mappings, *references]))


def create_app(store_path: Path | str | None = None) -> FastAPI:
    """The application that serves a store."""
    service = ReferenceService(ReferenceStore(store_path))
    # No pages of FastAPI's own: they load scripts from elsewhere.
    app = FastAPI(
        title="Roman DMS reference server", version=__version__, docs_url=None, redoc_url=None
    )
    failures.install(app)

    @app.get("/health")
    def health() -> dict[str, str]:
        """Whether the store is there, and its operational context."""
        return {"status": "ok", "context": service.store.operational}

    @app.post("/json/{rest:path}")
    async def call(request: Request, rest: str) -> dict[str, Any]:
        """Answer a JSON-RPC call; the path repeats the method for the sake of logs.

        Clients do not say that the body is JSON, so it is read here.
        """
        del rest
        asked = _call(await request.body())
        return await run_in_threadpool(_answer, service, asked, str(request.base_url).rstrip("/"))

    @app.api_route("/mappings/roman/{name}", methods=["GET", "HEAD"])
    def mapping(name: str) -> FileResponse:
        """Text of a mapping."""
        return FileResponse(service.path_of(name), media_type="text/plain")

    @app.api_route("/references/roman/{name}", methods=["GET", "HEAD"])
    def reference(name: str) -> FileResponse:
        """A reference file whose content has been checked; ranges are served."""
        path = service.path_of(name)
        service.store.ledger.check(path)
        return FileResponse(path, media_type="application/octet-stream")

    return app


def serve(store_path: Path | str, host: str, port: int) -> None:
    """Serve a store until interrupted."""
    import uvicorn  # noqa: PLC0415  (only this function needs it)

    ReferenceStore(store_path).server_config()
    uvicorn.run(create_app(store_path), host=host, port=port, log_level="warning")


def _call(body: bytes) -> Call:
    if len(body) > MAX_BODY:
        raise UsageError(f"A call has {len(body)} bytes.", f"at most {MAX_BODY}")
    try:
        return Call.model_validate_json(body)
    except ValidationError as error:
        raise UsageError(f"The body is no JSON-RPC call: {error}") from None


def _answer(service: ReferenceService, call: Call, base_url: str) -> dict[str, Any]:
    envelope: dict[str, Any] = {"jsonrpc": "1.0", "id": call.id, "result": None, "error": None}
    try:
        envelope["result"] = _result(service, call, base_url)
    except RdmsError as error:
        envelope["error"] = {"code": failures.status_of(error), "message": str(error)}
    return envelope


def _result(service: ReferenceService, call: Call, base_url: str) -> Any:
    try:
        method = service.methods[call.method]
    except KeyError:
        raise UsageError(
            f"There is no method {call.method[:80]!r}.", "one of " + ", ".join(service.methods)
        ) from None
    if call.method == "get_server_info":
        return method(base_url)
    checked = validate_call(method)
    try:
        if isinstance(call.params, dict):
            return checked(**call.params)
        return checked(*call.params)
    except ValidationError as error:
        raise UsageError(f"{call.method} cannot take these parameters: {error}") from None
