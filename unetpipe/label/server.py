"""MONAI Label's server with one sentence as its answer to a bad request, instead of "Internal Server Error".

It ends its trainings when it is stopped, instead of waiting for them, and keeps what comes with requests in a folder of
its own: images in there are served by their path.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from monailabel.app import app, lifespan
from monailabel.endpoints import datastore, infer
from monailabel.interfaces.exception import (
    ImageNotFoundException,
    LabelNotFoundException,
    MONAILabelException,
)
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.async_tasks.task import AsyncTask

from unetpipe.errors import InputError

__all__ = ["app"]


@asynccontextmanager
async def serving(application: FastAPI) -> AsyncIterator[None]:
    """Serve as MONAI Label does, with a temporary folder of its own; in the end stop the processes that it started."""
    with tempfile.TemporaryDirectory(prefix="unetpipe-label-") as folder:
        tempfile.tempdir = folder
        async with lifespan(application):
            yield
        tempfile.tempdir = None
    for method in ("train", "batch_infer"):
        AsyncTask.stop(method)


def answer(error: Exception) -> JSONResponse:
    """Return the sentence of an error that a client can mend: 404 for what there is not, else 400."""
    missing = isinstance(error, ImageNotFoundException | LabelNotFoundException)
    sentence = error.msg if isinstance(error, MONAILabelException) else str(error)
    return JSONResponse({"detail": sentence}, 404 if missing else 400)


async def _mistake(request: Request, error: Exception) -> JSONResponse:
    return answer(error)


async def _no_json(request: Request, error: Exception) -> JSONResponse:
    return answer(InputError(f"The parameters are no JSON ({error})."))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    # the server answers 500 to requests that lack a part
    return JSONResponse({"detail": error.detail}, 400 if error.status_code == 500 else error.status_code)


def _parameters(text: str) -> dict[str, Any]:
    parameters = json.loads(text)
    if not isinstance(parameters, dict):
        raise InputError(f"The parameters are {text.strip()!r}; they must be a JSON object, such as {{}}.")
    return parameters


for endpoint in (datastore, infer):  # they take whatever JSON comes for an object
    endpoint.json = SimpleNamespace(loads=_parameters, dumps=json.dumps)
app.router.lifespan_context = serving
app.add_exception_handler(InputError, _mistake)
app.add_exception_handler(MONAILabelException, _mistake)
app.add_exception_handler(json.JSONDecodeError, _no_json)
app.add_exception_handler(HTTPException, _refused)


@app.middleware("http")
async def check_training(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse a training that cannot begin: MONAI Label would start a process and answer 200."""
    head, _, model = request.url.path.strip("/").partition("/")
    if request.method == "POST" and head == "train":
        try:
            body = await request.body()
            parameters = json.loads(body) if body else {}
            app_instance().check_training(model, parameters if isinstance(parameters, dict) else {})
        except (InputError, MONAILabelException) as error:
            return answer(error)
        except json.JSONDecodeError as error:
            return await _no_json(request, error)
    return await proceed(request)
