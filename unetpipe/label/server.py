"""The label server: MONAI Label's calls for images, labels, inference and training, for those who may ask.

A bad request is answered by one sentence in "detail" and a 4xx status. Files that come with a request, and masks that
are made for it, lie in a folder of that request, which is removed after the answer.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse
from monailabel.endpoints import activelearning, batch_infer, datastore, infer, info, logs, model, session, train
from monailabel.interfaces.exception import ImageNotFoundException, LabelNotFoundException, MONAILabelException
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.async_tasks.task import AsyncTask
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unetpipe.errors import InputError
from unetpipe.io.formats import image_suffix
from unetpipe.label.access import FEATURES, Access
from unetpipe.label.folder import TEMPORARY, request_folder
from unetpipe.label.masks import SUFFIXES
from unetpipe.label.parameters import choose, parse_parameters

MAX_JSON = 10**6  # bytes of a request that is not an upload: such a body is held in memory
MODULES: tuple[ModuleType, ...] = (
    activelearning,
    batch_infer,
    datastore,
    infer,
    info,
    logs,
    model,
    session,
    train,
)
CALLS = {  # the calls that are taken over from MONAI Label, and the feature that each belongs to; "" is always on
    "GET /info/": "",
    "POST /infer/{model}": "",
    "GET /batch/infer": "",
    "POST /batch/infer/{model}": "",
    "DELETE /batch/infer": "",
    "GET /train/": "",
    "POST /train/": "",
    "POST /train/{model}": "",
    "DELETE /train/": "",
    "POST /activelearning/{strategy}": "",
    "GET /datastore/": "",
    "PUT /datastore/": "",
    "DELETE /datastore/": "delete-images",
    "GET /datastore/image": "",
    "HEAD /datastore/image": "",
    "PUT /datastore/image": "",
    "DELETE /datastore/image": "delete-images",
    "GET /datastore/image/info": "",
    "PUT /datastore/image/info": "",
    "GET /datastore/label": "",
    "HEAD /datastore/label": "",
    "PUT /datastore/label": "",
    "DELETE /datastore/label": "",
    "GET /datastore/label/info": "",
    "PUT /datastore/label/info": "",
    "PUT /datastore/updatelabelinfo": "",
    "GET /datastore/dataset": "",
    "GET /model/{model}": "",
    "GET /model/info/{model}": "",
    "PUT /model/{model}": "change-models",
    "DELETE /model/{model}": "change-models",
    "GET /session/{session_id}": "",
    "DELETE /session/{session_id}": "",
    "GET /logs/": "logs",
    "GET /logs/gpu": "logs",
}


@asynccontextmanager
async def serving(application: FastAPI) -> AsyncIterator[None]:
    """Start the app as MONAI Label does; in the end stop the processes that it started, instead of waiting for them."""
    instance = app_instance()
    instance.server_mode(True)
    instance.on_init_complete()
    yield
    for method in ("train", "batch_infer"):
        AsyncTask.stop(method)


app = FastAPI(title="unetpipe label", lifespan=serving, docs_url=None, redoc_url=None)


def set_up(access: Access, folder: Path) -> None:
    """Give the server its calls, and let through what ``access`` says.

    Parameters
    ----------
    access : Access
        Who may ask, and for what.
    folder : path
        The app's folder in the studies. What is in its temporary folder is removed.
    """
    temporary = folder / TEMPORARY
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    tempfile.tempdir = str(temporary)
    app.state.features = access.features
    app.include_router(_calls(access), dependencies=[Depends(check_body)])
    app.add_api_route("/session/", create_session, methods=["PUT"], dependencies=[Depends(check_body)])
    app.include_router(_authentication(access.token))
    _answer_mistakes(access)
    # the middleware that is added last sees a request first
    app.add_middleware(RequestFolder, temporary)
    if access.token is not None:
        app.add_middleware(CheckToken, access.token)
    app.add_middleware(LimitBody, access.max_upload)
    if access.origins:
        app.add_middleware(CORSMiddleware, allow_origins=access.origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(RefuseForeignPages, access.origins)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=access.hosts, www_redirect=False)


def _calls(access: Access) -> APIRouter:
    """Return MONAI Label's calls that are on, and a refusal for each of those that can be switched on."""
    router = APIRouter()
    for route in (route for module in MODULES for route in module.router.routes):
        (method,) = route.methods
        feature = CALLS.get(f"{method} {route.path}")
        if feature in ("", *access.features):
            router.routes.append(route)
        elif feature is not None:
            router.add_api_route(route.path, _refusal(feature), methods=[method], include_in_schema=False)
    page = _api_page if "api-page" in access.features else _refusal("api-page")
    router.add_api_route("/", page, include_in_schema=False)
    return router


def _api_page() -> Response:
    return get_swagger_ui_html(openapi_url="/openapi.json", title=app.title)


def _refusal(feature: str) -> Callable[[], None]:
    def refuse() -> None:
        raise HTTPException(
            403, f"This is off: {FEATURES[feature]}. Start the server with --allow {feature} to switch it on."
        )

    return refuse


async def check_body(request: Request) -> None:
    """Refuse what MONAI Label cannot use, before it starts a process for it and answers 200, or ends in an error."""
    algorithm, colon, _ = request.query_params.get("check_sum", "").partition(":")
    if colon:
        choose("check_sum", algorithm, ("SHA256", "SHA512", "MD5"))
    if request.url.path == "/logs/gpu" and "logs" in app.state.features and shutil.which("nvidia-smi") is None:
        raise InputError("There is no nvidia-smi on this machine, so its GPUs are unknown.")
    body = await request.body() if request.method == "POST" and _is_json(request.headers) else b""
    parameters = parse_parameters(body) if body else {}
    model, task = request.path_params.get("model", ""), request.url.path.split("/")[1]
    if task == "train" and request.method == "POST":
        if request.query_params.get("run_sync"):
            raise InputError("Training runs in a separate process: send the request without run_sync.")
        app_instance().check_training(model, parameters)
    elif task == "batch" and request.method == "POST":
        app_instance().check_batch(model, parameters)


def create_session(files: list[UploadFile], uncompress: bool = False, expiry: int = 0) -> dict[str, Any]:
    """Keep an image for later requests, as 3D Slicer does with one that it has opened itself."""
    if uncompress or len(files) != 1:
        raise InputError("A session holds one image: archives are not unpacked, and several files are not taken.")
    path = request_folder.get() / f"image{_suffix(files[0].filename)}"
    with path.open("wb") as file:
        shutil.copyfileobj(files[0].file, file)
    session_id, session_info = app_instance().sessions().add_session(str(path), expiry)
    return {"session_id": session_id, "session_info": session_info.to_json()}


def _authentication(token: str | None) -> APIRouter:
    """Return the calls by which the Python client and 3D Slicer log in: any user name, the token as password."""
    router = APIRouter(prefix="/auth", include_in_schema=False)

    @router.get("/")
    def is_enabled() -> dict[str, Any]:
        return {"enabled": token is not None, "client_id": "", "realm": ""}

    @router.post("/token")
    def log_in(password: Annotated[str, Form()] = "") -> dict[str, str]:
        if token is None or not secrets.compare_digest(password.encode(), token.encode()):
            raise HTTPException(401, "The password is not the server's token.")
        return {"access_token": token, "token_type": "bearer"}

    @router.get("/token/valid")
    def is_valid() -> dict[str, Any]:  # the token was checked before
        return {}

    return router


class RefuseForeignPages:
    """Refuse what a web page of another origin sends, whether or not it could read the answer.

    A browser names the page's origin in "Origin", or tells by "Sec-Fetch-Site" that a link or picture on a page of
    another site asks. Programs send neither.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            own = f"{scope['scheme']}://{headers.get('host')}"
            if origin is None:
                foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
            else:
                foreign = origin not in (own, *self.allowed)
            if foreign:
                sentence = (
                    f"Pages of {origin or 'another site'} may not use this server; "
                    "start it with --allow-origin and the page's origin to let them."
                )
                return await JSONResponse({"detail": sentence}, 403)(scope, receive, send)
        await self.app(scope, receive, send)


class LimitBody:
    """Refuse bodies above a size. All but uploads are held in memory; for these it is ``MAX_JSON`` bytes."""

    def __init__(self, app: ASGIApp, max_upload: int) -> None:
        self.app = app
        self.max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413; a body of unknown length is refused when it becomes too long."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        upload = headers.get("content-type", "").startswith("multipart/")
        limit = self.max_upload if upload else min(self.max_upload, MAX_JSON)
        if int(headers.get("content-length", 0)) > limit:
            return await JSONResponse({"detail": _too_large(self.max_upload)}, 413)(scope, receive, send)
        await RequestBodyLimitMiddleware(self.app, limit)(scope, receive, send)


def _too_large(max_upload: int) -> str:
    return (
        f"The request is too large: an upload may have {max_upload:,} bytes (--max-upload), any other request "
        f"{MAX_JSON:,}."
    )


class CheckToken:
    """Refuse requests without the token, but for those that log in."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] == "http" and scope["path"] not in ("/auth/", "/auth/token"):
            kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not secrets.compare_digest(token.strip().encode(), self.token):
                sentence = "This server needs its token: send the header Authorization: Bearer TOKEN."
                answer = JSONResponse({"detail": sentence}, 401, {"WWW-Authenticate": "Bearer"})
                return await answer(scope, receive, send)
        await self.app(scope, receive, send)


class RequestFolder:
    """Give each request a folder of its own, and remove it with the end of the answer."""

    def __init__(self, app: ASGIApp, parent: Path) -> None:
        self.app = app
        self.parent = parent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        with tempfile.TemporaryDirectory(dir=self.parent, ignore_cleanup_errors=True) as folder:

            async def clean_and_send(message: Message) -> None:
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    shutil.rmtree(folder, ignore_errors=True)  # before the client gets the end of the answer
                await send(message)

            before = request_folder.set(Path(folder))
            try:
                await self.app(scope, receive, clean_and_send)
            finally:
                request_folder.reset(before)


def _answer_mistakes(access: Access) -> None:
    """Answer each kind of mistake with a sentence."""

    async def mistake(request: Request, error: Exception) -> JSONResponse:
        missing = isinstance(error, ImageNotFoundException | LabelNotFoundException)
        sentence = error.msg if isinstance(error, MONAILabelException) else str(error)
        return JSONResponse({"detail": sentence}, 404 if missing else 400)

    async def incomplete(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"])
        return JSONResponse({"detail": f"The request's {place} is wrong: {first['msg']}."}, 422)

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, AnyHTTPException)
        status = 400 if error.status_code == 500 else error.status_code  # MONAI Label says 500 if a part is missing
        sentence = error.detail.lstrip("+ ")
        if sentence == HTTPStatus(status).phrase and status in (404, 405):
            sentence = f"This server does not offer {request.method} {request.url.path}."
        elif status == 413:
            sentence = _too_large(access.max_upload)
        return JSONResponse({"detail": sentence}, status, error.headers)

    for kind in (InputError, MONAILabelException):
        app.add_exception_handler(kind, mistake)
    app.add_exception_handler(RequestValidationError, incomplete)
    app.add_exception_handler(AnyHTTPException, refused)


def _is_json(headers: Headers) -> bool:
    return "json" in headers.get("content-type", "json")


def _suffix(name: str | None) -> str:
    """Return the suffix of a file that was sent; raise InputError unless images and labels can have it."""
    suffix = image_suffix(name or "").lower()
    if suffix not in SUFFIXES:
        raise InputError(f"The file {name!r} is of another format; send {', '.join(SUFFIXES)}.")
    return suffix


def _new_file(suffix: str) -> Any:
    """Return a file of the request, as ``tempfile.NamedTemporaryFile`` would one of the system."""
    return tempfile.NamedTemporaryFile(dir=request_folder.get(), suffix=_suffix(f"file{suffix}"))


for endpoint in (datastore, infer):  # what they do with parameters and files would end in errors and left-over files
    endpoint.json = SimpleNamespace(loads=parse_parameters, dumps=json.dumps)
    endpoint.tempfile = SimpleNamespace(NamedTemporaryFile=_new_file)
