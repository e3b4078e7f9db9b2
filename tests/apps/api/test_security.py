import base64

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from inkbloom.apps.api.security import COOKIE, HEADERS, Access, Bucket, Doors, is_loopback

HOME = "http://127.0.0.1:7860"
TOKEN = "a long word"


def client(access: Access, address: str = "127.0.0.1", url: str = HOME) -> TestClient:
    routes = [
        Route("/thing", lambda request: PlainTextResponse("done"), methods=["GET", "POST", "DELETE"]),
        Route("/", lambda request: PlainTextResponse("page")),
        Route("/healthz", lambda request: PlainTextResponse("ok")),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Doors, access=access)])
    return TestClient(app, url, client=(address, 50_000), follow_redirects=False)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_every_answer_binds_the_browser():
    for path in ("/thing", "/", "/nowhere"):
        answer = client(Access()).get(path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    refused = client(Access(), url="http://evil.example").get("/thing")
    assert refused.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert "http" not in HEADERS["Content-Security-Policy"]  # no other host may be loaded from


@pytest.mark.parametrize("host", ["localhost", "localhost:7860", "127.0.0.1:7860", "[::1]:7860", "192.168.1.5:80"])
def test_own_hosts_are_let_in(host):
    assert client(Access()).get("/thing", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[bad", ""])
def test_a_foreign_name_for_this_machine_is_refused(host):
    answer = client(Access()).get("/thing", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == f'The host "{host}" is not this server; see --allow-host.'


def test_a_declared_name_is_let_in():
    access = Access(hosts=frozenset({"studio.example"}))
    assert client(access).get("/thing", headers={"Host": "Studio.example:80"}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_pages_change_nothing(method, headers):
    answer = client(Access()).request(method, "/thing", headers=headers)
    assert answer.status_code == 403
    assert "--allow-origin" in answer.json()["error"]["message"]


def test_the_page_itself_and_programs_may_change_things():
    for headers in ({"Origin": HOME}, {"Origin": HOME, "Sec-Fetch-Site": "same-origin"}, {}):
        assert client(Access()).post("/thing", headers=headers).status_code == 200


def test_other_pages_read_nothing_but_may_link_to_the_page():
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client(Access()).get("/thing", headers=foreign).status_code == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client(Access()).get("/thing", headers=link).status_code == 403
    assert client(Access()).get("/", headers=link).status_code == 200


def test_a_declared_origin_may_ask_and_others_still_may_not():
    access = Access(origins=frozenset({"https://friend.example"}))
    friend = {"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"}
    answer = client(access).post("/thing", headers=friend)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://friend.example"
    preflight = client(access).options("/thing", headers=friend | {"Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 204
    assert "DELETE" in preflight.headers["Access-Control-Allow-Methods"]
    assert client(access).post("/thing", headers={"Origin": "https://evil.example"}).status_code == 403


def test_without_a_token_nothing_is_said_about_origins():
    assert "Access-Control-Allow-Origin" not in client(Access()).get("/thing").headers


def test_a_token_is_asked_for():
    guarded = client(Access(token=TOKEN))
    answer = guarded.get("/thing")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert guarded.get("/thing", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert guarded.get("/thing", headers=basic("anybody", TOKEN)).status_code == 200
    for wrong in ({"Authorization": "Bearer wrong"}, {"Authorization": "Basic !!"}, {"Authorization": "Digest x"}):
        assert guarded.get("/thing", headers=wrong).status_code == 401
    assert guarded.get("/healthz").status_code == 200


def test_user_and_password_as_in_a1111():
    guarded = client(Access(user="ada", password="secret"))
    assert guarded.get("/thing", headers=basic("ada", "secret")).status_code == 200
    for user, password in (("ada", "wrong"), ("bob", "secret"), ("", "")):
        assert guarded.get("/thing", headers=basic(user, password)).status_code == 401


def test_a_browser_logs_in_once():
    browser = client(Access(token=TOKEN))
    page = {"Accept": "text/html"}
    assert browser.get("/", headers=page).headers["Location"] == "/login"
    assert "password" in browser.get("/login").text
    wrong = browser.post("/login", data={"token": "wrong"}, headers={"Origin": HOME})
    assert wrong.status_code == 401
    assert COOKIE not in wrong.cookies
    answer = browser.post("/login", data={"token": TOKEN}, headers={"Origin": HOME})
    assert answer.status_code == 303
    said = answer.headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "SameSite=strict" in said
    assert TOKEN not in said
    assert browser.get("/", headers=page).text == "page"
    # The cookie does not help another page
    assert browser.post("/thing", headers={"Origin": "https://evil.example"}).status_code == 403


def test_guessing_is_slowed_down():
    guarded = client(Access(token=TOKEN, failures_per_minute=3))
    wrong = {"Authorization": "Bearer wrong"}
    assert [guarded.get("/thing", headers=wrong).status_code for _ in range(5)] == [401, 401, 401, 429, 429]
    right = guarded.get("/thing", headers={"Authorization": f"Bearer {TOKEN}"})
    assert right.status_code == 429  # else a guesser would learn which was right
    assert right.headers["Retry-After"] == "60"


def test_other_machines_have_a_rate_and_this_one_has_none():
    access = Access(requests_per_second=0.2, token=TOKEN)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    far, near = client(access, "192.168.1.9"), client(access)
    assert [far.get("/thing", headers=headers).status_code for _ in range(3)] == [200, 200, 429]
    assert {near.get("/thing", headers=headers).status_code for _ in range(9)} == {200}


def test_a_bucket_leaks():
    now = [0.0]
    bucket = Bucket(rate=1, size=2, clock=lambda: now[0])
    bucket.add("a")
    bucket.add("a")
    assert bucket.full("a")
    assert not bucket.full("b")
    now[0] = 1.0
    assert bucket.level("a") == 1
    assert not bucket.full("a")


def test_what_is_this_machine():
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "example.org", "")))
