"""Many clients at once: nothing is lost, nothing is mixed up. How fast it answers, benchmarks/studio.py measures."""

import threading
import time

import pytest


@pytest.mark.parametrize(("clients", "seconds"), [(12, 6.0), pytest.param(50, 120.0, marks=pytest.mark.long)])
def test_every_client_gets_its_own_pictures(clients, seconds, studio_process, tools):
    server = studio_process().start()
    end = time.monotonic() + seconds
    painted: dict[str, int] = {}
    failures: list[str] = []

    def client(number: int) -> None:
        try:
            with server.client() as http:
                turn = 0
                while turn == 0 or time.monotonic() < end:
                    seed = 1000 * number + turn
                    job = tools.paint(http, f"a dog {number}", seed=seed)
                    while not job["finished"]:
                        job = http.get(f"/api/v1/jobs/{job['id']}", params={"wait": 5}).json()
                    (picture,) = job["pictures"]
                    assert (picture["seed"], picture["prompt"]) == (seed, f"a dog {number}")
                    assert http.get(f"/api/v1/pictures/{picture['id']}/file").content.startswith(b"\x89PNG")
                    painted[job["id"]] = picture["id"]
                    turn += 1
        except Exception as error:
            failures.append(f"client {number}: {error!r}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failures
    with server.client() as http:
        page = http.get("/api/v1/jobs", params={"limit": 1}).json()
        assert page["total"] == len(painted) >= clients
        assert http.get("/api/v1/pictures", params={"limit": 1}).json()["total"] == len(set(painted.values()))
