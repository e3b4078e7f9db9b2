"""`inkbloom serve`: the studio in the browser, and the APIs for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from inkbloom.apps.cli.models import MODELS
from inkbloom.core.errors import CheckpointError, InkbloomError, RequestError

OTHERS = Group("Other machines", sort_key=1)
LOGS = Group("Log", sort_key=2)


def serve(
    *,
    host: Annotated[str, Parameter(help="The address to listen on; 0.0.0.0 is all.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="0: any free one.")] = 7860,
    data_dir: Annotated[
        Path | None,
        Parameter(
            env_var="INKBLOOM_DATA",
            help="Where pictures, queue and settings are kept. [default: inkbloom in your folder of data]",
        ),
    ] = None,
    models_dir: Annotated[
        Path | None,
        Parameter(
            env_var="INKBLOOM_MODELS",
            help="Models, laid out as A1111's or ComfyUI's. [default: models, where that is, or in the data folder]",
        ),
    ] = None,
    ckpt: Annotated[
        str | None,
        Parameter(name=("--ckpt", "--model"), help="The model of requests that name none. [default: the starter]"),
    ] = None,
    device: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="A worker for each one given: cuda:0, cuda:1, mps, cpu. [default: the best present]",
        ),
    ] = (),
    open: Annotated[bool, Parameter(negative="", show_default=False, help="Open the page in the browser.")] = False,
    token: Annotated[
        str | None,
        Parameter(
            group=OTHERS,
            env_var="INKBLOOM_TOKEN",
            help="The secret that people and programs must show; see also --api-auth.",
        ),
    ] = None,
    api_auth: Annotated[
        str | None, Parameter(group=OTHERS, env_var="INKBLOOM_API_AUTH", help="USER:PASSWORD for HTTP Basic.")
    ] = None,
    allow_host: Annotated[
        tuple[str, ...],
        Parameter(
            group=OTHERS,
            negative="",
            show_default=False,
            help="A name by which this machine is reached, as studio.example.",
        ),
    ] = (),
    allow_origin: Annotated[
        tuple[str, ...],
        Parameter(
            group=OTHERS,
            negative="",
            show_default=False,
            help="Another page whose scripts may ask, as https://example.org.",
        ),
    ] = (),
    log_format: Annotated[
        Literal["auto", "text", "json"], Parameter(group=LOGS, help="auto: text on a terminal, else JSON.")
    ] = "auto",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Parameter(group=LOGS, help="From which level on it is told.")
    ] = "info",
) -> int:
    """Open the studio: a page to paint, edit, train and look things up in, and APIs.

    It listens on this machine alone, unless told otherwise, and asks nothing of the network. The page is at
    http://127.0.0.1:7860; programs find the native API under /api/v1 (described in /openapi.json), A1111's under
    /sdapi/v1, OpenAI's images under /v1, Prometheus' figures at /metrics. Ctrl-C stops it; what waits in the queue,
    and what is being painted, goes on with the next start. Any address but this machine's own demands a secret.

    ```
    inkbloom serve
    inkbloom serve --models-dir ~/stable-diffusion-webui --open
    inkbloom serve --host 0.0.0.0 --token "$(openssl rand -hex 16)"
    ```
    """
    try:
        from inkbloom.apps.api.logs import configure
        from inkbloom.apps.api.security import Access
        from inkbloom.apps.api.server import ServerSettings
        from inkbloom.apps.api.server import serve as run
    except ModuleNotFoundError as error:
        raise InkbloomError(
            f'The studio needs the package {error.name}; install it with: pip install "inkbloom[server]".'
        ) from None
    from platformdirs import user_data_path

    if not 0 <= port <= 65535:
        raise RequestError(f"--port {port} is out of range; allowed are 0 to 65535.")
    user, colon, password = (api_auth or "").partition(":")
    if api_auth is not None and not (user and colon and password):
        raise RequestError("--api-auth must be USER:PASSWORD.")
    if token == "":
        raise RequestError("--token is empty; give one that cannot be guessed.")
    data_dir = data_dir or user_data_path("inkbloom", appauthor=False)
    settings = ServerSettings(
        data_dir=data_dir,
        models_dir=models_folder(models_dir, data_dir),
        default_model=ckpt,
        devices=device,
        host=host,
        port=port,
        access=Access(
            token=token,
            user=user or None,
            password=password or None,
            hosts=frozenset(name.lower() for name in allow_host),
            origins=frozenset(origin.rstrip("/") for origin in allow_origin),
        ),
    )
    configure(log_format, log_level)

    def ready(url: str) -> None:
        print(f"The studio is open at {url} (Ctrl-C closes it).", flush=True)
        if open:
            import webbrowser

            webbrowser.open(url)

    run(settings, ready)
    return 0


def models_folder(given: Path | None, data_dir: Path) -> Path:
    """Where models are, and where those go that are trained and merged: ./models, else one in the data folder, made.

    `CheckpointError` where the given one is not there.
    """
    if given is not None and not given.is_dir():
        raise CheckpointError(f"There is no folder of models at {given}.")
    if given is not None or MODELS.is_dir():
        return given or MODELS
    from inkbloom.apps.service.folders import explained

    own = data_dir / "models"
    with explained(own):
        # With a folder for this kind it is one for all kinds, and not a plain folder of checkpoints
        (own / "checkpoints").mkdir(parents=True, exist_ok=True)
    return own
