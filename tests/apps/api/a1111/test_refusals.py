import pytest

from inkbloom.apps.api.a1111.refusals import REFUSED


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_not_here_is_said(client, path):
    answer = client.post(path, json={"image": "x", "anything": 1})
    status, message = REFUSED[path]
    assert answer.status_code == status
    assert answer.json()["detail"] == message
    assert answer.json().keys() == {"error", "detail", "body", "errors"}


def test_without_a_body_too(client):
    assert client.post("/sdapi/v1/server-stop").json()["error"] == "Forbidden"
    assert client.post("/sdapi/v1/train/embedding").json()["error"] == "NotImplemented"
