"""Merges by a worker."""

from pathlib import Path

from safetensors.torch import load_file

from inkbloom.checkpoints import merging

from .conftest import Office, end, told


def test_merge(office: Office, models_dir: Path, tmp_path: Path) -> None:
    heard = office.run({"kind": "merge", "models": ["tiny", "tiny"], "multiplier": 0.5, "name": "half"})
    assert end(heard) == ("done", "")
    assert told(heard, "result")[-1]["result"] == {"model": "half", "files": ["half.safetensors"]}
    made = models_dir / "checkpoints" / "half.safetensors"
    file = models_dir / "checkpoints" / "tiny.safetensors"
    recipe = merging.MergeRecipe(models=(file, file), multiplier=0.5, name="half")
    assert made.read_bytes() == merging.merge(recipe, tmp_path).read_bytes()
    assert load_file(made).keys() == load_file(file).keys()

    again = office.run({"kind": "merge", "models": ["tiny", "tiny"], "multiplier": 0.5, "name": "half"})
    assert again[-1]["type"] == "OutputError"
    # An attempt that was killed after it had written, before it could tell
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "merge-begun").touch()
    again = office.run(
        {"kind": "merge", "models": ["tiny", "tiny"], "multiplier": 0.5, "name": "half"}, spool=str(spool)
    )
    assert end(again) == ("done", "")
    made.unlink()


def test_compare(office: Office) -> None:
    heard = office.run({"kind": "merge", "models": ["tiny", "tiny"], "compare": True})
    (told_,) = told(heard, "result")
    blocks = {row["block"]: row for row in told_["result"]["blocks"]}
    assert blocks["IN00"]["distance"] == 0
    assert abs(blocks["IN00"]["cosine"] - 1) < 1e-9
    assert blocks["IN00"]["tensors"] > 0


def test_what_cannot_be_merged(office: Office) -> None:
    heard = office.run({"kind": "merge", "models": ["tiny", "tyni"]})
    assert heard[-1]["message"].startswith('There is no model "tyni"')
    heard = office.run({"kind": "merge", "models": ["tiny"], "method": "slerp"})
    assert heard[-1]["message"] == "The method slerp takes 2 models (A and B); 1 were given."
