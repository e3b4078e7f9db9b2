"""Fetching a file over HTTP: resumable, verified by its hash, whole or not there.

What has arrived waits as NAME.part, with the server's ETag as NAME.part.etag beside it. It is continued only where the
file can be told to be the same one: by that tag (the server then sends all of it if it is another by now), or by a
hash known beforehand, which the whole file has to fit in the end.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from inkbloom.checkpoints.foreign import check_first_bytes
from inkbloom.checkpoints.loading import file_hash
from inkbloom.core.errors import CheckpointError, OutputError, RequestError

OnBytes = Callable[[int, int | None], None]
"""Called with (bytes there, bytes in all or None). Raise `core.errors.Stopped` to stop; the next call continues."""

ATTEMPTS = 5
"""How often a broken transfer is taken up again before it is an error."""

_CHUNK = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte
_LONGEST_WAIT = 60.0  # seconds, where a server says when to come back
_LONGEST_JSON = 50_000_000
_MOST_REDIRECTS = 10
_WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_BUSY = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file elsewhere."""

    url: str
    name: str
    """Under which it is to be saved: one path component, or several for a file in a folder."""
    sha256: str | None = None
    """In small letters."""
    size: int | None = None
    token: str | None = field(default=None, repr=False)
    """Sent to the address's own host, never on to one that it redirects to."""
    token_hint: str = "a token"
    """Where a token would come from, for the error that asks for one."""
    kind: str = "checkpoints"
    """The folder of models it belongs into, in ComfyUI's words."""


def fetch(remote: Remote, target: Path, *, on_bytes: OnBytes | None = None) -> None:
    """Bring a remote file to `target`; one that is there already and has the right hash is left as it is.

    Raises `CheckpointError` where the server refuses, breaks off for good or sends something else than promised,
    `OutputError` where it cannot be written or another file is there, `RequestError` for an address that is not https.
    """
    if target.exists():
        if remote.sha256 is None or file_hash(target) != remote.sha256:
            raise OutputError(f"{target} is there already and is not known to be the same file; move it away.")
        return
    part, tag_file = (target.with_name(target.name + ending) for ending in (".part", ".part.etag"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive_all(remote, part, tag_file, on_bytes)
        _verify(remote, part, tag_file)
        os.replace(part, target)
        tag_file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error


def fetch_folder(files: list[Remote], target: Path, *, on_bytes: OnBytes | None = None) -> None:
    """Bring all files to the folder `target`, which appears when they are complete; a new call continues.

    Raises what `fetch` raises; a folder that is there already is left alone.
    """
    if target.exists():
        raise OutputError(f"{target} is there already; move it away.")
    partial = target.with_name(f"{target.name}.part")
    for remote in files:
        place = partial / remote.name
        if remote.sha256 is None:
            place.unlink(missing_ok=True)  # of a broken run, and perhaps of an older version
        fetch(remote, place, on_bytes=on_bytes)
    try:
        partial.rename(target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}.") from error


def fetch_json(url: str, token: str | None, token_hint: str) -> Any:
    """The JSON at an address; `CheckpointError` where there is none."""
    remote = Remote(url=url, name="", token=token, token_hint=token_hint)
    try:
        with closing(_open(remote, {"Accept": "application/json"})) as answer:
            return json.loads(answer.read(_LONGEST_JSON))
    except (_Broken, OSError, http.client.HTTPException, ValueError) as error:
        raise CheckpointError(f"{url} sent no answer that can be read: {_reason(error)}.") from error


class _Broken(Exception):  # noqa: N818 - a reason to try again
    def __init__(self, reason: str, wait: float) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds, as the server asks."""


# Not every OSError: a full disk is one too
_NETWORK = (
    _Broken,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
    urllib.error.URLError,
)


def _receive_all(remote: Remote, part: Path, tag_file: Path, on_bytes: OnBytes | None) -> None:
    failures = 0
    while True:
        before = _size(part)
        try:
            _receive(remote, part, tag_file, on_bytes)
            return
        except _NETWORK as error:
            # A transfer that gets on may break as often as it likes
            failures = 1 if _size(part) > before else failures + 1
            if failures >= ATTEMPTS:
                kept = f"; the first {_size(part):,} bytes are kept, and a new call continues" if _size(part) else ""
                raise CheckpointError(f"{remote.url} broke off: {_reason(error)}{kept}.") from error
            time.sleep(error.wait if isinstance(error, _Broken) else 0.1 * 2**failures)


def _receive(remote: Remote, part: Path, tag_file: Path, on_bytes: OnBytes | None) -> None:
    """One request; its bytes are appended to what is there, or begin it anew."""
    start = _size(part)
    tag = tag_file.read_text(encoding="utf-8") if tag_file.is_file() else None
    headers = {}
    if start and remote.sha256:
        headers = {"Range": f"bytes={start}-"}
    elif start and tag:
        headers = {"Range": f"bytes={start}-", "If-Range": tag}
    with closing(_open(remote, headers)) as answer:
        if answer.status == 416:
            # All of it may be there already; if not, it is no beginning of this file
            if answer.headers.get("Content-Range", "") == f"bytes */{start}":
                return
            part.unlink()
            raise _Broken("the server has fewer bytes than are there", 0)
        if answer.status != 206:
            start = 0
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _Broken(f"the server sent {answer.headers.get('Content-Range')} for bytes {start}-", 0)
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        _check_length(remote, part, total, start)
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            # Only now, so that a new tag never stands beside older bytes. A weak one promises no bytes at all
            new_tag = answer.headers.get("ETag", "")
            if new_tag.startswith('"'):
                tag_file.write_text(new_tag, encoding="utf-8")
            else:
                tag_file.unlink(missing_ok=True)
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                start += len(chunk)
                if on_bytes:
                    on_bytes(start, total)
    if total is not None and start < total:
        raise _Broken(f"{start:,} of {total:,} bytes arrived", 0)


def _check_length(remote: Remote, part: Path, total: int | None, start: int) -> None:
    if total is not None and remote.size is not None and total != remote.size:
        raise CheckpointError(f"{remote.url} has {total:,} bytes; {remote.size:,} were promised.")
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise OutputError(f"{part} needs {total - start:,} bytes more; the disk has {free:,}.")


def _verify(remote: Remote, part: Path, tag_file: Path) -> None:
    try:
        if remote.sha256 is not None and (found := file_hash(part)) != remote.sha256:
            raise CheckpointError(
                f"{remote.url} is damaged or another file: its SHA-256 is {found}, not {remote.sha256}."
            )
        if remote.name.endswith(_WEIGHTS):
            check_first_bytes(part)
    except CheckpointError:
        part.unlink()
        tag_file.unlink(missing_ok=True)
        raise


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _open(remote: Remote, headers: Mapping[str, str]) -> Any:
    """The answer to a request, redirects followed; the standard library would hand a token on to any host."""
    url, token = remote.url, remote.token
    opener = urllib.request.build_opener(_NoRedirects)
    for _ in range(_MOST_REDIRECTS):
        check_address(url)
        request = urllib.request.Request(url, headers={"User-Agent": "inkbloom", **headers})
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        try:
            return opener.open(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code == 416:
                return error
            with closing(error):
                if error.code not in (301, 302, 303, 307, 308) or "Location" not in error.headers:
                    raise _refusal(remote, error) from error
                there = urljoin(url, error.headers["Location"])
            if urlsplit(there).netloc != urlsplit(url).netloc:
                token = None
            url = there
    raise CheckpointError(f"{remote.url} redirects more than {_MOST_REDIRECTS} times.")


def _refusal(remote: Remote, error: urllib.error.HTTPError) -> Exception:
    match error.code:
        case 401 | 403 if remote.token is None:
            return CheckpointError(f"{remote.url} asks for {remote.token_hint} (HTTP {error.code}).")
        case 401 | 403:
            return CheckpointError(
                f"{remote.url} refuses this token (HTTP {error.code}); it may be wrong, or there are terms to accept."
            )
        case 404 | 410:
            return CheckpointError(f"There is nothing at {remote.url} (HTTP {error.code}).")
        case code if code in _BUSY:
            asked = error.headers.get("Retry-After", "")
            wait = float(asked) if asked.isdigit() else 1.0
            if wait > _LONGEST_WAIT:
                return CheckpointError(f"{remote.url} is busy (HTTP {code}); it asks to come back in {wait:g} seconds.")
            return _Broken(f"the server is busy (HTTP {code})", wait)
    return CheckpointError(f"{remote.url} answers HTTP {error.code} {error.reason}.")


def check_address(url: str) -> None:
    """`RequestError` unless it is https, or http on this machine itself."""
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        raise RequestError(f'"{url}" is no address to fetch from; it must begin with https://.')


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason).rstrip(".") or type(error).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
