"""The board over HTTP. What operators ask is plain text; everything else is JSON."""

from __future__ import annotations

import logging
import re
from typing import Any, Self

import psycopg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field, model_validator

from board import __version__, store
from board.sources import SOURCES

app = FastAPI(title="status board", version=__version__)
_log = logging.getLogger("uvicorn.error")


class Report(BaseModel):
    """What a monitor says about one incident."""

    key: str = Field(min_length=1)
    title: str
    severity: str | None = Field(default=None, pattern=r"^[a-z]+$")

    @model_validator(mode="after")
    def _severity_in_title(self) -> Self:
        """Some monitors can only say it in the title: "[critical] disk full"."""
        if self.severity is None and (found := re.match(r"\[([a-z]+)\] ", self.title)):
            self.severity, self.title = found[1], self.title[found.end() :]
        return self


@app.put("/v1/ingest/{source}/{report_id}", response_model=None)
def ingest(source: str, report_id: str, report: Report) -> JSONResponse:
    """Take a report under the id that the monitor has given it: 201 the first time, 200 when it comes again."""
    if source not in SOURCES:
        return JSONResponse({"problem": f"no source {source}"}, 404)
    new = store.store(source, report_id, report.model_dump())
    return JSONResponse({"report": report_id}, 201 if new else 200)


@app.get("/v1/sources")
def sources() -> list[str]:
    return list(SOURCES)


@app.get("/v1/incidents")
def incidents() -> list[dict[str, Any]]:
    return store.incidents()


@app.get("/-/version", response_class=PlainTextResponse)
def version() -> str:
    return f"status-board {__version__}\n"


@app.get("/-/ready")
def ready() -> PlainTextResponse:
    """Ready is the board on a database at the very revision that it was written for."""
    try:
        found = store.revision()
    except psycopg.Error as error:
        return PlainTextResponse(f"not ready: {str(error).strip()}", 503)
    if found != store.HEAD:
        return PlainTextResponse(f"not ready: the database is at {found or 'no revision'}, not {store.HEAD}", 503)
    return PlainTextResponse("ready")


@app.exception_handler(psycopg.Error)
async def database_failed(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed: %s", request.method, request.url.path, str(error).strip())
    return JSONResponse({"problem": "the database does not do what it should"}, 500)
