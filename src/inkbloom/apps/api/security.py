"""Who may ask the server, and from where: hosts, tokens, origins, rates, and the headers that bind browsers.

Every request passes these doors in order:

host      the Host header must name this machine: against DNS rebinding, where a foreign page's name resolves to it
rate      from other machines, so many requests a second and so many wrong passwords a minute
access    where a token or password is set: `Authorization: Bearer` or `Basic`, or the page's cookie
origin    what changes something, or comes from a browser, must come from this very page (no CSRF, no foreign reads)

and every answer leaves with the headers of `HEADERS`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
        "font-src 'self' data:; connect-src 'self'; manifest-src 'self'; worker-src 'self' blob:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

COOKIE = "inkbloom"
LOGIN = "/login"
_OPEN = ("/healthz", LOGIN)
"""What needs no password: neither tells anything."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_CLIENTS = 4096
_LOGIN_BODY = 4096


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who is let in."""

    token: str | None = None
    """Of programs and of the page; None asks for none."""
    user: str | None = None
    """For HTTP Basic, with `password`, as A1111's --api-auth."""
    password: str | None = None
    hosts: frozenset[str] = frozenset()
    """Names of this machine beside localhost and plain addresses, in lower case."""
    origins: frozenset[str] = frozenset()
    """Other pages whose scripts may ask, such as "https://example.org"."""
    requests_per_second: float = 50.0
    """From one other machine, in the long run; it may come in bursts of ten times as many."""
    failures_per_minute: float = 10.0

    @property
    def guarded(self) -> bool:
        return self.token is not None or self.password is not None

    def allows(self, authorization: str | None) -> bool:
        """Whether an Authorization header says the token, or user and password; compared in constant time."""
        scheme, _, value = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            return self.is_token(value.strip())
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        known = self.password is not None and _same(user, self.user or "") & _same(password, self.password)
        return known or self.is_token(password)

    def is_token(self, word: str) -> bool:
        return self.token is not None and _same(word, self.token)

    def admits(self, word: str) -> bool:
        """Whether the page's login form may let this word in: the token, or the password."""
        return self.is_token(word) or (self.password is not None and _same(word, self.password))


@dataclass
class Bucket:
    """A leaky bucket: `rate` a second flow out, and no more than `size` fit in."""

    rate: float
    size: float
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def level(self, who: str) -> float:
        level, since = self._levels.get(who, (0.0, 0.0))
        return max(0.0, level - self.rate * (self.clock() - since))

    def full(self, who: str) -> bool:
        return self.level(who) + 1 > self.size

    def add(self, who: str) -> None:
        self._levels[who] = (self.level(who) + 1, self.clock())
        self._levels.move_to_end(who)
        while len(self._levels) > _MOST_CLIENTS:
            self._levels.popitem(last=False)


class Doors:
    """ASGI middleware: lets through what `Access` allows; answers 401, 403 or 429 to the rest, one clear line each."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access
        self.requests = Bucket(access.requests_per_second, 10 * access.requests_per_second)
        self.failures = Bucket(access.failures_per_minute / 60, access.failures_per_minute)
        # The cookie says that its browser knew the password; it is void when the server starts anew with another one.
        self._session = hmac.new(secrets.token_bytes(32), b"inkbloom", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await (self.app(scope, receive, send) if scope["type"] == "lifespan" else _closed(send))
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                self._allow_origin(Headers(scope=scope), headers)
            await send(message)

        answer = await self._refusal(Request(scope, receive)) or self.app
        await answer(scope, receive, send_with_headers)

    async def _refusal(self, request: Request) -> Response | None:
        headers, path = request.headers, request.url.path
        if not self._own_host(headers.get("host", "")):
            return _refused(403, f'The host "{headers.get("host", "")[:100]}" is not this server; see --allow-host.')
        who = request.client.host if request.client else ""
        if not is_loopback(who):
            if self.requests.full(who):
                return _refused(429, "Too many requests from your machine; wait a second.", {"Retry-After": "1"})
            self.requests.add(who)
        if request.method == "OPTIONS" and headers.get("origin", "") in self.access.origins:
            return Response(status_code=204)  # a preflight; what is allowed is in the headers
        if not self._own_origin(headers, request.method, path):
            return _refused(403, "Another site's page asks; this server answers only its own, see --allow-origin.")
        if not self.access.guarded:
            return RedirectResponse("/", 303) if path == LOGIN else None
        return await self._unknown(request, who)

    async def _unknown(self, request: Request, who: str) -> Response | None:
        """What to say to who has not shown a token; None to who has."""
        path, given = request.url.path, request.headers.get("authorization")
        if self.failures.full(who):
            return _refused(429, "Too many wrong tokens; wait a minute.", {"Retry-After": "60"})
        if path == LOGIN:
            return await self._login(request, who)
        if path in _OPEN or self._has_cookie(request.headers.get("cookie", "")) or self.access.allows(given):
            return None
        if given is not None:
            self.failures.add(who)
        if given is None and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(LOGIN, 303)
        challenge = {"WWW-Authenticate": 'Basic realm="inkbloom", Bearer' if self.access.password else "Bearer"}
        return _refused(401, "This server needs its token; send it as Authorization: Bearer TOKEN.", challenge)

    async def _login(self, request: Request, who: str) -> Response:
        if request.method != "POST":
            return HTMLResponse(_LOGIN_PAGE.format(message=""))
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LOGIN_BODY:
                return _refused(413, "That is too long for a token.")
        word = parse_qs(body.decode(errors="replace")).get("token", [""])[0]
        if not self.access.admits(word):
            self.failures.add(who)
            return HTMLResponse(_LOGIN_PAGE.format(message="That was not it. · 口令不对。"), 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, self._session, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return answer

    def _has_cookie(self, header: str) -> bool:
        try:
            cookie = SimpleCookie(header).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and _same(cookie.value, self._session)

    def _own_host(self, header: str) -> bool:
        """Whether a Host header names this machine: localhost, a plain address, or a name that was declared."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name == "localhost" or name in self.access.hosts or _is_address(name)

    def _own_origin(self, headers: Headers, method: str, path: str) -> bool:
        """Whether a request is this page's own, or no browser's; pages of others may only link here."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None and origin in self.access.origins:
            return True
        if origin not in (None, "null") and urlsplit(origin).netloc.lower() == headers.get("host", "").lower():
            return True
        if method not in _SAFE:
            return origin is None and site in ("none", "same-origin")
        following_a_link = headers.get("sec-fetch-mode") == "navigate" and path == "/"
        return following_a_link or (origin is None and site in ("none", "same-origin"))

    def _allow_origin(self, asked: Headers, answer: MutableHeaders) -> None:
        origin = asked.get("origin")
        if origin is not None and origin in self.access.origins:
            answer["Access-Control-Allow-Origin"] = origin
            answer["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID"
            answer["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
            answer["Cross-Origin-Resource-Policy"] = "cross-origin"
            answer.add_vary_header("Origin")


def is_loopback(address: str) -> bool:
    """Whether an address, or "localhost", is this very machine's own."""
    if address == "localhost":
        return True
    return _is_address(address) and ipaddress.ip_address(address).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(given: str, known: str) -> bool:
    """Compared in constant time, whatever their lengths."""
    digests = (hashlib.sha256(word.encode()).digest() for word in (given, known))
    return hmac.compare_digest(*digests)


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"type": "AccessError", "message": message, "field": None}}, status, headers=headers)


async def _closed(send: Send) -> None:
    """There are no web sockets here."""
    await send({"type": "websocket.close", "code": 1000})


_LOGIN_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>inkbloom</title><style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif }}
body {{ display: grid; place-items: center; min-height: 90vh }}
form {{ display: grid; gap: 1em; width: min(20em, 90vw) }}
input, button {{ font: inherit; padding: .6em }}
</style></head><body><main><form method="post" action="/login">
<h1>inkbloom</h1>
<label for="token">Token or password · 口令或密码</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<p role="alert">{message}</p>
<button>Enter · 进入</button></form></main></body></html>"""
