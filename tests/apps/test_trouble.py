"""A real server in bad company: clients that hang up, a disk that is full, a signal while calls are under way."""

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True)
    if not made or made.returncode:
        pytest.skip("a disk can be mounted by root only")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def hang_up(url: str, request: str) -> None:
    """Send this, wait for the first bytes of an answer for a moment, and be gone without a word."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(request.replace("\n", "\r\n").format(host=address.netloc).encode())
        connection.settimeout(0.3)
        with suppress(TimeoutError):
            connection.recv(100)


def test_clients_that_hang_up_do_no_harm(studio_process, tools) -> None:
    server = studio_process("--device", "cpu").start()
    with server.client() as http:
        job = tools.paint(http, steps=200)
        body = json.dumps({"kind": "generate", "request": {"prompt": "a dog", **tools.QUICK}, "wait": 60})
        post = "POST {path} HTTP/1.1\nHost: {{host}}\nContent-Type: application/json\nContent-Length: {length}\n\n"
        submit = post.format(path="/api/v1/jobs", length=len(body)) + body.replace("{", "{{").replace("}", "}}")
        for _ in range(5):
            hang_up(server.url, post.format(path="/api/v1/jobs", length=1000) + "half of")
            hang_up(server.url, post.format(path="/api/v1/uploads", length=1000) + "half of")
            hang_up(server.url, f"GET /api/v1/jobs/{job['id']}?wait=60 HTTP/1.1\nHost: {{host}}\n\n")
            hang_up(server.url, "GET /api/v1/events HTTP/1.1\nHost: {host}\n\n")
        hang_up(server.url, submit)
        tools.until(lambda: not {"queued", "running"} & {*_states(http)})
        jobs = http.get("/api/v1/jobs").json()["jobs"]
        assert [(one["state"], len(one["pictures"])) for one in jobs] == [("done", 1)] * 2
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


def test_a_signal_ends_streams_and_calls_that_wait(studio_process, tools) -> None:
    server = studio_process("--device", "cpu").start()
    with server.client() as http:
        http.post("/api/v1/queue/pause")
    frames, answers = [], []

    def read() -> None:
        with server.client() as http, http.stream("GET", "/api/v1/events") as stream:
            frames.extend(stream.iter_lines())

    def wait() -> None:
        with server.client() as http:
            body = {"kind": "generate", "request": {"prompt": "a cat"}, "wait": 50}
            answers.append(http.post("/api/v1/jobs", json=body))

    calls = [threading.Thread(target=read), threading.Thread(target=wait)]
    for one in calls:
        one.start()
    with server.client() as http:
        tools.until(lambda: 'endpoint="get_events"' in http.get("/metrics").text)
        tools.until(lambda: http.get("/api/v1/queue").json()["total"] == 1)
    assert server.stop() == 0
    for one in calls:
        one.join()
    assert frames[0] == "retry: 1000"
    assert [answer.json()["state"] for answer in answers] == ["queued"]
    assert "graceful" not in server.log.read_text()  # uvicorn's complaint about calls that did not end


def test_a_full_disk_is_told_and_nothing_is_lost(small_disk: Path, studio_process, tools) -> None:
    server = studio_process("--device", "cpu", data=small_disk / "data")
    server.log = small_disk.parent / "log"
    server.start()
    with server.client() as http:
        first = tools.paint(http)
        tools.until(lambda: _states(http) == ["done"])
        going = tools.paint(http, steps=60, num_images=3, seed=20)
        tools.until(lambda: http.get(f"/api/v1/jobs/{going['id']}").json()["pictures"])
        _fill(small_disk / "filler")
        accepted = 0  # until the database has to grow
        while (answer := _submit(http, 100 + accepted)).status_code == 202:
            accepted += 1
        assert answer.status_code == 507
        error = answer.json()["error"]
        assert error["type"] == "OutputError"
        assert "full" in error["message"]
        assert http.get(f"/api/v1/jobs/{first['id']}").json()["state"] == "done"
        tools.until(lambda: http.get(f"/api/v1/jobs/{going['id']}").json()["state"] != "running" or _troubled(http))
        (small_disk / "filler").unlink()
        tools.until(lambda: not {"queued", "running"} & {*_states(http)})
        for job in http.get("/api/v1/jobs", params={"limit": 500}).json()["jobs"]:
            if job["state"] == "failed":
                assert "No space left" in job["error"]["message"]
                http.post(f"/api/v1/jobs/{job['id']}/retry")
        tools.until(lambda: {*_states(http)} == {"done"})
        assert http.get("/api/v1/pictures", params={"limit": 1}).json()["total"] == 1 + 3 + accepted
        assert http.get("/readyz").status_code == 200
    assert server.stop() == 0


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            with suppress(OSError):  # no space is left for so much
                while file.write(bytes(size)) == size:
                    pass


def _submit(http: httpx.Client, seed: int) -> httpx.Response:
    request = {"prompt": "a dog", "width": 64, "height": 64, "steps": 1, "seed": seed}
    return http.post("/api/v1/jobs", json={"kind": "generate", "request": request})


def _states(http: httpx.Client) -> list[str]:
    return [job["state"] for job in http.get("/api/v1/jobs", params={"limit": 500}).json()["jobs"]]


def _troubled(http: httpx.Client) -> bool:
    return http.get("/readyz").status_code == 503
