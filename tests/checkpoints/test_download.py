"""Transfers from a server on this machine that breaks off, lies, and refuses. Nothing here leaves the machine."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from safetensors.torch import save
from torch import ones

from inkbloom.apps.cli.main import main
from inkbloom.checkpoints.download import ATTEMPTS, Remote, check_address, fetch, fetch_folder, fetch_json
from inkbloom.checkpoints.sources import Sites, find
from inkbloom.core.errors import CheckpointError, InkbloomError, OutputError, RequestError, Stopped

CONTENT = save({"a": ones(100_000)})
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "x.safetensors"


@dataclass
class Asked:
    path: str
    range: str | None
    if_range: str | None
    authorization: str | None


@dataclass
class Site:
    """What is served, and how."""

    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, object] = field(default_factory=dict)
    """JSON."""
    etag: str | None = '"one"'
    breaks: list[int] = field(default_factory=list)
    """After how many bytes each of the next transfers of a file breaks off."""
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers of the next answers."""
    redirects: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    """What has to be shown."""
    knows_ranges: bool = True
    length: int | None = None
    """What is promised, if not the truth."""
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            headers = self.headers
            site.asked.append(
                Asked(self.path, headers.get("Range"), headers.get("If-Range"), headers.get("Authorization"))
            )
            if site.refusals:
                self.answer(*site.refusals.pop(0))
            elif site.token and headers.get("Authorization") != f"Bearer {site.token}":
                self.answer(403 if headers.get("Authorization") else 401, {})
            elif self.path in site.redirects:
                self.answer(302, {"Location": site.redirects[self.path]})
            elif self.path in site.answers:
                self.answer(200, {}, json.dumps(site.answers[self.path]).encode())
            elif self.path in site.files:
                self.send(site.files[self.path])
            else:
                self.answer(404, {})

        def send(self, content: bytes) -> None:
            start, status, headers = 0, 200, {"ETag": site.etag} if site.etag else {}
            wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
            if wanted and site.knows_ranges and condition in (None, site.etag):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
                    return
                status = 206
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            rest = content[start:]
            stop = site.breaks.pop(0) if site.breaks else len(rest)
            self.answer(status, headers, rest[:stop], site.length or len(rest))
            self.close_connection = True

        def answer(self, status: int, headers: dict[str, str], body: bytes = b"", length: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site(files={f"/{NAME}": CONTENT})) as served:
        yield served


def remote(site: Site, sha256: str | None = SHA256, **changes: str) -> Remote:
    return Remote(**{"url": f"{site.url}/{NAME}", "name": NAME} | changes, sha256=sha256)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_file_arrives(site: Site, tmp_path: Path, sha256: str | None) -> None:
    told = []
    fetch(remote(site, sha256), tmp_path / "deep" / NAME, on_bytes=lambda *done: told.append(done))
    assert (tmp_path / "deep" / NAME).read_bytes() == CONTENT
    assert names(tmp_path / "deep") == [NAME]
    assert told[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(("sha256", "etag"), [(SHA256, '"one"'), (SHA256, None), (None, '"one"')])
def test_a_transfer_that_breaks_in_the_middle_goes_on(
    site: Site, tmp_path: Path, sha256: str | None, etag: str | None
) -> None:
    site.etag, site.breaks = etag, [1000, 70_000, 5]
    fetch(remote(site, sha256), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [asked.range for asked in site.asked] == [None, "bytes=1000-", "bytes=71000-", "bytes=71005-"]
    assert names(tmp_path) == [NAME]


def test_a_new_call_goes_on(site: Site, tmp_path: Path) -> None:
    site.breaks = [1000] + [0] * (ATTEMPTS - 1)
    message = rf"broke off: 1,000 of {len(CONTENT):,} bytes arrived; the first 1,000 bytes are kept, and a new call"
    with pytest.raises(CheckpointError, match=message):
        fetch(remote(site, None), tmp_path / NAME)
    assert names(tmp_path) == [f"{NAME}.part", f"{NAME}.part.etag"]
    site.asked.clear()
    fetch(remote(site, None), tmp_path / NAME)
    assert [(asked.range, asked.if_range) for asked in site.asked] == [("bytes=1000-", '"one"')]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_begun_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(b"older")
    (tmp_path / f"{NAME}.part.etag").write_text('"zero"')
    fetch(remote(site, None), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert len(site.asked) == 1


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_tag_or_hash_nothing_is_continued(site: Site, tmp_path: Path, etag: str | None) -> None:
    site.etag, site.breaks = etag, [1000]
    fetch(remote(site, None), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [asked.range for asked in site.asked] == [None, None]


def test_a_server_that_ignores_ranges(site: Site, tmp_path: Path) -> None:
    site.knows_ranges, site.breaks = False, [1000]
    fetch(remote(site), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [asked.range for asked in site.asked] == [None, "bytes=1000-"]


def test_all_of_it_was_there(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT)
    fetch(remote(site), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_more_than_all_was_there(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT + b"more")
    fetch(remote(site), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_server_that_lies_about_the_hash(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"is damaged or another file: its SHA-256 is {SHA256}, not {'0' * 64}"):
        fetch(remote(site, "0" * 64), tmp_path / NAME)
    assert names(tmp_path) == []


def test_a_beginning_of_another_file_does_not_pass(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(b"?" * 500)
    with pytest.raises(CheckpointError, match="is damaged or another file"):
        fetch(remote(site), tmp_path / NAME)
    assert names(tmp_path) == []


def test_a_web_page_instead_of_a_model(site: Site, tmp_path: Path) -> None:
    site.files[f"/{NAME}"] = b"<!doctype html><title>Log in</title>"
    with pytest.raises(CheckpointError, match="is a web page, not a model"):
        fetch(remote(site, None), tmp_path / NAME)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "token", "message"),
    [
        (404, None, "/x.safetensors (HTTP 404)."),
        (401, None, "asks for a token in HF_TOKEN (HTTP 401)."),
        (403, "secret", "refuses this token (HTTP 403); it may be wrong, or there are terms to accept."),
        (400, None, "answers HTTP 400 Bad Request."),
    ],
)
def test_refusals(site: Site, tmp_path: Path, status: int, token: str | None, message: str) -> None:
    site.refusals = [(status, {})]
    with pytest.raises(CheckpointError) as caught:
        fetch(
            Remote(url=f"{site.url}/{NAME}", name=NAME, token=token, token_hint="a token in HF_TOKEN"), tmp_path / NAME
        )
    assert str(caught.value).endswith(message)
    assert "secret" not in str(caught.value)
    assert len(site.asked) == 1
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.refusals = [(429, {"Retry-After": "0"}), (503, {"Retry-After": "0"})]
    fetch(remote(site), tmp_path / NAME)
    assert len(site.asked) == 3
    site.refusals = [(429, {"Retry-After": "3600"})]
    with pytest.raises(CheckpointError, match=r"is busy \(HTTP 429\); it asks to come back in 3600 seconds\.$"):
        fetch(remote(site), tmp_path / "y")
    site.refusals = [(429, {"Retry-After": "0"})] * ATTEMPTS
    with pytest.raises(CheckpointError, match=r"broke off: the server is busy \(HTTP 429\)\.$"):
        fetch(remote(site), tmp_path / "y")


def test_a_token_stays_with_its_host(site: Site, tmp_path: Path) -> None:
    site.token = "secret"
    with serve(Site(files={"/elsewhere": CONTENT})) as other:
        site.redirects = {"/start": f"/{NAME}", f"/{NAME}": f"{other.url}/elsewhere"}
        fetch(remote(site, url=f"{site.url}/start", token="secret"), tmp_path / NAME)
        assert [asked.authorization for asked in site.asked] == ["Bearer secret"] * 2
        assert [asked.authorization for asked in other.asked] == [None]
    assert "secret" not in repr(remote(site, token="secret"))


def test_redirects_end_and_stay_safe(site: Site, tmp_path: Path) -> None:
    site.redirects = {"/a": "/b", "/b": "/a", "/c": "http://example.invalid/", "/d": "file:///etc/passwd"}
    with pytest.raises(CheckpointError, match="redirects more than 10 times"):
        fetch(remote(site, url=f"{site.url}/a"), tmp_path / NAME)
    for path in ("/c", "/d"):
        with pytest.raises(RequestError, match="is no address to fetch from; it must begin with https://"):
            fetch(remote(site, url=site.url + path), tmp_path / NAME)


@pytest.mark.parametrize("url", ["http://example.invalid/x", "ftp://127.0.0.1/x", "https:///x", "x", "file:///x"])
def test_addresses(url: str) -> None:
    with pytest.raises(RequestError, match="is no address to fetch from"):
        check_address(url)


def test_what_is_there_already(site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    fetch(remote(site), tmp_path / NAME)
    assert site.asked == []
    for sha256 in ("0" * 64, None):
        with pytest.raises(OutputError, match="is there already and is not known to be the same file; move it away"):
            fetch(remote(site, sha256), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_sizes(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"has {len(CONTENT):,} bytes; 5 were promised"):
        fetch(Remote(url=f"{site.url}/{NAME}", name=NAME, size=5), tmp_path / NAME)
    site.length = 10**18
    with pytest.raises(OutputError, match=r"needs 1,000,000,000,000,000,000 bytes more; the disk has \d"):
        fetch(remote(site), tmp_path / NAME)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        fetch(remote(site), tmp_path / "file" / NAME)


def test_stopping(site: Site, tmp_path: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        fetch(remote(site), tmp_path / NAME, on_bytes=stop)
    assert f"{NAME}.part" in names(tmp_path)


def test_no_server(tmp_path: Path) -> None:
    with serve(Site()) as gone:
        url = gone.url
    with pytest.raises(CheckpointError, match=r"broke off: .*refused"):
        fetch(Remote(url=url, name=NAME), tmp_path / NAME)
    with pytest.raises(CheckpointError, match=r"sent no answer that can be read: .*refused"):
        fetch_json(url, None, "")


def test_answers_that_are_no_json(site: Site) -> None:
    with pytest.raises(CheckpointError, match="sent no answer that can be read"):
        fetch_json(f"{site.url}/{NAME}", None, "")


FOLDER = {
    "model_index.json": b"{}",
    "unet/config.json": b"{1}",
    "unet/diffusion_pytorch_model.safetensors": CONTENT,
}


def test_a_folder_appears_when_it_is_whole(site: Site, tmp_path: Path) -> None:
    site.files = {f"/{name}": content for name, content in FOLDER.items()}
    files = [
        Remote(url=f"{site.url}/{name}", name=name, sha256=SHA256 if content is CONTENT else None)
        for name, content in FOLDER.items()
    ]
    target = tmp_path / "model"
    del site.files["/unet/config.json"]
    with pytest.raises(CheckpointError, match=r"There is nothing at .*/unet/config"):
        fetch_folder(files, target)
    assert names(tmp_path) == ["model.part"]
    site.files["/unet/config.json"] = FOLDER["unet/config.json"]
    fetch_folder(files, target)
    assert names(tmp_path) == ["model"]
    assert {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*.*")} == FOLDER
    with pytest.raises(OutputError, match="is there already; move it away"):
        fetch_folder(files, target)


def on_hub(site: Site, files: dict[str, bytes]) -> Sites:
    """Serve files as the hub does: hashes of the large ones are known, and downloads redirect to a storage."""
    siblings = [
        {"rfilename": name, "size": len(content)}
        | ({"lfs": {"sha256": hashlib.sha256(content).hexdigest()}} if len(content) > 100 else {})
        for name, content in files.items()
    ]
    site.answers["/api/models/owner/name?blobs=true"] = {"sha": "abc", "siblings": siblings}
    for name, content in files.items():
        site.files[f"/storage/{name}"] = content
        site.redirects[f"/owner/name/resolve/abc/{name}"] = f"/storage/{name}"
    return Sites(hub=f"{site.url}/", civitai=site.url)


def test_files_on_the_hub(site: Site) -> None:
    sites = on_hub(site, {"README.md": b"", "deep/x.safetensors": CONTENT, "y.ckpt": CONTENT})
    found = find("hub:owner/name/deep/x.safetensors", sites)
    assert (found.name, found.is_folder) == ("x.safetensors", False)
    assert found.files[0].url == f"{site.url}/owner/name/resolve/abc/deep/x.safetensors"
    assert (found.files[0].sha256, found.files[0].size) == (SHA256, len(CONTENT))
    with pytest.raises(CheckpointError, match=r'hub:owner/name has no file "z\.ckpt"\. Did you mean "y\.ckpt"'):
        find("hub:owner/name/z.ckpt", sites)
    with pytest.raises(CheckpointError, match=r"it has deep/x\.safetensors, y\.ckpt; add one of them\.$"):
        find("hub:owner/name", sites)
    with pytest.raises(CheckpointError, match=f"has the SHA-256 {SHA256}, not {'0' * 64}"):
        find("hub:owner/name/y.ckpt", sites, sha256="0" * 64)
    with pytest.raises(CheckpointError, match=r"There is nothing at .*/api/models/owner/other"):
        find("hub:owner/other", sites)


def test_one_model_on_the_hub_needs_no_file_name(site: Site) -> None:
    assert find("hub:owner/name", on_hub(site, {"a.md": b"", "x.safetensors": CONTENT})).name == "x.safetensors"
    with pytest.raises(CheckpointError, match="is no diffusers folder, and it has no model file"):
        find("hub:owner/name", on_hub(site, {"a.md": b""}))


def test_a_folder_on_the_hub(site: Site) -> None:
    """Each network once, in its best form, and nothing that we do not read."""
    wanted = {
        *("model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt"),
        *("unet/config.json", "vae/config.json", "text_encoder/config.json"),
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors.index.json",
        "vae/diffusion_pytorch_model-00001-of-00002.safetensors",
        "vae/diffusion_pytorch_model-00002-of-00002.safetensors",
        "text_encoder/pytorch_model.bin",
    }
    unwanted = {
        *("v1-5.safetensors", "README.md", "safety_checker/config.json", "safety_checker/model.safetensors"),
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.bin",
        "text_encoder/flax_model.msgpack",
    }
    found = find("hub:owner/name", on_hub(site, dict.fromkeys(wanted | unwanted, b"{}")))
    assert (found.name, found.is_folder) == ("name", True)
    assert {remote.name for remote in found.files} == wanted
    with pytest.raises(RequestError, match="hub:owner/name is a folder of 12 files; a SHA-256 is of one"):
        find("hub:owner/name", Sites(hub=site.url), sha256=SHA256)


def on_civitai(site: Site, name: str = NAME, kind: str = "LORA") -> Sites:
    def version(number: int) -> dict:
        file = {
            "name": name,
            "primary": True,
            "downloadUrl": f"{site.url}/{NAME}",
            "hashes": {"SHA256": SHA256.upper()},
        }
        return {"id": number, "files": [{"name": "x.yaml"}, {**file, "primary": False, "name": "y.ckpt"}, file]}

    site.answers["/api/v1/models/7"] = {"type": kind, "modelVersions": [version(22), version(21)]}
    return Sites(hub=site.url, civitai=site.url, civitai_token="secret")


@pytest.mark.parametrize("word", ["civitai:7", "civitai:7@21"])
def test_civitai(site: Site, word: str) -> None:
    (found,) = find(word, on_civitai(site)).files
    assert (found.name, found.sha256, found.kind, found.token) == (NAME, SHA256, "loras", "secret")


def test_civitai_errors(site: Site) -> None:
    sites = on_civitai(site)
    with pytest.raises(CheckpointError, match=r"civitai:7 has no version 3\. Known: 22, 21\."):
        find("civitai:7@3", sites)
    for name in ("../x.ckpt", ".x.ckpt", "a\nb.ckpt", "c:x.ckpt"):
        with pytest.raises(CheckpointError, match=r"offers a file named .*, which cannot be a file's name here"):
            find("civitai:7", on_civitai(site, name))
    site.answers["/api/v1/models/7"] = {"modelVersions": [{"id": 1, "files": [{"name": "x.zip"}]}]}
    with pytest.raises(CheckpointError, match="civitai:7 has no model file"):
        find("civitai:7", sites)
    site.answers["/api/v1/models/7"] = {"error": "no"}
    with pytest.raises(CheckpointError, match='civitai:7: the site\'s answer lacks "modelVersions"'):
        find("civitai:7", sites)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("x", '"x" is no place for a model; allowed are hub:OWNER/NAME, '),
        ("hub:x", '"hub:x" does not name a model; it must be hub:OWNER/NAME or hub:OWNER/NAME/FILE.'),
        ("hub:../..", '"hub:../.." does not name a model'),
        ("civitai:x", '"civitai:x" does not name a model; it must be civitai:MODEL or civitai:MODEL@VERSION.'),
        ("civitai:1@x", '"civitai:1@x" does not name a model'),
        ("http://example.invalid/x.ckpt", '"http://example.invalid/x.ckpt" is no address to fetch from'),
        ("https://example.invalid/", "https://example.invalid/ offers a file named ''"),
        ("https://example.invalid/%2e%2e", "offers a file named '..'"),
    ],
)
def test_words(site: Site, word: str, message: str) -> None:
    with pytest.raises(InkbloomError) as caught:
        find(word, Sites(hub=site.url, civitai=site.url))
    assert message in str(caught.value)


def test_a_plain_address_is_not_asked() -> None:
    found = find("https://example.invalid/a/x%20y.safetensors?download=1", Sites(), sha256=SHA256.upper())
    assert (found.name, found.files[0].sha256) == ("x y.safetensors", SHA256)
    with pytest.raises(RequestError, match='"12" is no SHA-256; it has 64 hexadecimal digits'):
        find("https://example.invalid/x", Sites(), sha256="12")


@pytest.fixture
def get(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run `inkbloom models get` for a folder of models of its own: (exit code, output, error)."""
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("CIVITAI_ENDPOINT", site.url)
    monkeypatch.setenv("INKBLOOM_MODELS", str(tmp_path / "models"))
    for name in ("HF_TOKEN", "CIVITAI_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        return main(["models", "get", *words]), *capsys.readouterr()

    return run


def test_the_command_fetches_into_the_models_folder(site: Site, get, tmp_path: Path) -> None:
    on_hub(site, {"x.safetensors": CONTENT})
    code, output, _ = get("hub:owner/name")
    target = tmp_path / "models" / "checkpoints" / NAME
    assert (code, output) == (0, f"Saved {target}; its hash is as promised.\n")
    assert target.read_bytes() == CONTENT
    (tmp_path / "models" / "Lora").mkdir()
    on_civitai(site)
    assert get("civitai:7")[0] == 0
    assert (tmp_path / "models" / "Lora" / NAME).read_bytes() == CONTENT
    code, output, _ = get(f"{site.url}/{NAME}", "--outdir", str(tmp_path / "here"))
    assert (code, output) == (0, f"Saved {tmp_path / 'here' / NAME}; nobody promised a hash.\n")


def test_the_command_shows_its_token(site: Site, get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_hub(site, {"x.safetensors": CONTENT})
    site.token = "secret"
    code, _, error = get("hub:owner/name")
    assert code == 2
    assert error.count("\n") == 1
    assert error.endswith("asks for a token in HF_TOKEN, and that the model's terms are accepted (HTTP 401).\n")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert get("hub:owner/name")[0] == 0


def test_the_commands_errors(site: Site, get, tmp_path: Path) -> None:
    code, _, error = get("hub:owner/name", "--kind", "lora")
    assert code == 2
    assert error.startswith('inkbloom: Unknown kind of model "lora". Did you mean "loras"')
    on_hub(site, {"x.safetensors": CONTENT})
    listed = json.loads(json.dumps(site.answers["/api/models/owner/name?blobs=true"]))
    listed["siblings"][0]["lfs"]["sha256"] = "0" * 64
    site.answers["/api/models/owner/name?blobs=true"] = listed
    code, _, error = get("hub:owner/name")
    assert code == 2
    assert f"its SHA-256 is {SHA256}, not {'0' * 64}." in error
    assert list((tmp_path / "models" / "checkpoints").iterdir()) == []
