"""The server is killed at random moments under load; afterwards every job is accounted for exactly once."""

import hashlib
import random
import threading
import time
from collections import Counter

import httpx
import pytest


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
def test_no_job_is_lost_or_done_twice(kills, studio_process, tools):
    server = studio_process("--device", "cpu").start()
    chance = random.Random(0)
    asked = {f"key-{i}": {"seed": 10 * i, "num_images": chance.randint(1, 3)} for i in range(4 * kills)}
    waiting = iter(asked.items())
    submitted: dict[str, str] = {}

    def client() -> None:
        """Submits jobs, each until it is known to be taken."""
        for key, fields in waiting:
            while key not in submitted:
                try:
                    with server.client() as http:
                        submitted[key] = tools.paint(http, f"a cat {key}", key=key, steps=20, **fields)["id"]
                except httpx.TransportError:
                    time.sleep(0.05)  # the server is down; the same key is asked for again
            time.sleep(chance.uniform(0.0, 1.0))

    clients = [threading.Thread(target=client) for _ in range(2)]
    for one in clients:
        one.start()
    for kill in range(kills):
        if kill % 2:  # a worker takes seconds to come up; at its work the server is killed too
            tools.until(
                lambda: any((server.data / "spool").iterdir()) or not any(map(threading.Thread.is_alive, clients))
            )
        time.sleep(chance.uniform(0.0, 3.0))
        server.kill()
        server.start()
    for one in clients:
        one.join()

    with server.client() as http:
        tools.until(lambda: _unfinished(http) == 0, 3600)
        jobs = _all_jobs(http)
        assert sorted(job["id"] for job in jobs) == sorted(submitted.values())
        assert len(submitted) == len(set(submitted.values()))
        assert {job["state"] for job in jobs} == {"done"}
        for job in jobs:
            wanted = job["spec"]["request"]["num_images"]
            assert [picture["index"] for picture in job["pictures"]] == list(range(wanted))
        total = http.get("/api/v1/pictures", params={"limit": 1}).json()["total"]
        assert total == sum(len(job["pictures"]) for job in jobs)
    files = [path for path in (server.data / "outputs").rglob("*") if path.is_file()]
    assert len(files) == total
    assert not list((server.data / "spool").iterdir())
    hashes = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    assert max(hashes.values()) == 1


def _unfinished(http: httpx.Client) -> int:
    queue = http.get("/api/v1/queue").json()
    return len(queue["running"]) + len(queue["waiting"])


def _all_jobs(http: httpx.Client) -> list[dict]:
    jobs: list[dict] = []
    while True:
        before = {"before": jobs[-1]["id"]} if jobs else {}
        page = http.get("/api/v1/jobs", params={"limit": 100, **before}).json()["jobs"]
        if not page:
            return jobs
        jobs += page


def test_a_picture_goes_on_where_it_stopped(studio_process, tools):
    """Killed in the middle of 40 steps, the picture is the very same as one that was left in peace."""
    server = studio_process("--device", "cpu").start()
    asked = {"seed": 5, "steps": 40, "sampler": "DPM++ 2M SDE", "width": 128, "height": 128}
    with server.client() as http:
        job = tools.paint(http, **asked)
        tools.until(lambda: http.get(f"/api/v1/jobs/{job['id']}").json()["progress"]["step"] >= 10)
    server.kill()
    server.start()
    with server.client() as http:
        files = []
        for one in (job, tools.paint(http, **asked)):
            one = http.get(f"/api/v1/jobs/{one['id']}", params={"wait": 300}, timeout=320).json()
            assert one["state"] == "done"
            (picture,) = one["pictures"]
            files.append(http.get(f"/api/v1/pictures/{picture['id']}/file").content)
    assert files[0] == files[1]
