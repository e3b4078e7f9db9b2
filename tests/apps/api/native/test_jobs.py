"""Jobs and their queue, without a worker: what is asked for is kept, in its order."""

import pytest
from starlette.testclient import TestClient

from inkbloom.apps.service.service import Service

JOBS = "/api/v1/jobs"


def small(**fields) -> dict:
    """A job that paints one small picture."""
    request = {"prompt": "a cat", "width": 64, "height": 64, "steps": 2, "seed": 7} | fields
    return {"kind": "generate", "request": request}


def submit(client: TestClient, prompt: str = "a cat", who: str | None = None) -> str:
    answer = client.post(JOBS, json=small(prompt=prompt) | {"client": who})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def waiting(client: TestClient) -> list[str]:
    return [job["title"] for job in client.get("/api/v1/queue").json()["waiting"]]


def test_a_job_is_kept_as_it_was_asked_for(client: TestClient) -> None:
    job = client.post(JOBS, json=small(seed=-1) | {"priority": 2, "client": "me"}).json()
    assert job == client.get(f"{JOBS}/{job['id']}").json()
    assert (job["state"], job["kind"], job["priority"], job["client"], job["place"]) == (
        "queued",
        "generate",
        2,
        "me",
        0,
    )
    assert job["spec"]["request"]["prompt"] == "a cat"
    assert job["spec"]["request"]["seed"] >= 0


def test_the_same_key_gives_the_same_job(client: TestClient) -> None:
    key = {"Idempotency-Key": "once"}
    first, second = (client.post(JOBS, json=small(), headers=key).json()["id"] for _ in range(2))
    assert first == second
    assert client.get(JOBS).json()["total"] == 1


def test_pages_of_the_history(client: TestClient) -> None:
    for name in ("one", "two", "three"):
        submit(client, name, "a" if name == "two" else "b")
    first = client.get(JOBS, params={"limit": 2}).json()
    assert ([job["title"] for job in first["jobs"]], first["total"]) == (["three", "two"], 3)
    rest = client.get(JOBS, params={"before": first["jobs"][-1]["id"]}).json()
    assert [job["title"] for job in rest["jobs"]] == ["one"]
    assert client.get(JOBS, params={"client": "a"}).json()["total"] == 1
    assert client.get(JOBS, params={"state": ["done", "queued"], "kind": "generate"}).json()["total"] == 3
    assert client.get(JOBS, params={"state": "done"}).json()["total"] == 0
    assert client.get(JOBS, params={"state": "lost"}).status_code == 422


def test_the_order_can_be_changed(client: TestClient) -> None:
    one, two, three = (submit(client, name) for name in ("one", "two", "three"))
    assert waiting(client) == ["one", "two", "three"]
    client.post(f"{JOBS}/{three}/move", json={"before": two})
    assert waiting(client) == ["one", "three", "two"]
    client.post(f"{JOBS}/{two}/move")
    assert waiting(client) == ["two", "one", "three"]
    client.post(f"{JOBS}/{two}/move", json={"last": True})
    client.patch(f"{JOBS}/{three}", json={"priority": 5})
    assert waiting(client) == ["three", "one", "two"]
    assert client.post(f"{JOBS}/{one}/hold").json()["state"] == "held"
    assert client.post(f"{JOBS}/{one}/release").json()["state"] == "queued"
    assert client.post(f"{JOBS}/{one}/move", json={"before": "nobody"}).status_code == 404


def test_cancelling_and_trying_again(client: TestClient) -> None:
    job = submit(client)
    assert client.delete(f"{JOBS}/{job}").status_code == 409
    assert client.post(f"{JOBS}/{job}/cancel", json={"picture": 5}).status_code == 422
    assert client.post(f"{JOBS}/{job}/cancel", json={}).json()["state"] == "cancelled"
    assert client.post(f"{JOBS}/{job}/retry").json()["state"] == "queued"
    submit(client)
    assert client.post("/api/v1/queue/clear").json() == {"cancelled": 2}
    assert client.delete(f"{JOBS}/{job}").status_code == 204
    assert client.get(f"{JOBS}/{job}").status_code == 404


def test_pausing(client: TestClient) -> None:
    assert client.post("/api/v1/queue/pause").status_code == 204
    assert client.get("/api/v1/queue").json()["paused"]
    assert client.post("/api/v1/queue/resume").status_code == 204
    assert not client.get("/api/v1/queue").json()["paused"]


def test_waiting_in_vain_answers_the_job_as_it_is(client: TestClient) -> None:
    answer = client.post(JOBS, json=small() | {"wait": 0.05})
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert client.get(f"{JOBS}/{answer.json()['id']}", params={"wait": 0.05}).json()["state"] == "queued"
    assert client.get(f"{JOBS}/{answer.json()['id']}", params={"wait": 1e9}).status_code == 422


def test_previews_and_curves_of_a_job_that_has_none(client: TestClient, service: Service) -> None:
    job = submit(client)
    assert client.get(f"{JOBS}/{job}/steps").json() == {"steps": []}
    assert client.get(f"{JOBS}/{job}/curve").json() == {"rows": []}
    answer = client.get(f"{JOBS}/{job}/preview", params={"step": 3})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"There is no preview of job {job} after step 3."


@pytest.mark.parametrize(
    "spec",
    [
        small(),
        {"kind": "plot", "request": {"prompt": "a cat"}, "x": "Steps: 1, 2"},
        {"kind": "merge", "models": ["starter", "starter"], "compare": True},
    ],
)
def test_a_plan(client: TestClient, spec: dict) -> None:
    plan = client.post("/api/v1/plan", json=spec).json()
    assert plan["fits"]
    assert plan["device"] == "cpu"
    assert client.get(JOBS).json()["total"] == 0


def test_pictures_in_a_job_are_named_as_clients_name_them(client: TestClient, make_png) -> None:

    upload = client.post("/api/v1/uploads", content=make_png(), headers={"content-type": "image/png"}).json()["id"]
    answer = client.post(JOBS, json=small(init_image=f"upload:{upload}"))
    assert answer.json()["spec"]["request"]["init_image"] == f"upload:{upload}"
    # As it was answered it can be asked for again
    again = client.post(JOBS, json={"kind": "generate", "request": answer.json()["spec"]["request"]})
    assert again.json()["spec"]["request"] == answer.json()["spec"]["request"]
