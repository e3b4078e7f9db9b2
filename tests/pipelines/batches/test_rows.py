"""Prompts from files: lines, CSV, JSON, and what all of them share."""

import json
from pathlib import Path

import pytest

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.jobs import job_of
from inkbloom.pipelines.batches.lines import read_line, read_lines
from inkbloom.pipelines.batches.table import read_csv, read_jsonl

BASE = {"steps": 9, "sampler_options": {"s_noise": 1.1}}


def test_a1111s_names_and_texts_become_our_fields() -> None:
    row = {
        "prompt": "a dog", "Negative prompt": "rain", "cfg_scale": "4.5", "sampler_name": "Euler a", "seed": "7",
        "subseed": "3", "subseed_strength": "0.5", "width": "64", "h": 128, "tiling": "true", "eta": "0.5",
        "sd_model": "a.ckpt", "vae": "b.pt", "n_iter": 2, "steps": "", "mask_invert": "true",
        "seed_resize_from_w": 64, "seed_resize_from_h": "64",
    }  # fmt: skip
    job = job_of(row, BASE, "line 2")
    request = job.request
    assert (request.prompt, request.negative_prompt, request.guidance_scale) == ("a dog", "rain", 4.5)
    assert (request.sampler, request.seed, request.variation_seed, request.variation_strength) == ("Euler a", 7, 3, 0.5)
    assert (request.width, request.height, request.tiling, request.num_images) == (64, 128, "both", 2)
    assert request.sampler_options == {"s_noise": 1.1, "eta": 0.5}
    assert (request.steps, request.mask_invert, request.seed_width) == (9, True, 64)
    assert (job.checkpoint, job.vae, job.origin) == ("a.ckpt", "b.pt", "line 2")


def test_json_within_a_cell() -> None:
    job = job_of({"prompt": "{a|b}", "sampler_options": '{"eta": 1.0}'}, {}, "line 2")
    assert job.request.prompt == "{a|b}"
    assert job.request.sampler_options == {"eta": 1.0}


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("  a big castle ", {"prompt": "a big castle"}),
        ("a cat -- and a dog", {"prompt": "a cat -- and a dog"}),
        ("--prompt a cute dog --seed 7", {"prompt": "a cute dog", "seed": "7"}),
        ('--prompt "a -- b" --steps=3', {"prompt": "a -- b", "steps": "3"}),
        ("--prompt a dog's house --seed 1", {"prompt": "a dog's house", "seed": "1"}),
        ("--tiling --prompt a", {"tiling": "true", "prompt": "a"}),
    ],
)
def test_lines_are_prompts_or_options(line: str, fields: dict[str, str]) -> None:
    assert read_line(line, "line 1") == fields


def test_a_file_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("\ufeff一只狗\n\n--prompt a cat --steps 3\n", encoding="utf-8")
    jobs = read_lines(path, BASE)
    assert [(job.request.prompt, job.request.steps, job.origin) for job in jobs] == [
        ("一只狗", 9, "line 1"),
        ("a cat", 3, "line 3"),
    ]


def test_tables(tmp_path: Path) -> None:
    rows = [{"prompt": "a, b", "seed": "1"}, {"prompt": "two\nlines", "seed": ""}, {"prompt": "c", "seed": "3"}]
    (tmp_path / "a.csv").write_text('prompt, seed\n"a, b",1\n\n"two\nlines",\nc,3\n')
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    from_csv, from_json = read_csv(tmp_path / "a.csv", BASE), read_jsonl(tmp_path / "a.jsonl", BASE)
    assert [job.request for job in from_csv] == [job.request for job in from_json]
    assert [job.request.seed for job in from_csv] == [1, None, 3]
    assert [job.origin for job in from_csv] == ["line 2", "line 4", "line 6"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "prompt,seed\na,x\nb,1\nc,2,3\n",
         "line 2: seed 'x': must be a whole number from -1 to 18446744073709551615; line 4: 3 fields, but the header "
         "has 2; a text with commas must stand in quotation marks."),
        ("a.csv", "prompt,sed\na,1\n", 'line 2: Unknown field "sed". Did you mean "seed"'),
        ("a.csv", "seed\n1\n", "line 2: prompt is missing."),
        ("a.csv", "prompt,prompt\na,b\n", "line 1: the header must name each column once, such as prompt,seed,steps."),
        ("a.csv", 'prompt\n"a\n', "line 2: it is broken: unexpected end of data."),
        ("a.csv", "prompt\n", "There are no requests in"),
        ("a.csv", "prompt,restore_faces\na,true\n", '"restore_faces" cannot be given for one picture: faces are'),
        ("a.csv", "prompt,sampler_options\na,{eta\n", "sampler_options '{eta' begins as JSON but is none"),
        ("a.csv", "prompt,eta\na,much\n", "line 2: eta 'much': must be a number."),
        ("a.csv", "prompt,steps\n" + "a,0\n" * 5, "line 4: steps '0': must be a whole number from 1 to 10000; and 2"),
        ("a.jsonl", '{"prompt": "a"\n[1]\n', "line 1: it is not JSON: "),
        ("a.jsonl", '{"prompt": "a"}\n[1]\n', "line 2: it is no JSON object but list."),
        ("a.txt", "--prompt a --seed\n", "line 1: --seed has no value."),
        ("a.txt", "--prompt a --prompt b\n", "line 1: --prompt is given twice."),
        ("a.txt", "--promt a\n", 'line 1: Unknown field "promt". Did you mean "prompt"'),
        ("a.txt", " \n", "is empty; it should hold requests, one a line."),
    ],
)  # fmt: skip
def test_every_broken_line_is_told_by_its_number(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    read = {".csv": read_csv, ".jsonl": read_jsonl, ".txt": read_lines}[path.suffix]
    with pytest.raises(RequestError) as error:
        read(path, {})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read: No such file or directory"):
        read_csv(tmp_path / "none.csv", {})
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(RequestError, match="is not UTF-8 text"):
        read_lines(tmp_path / "a.txt", {})
