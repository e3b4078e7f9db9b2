"""Teach the starter what it has never seen, and measure it: python scripts/starter_lesson.py --work FOLDER

A LoRA learns the hedgehog and an embedding the teapot, each from 8 true pictures, by the commands that the report
shows. The judge, which knows both, scores pictures of 24 prompts before and after. Writes `starter/lesson.png`, and
`FOLDER/lesson.md`, which scripts/starter_report.py takes up.
"""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from inkbloom import StableDiffusion
from inkbloom.pipelines.pictures import make_grid
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.training.starter.captions import canonical_caption
from inkbloom.training.starter.judge import Judge
from inkbloom.training.starter.teaching import unseen_scenes, write_lesson

FOLDER = Path(__file__).parent.parent / "starter"
NUM_PICTURES, NUM_PROMPTS, NUM_SHOWN = 8, 24, 8
TEST_SEED, FIRST_SEED = 99, 5_000
LORA_OBJECT, EMBEDDING_OBJECT, WORD = "hedgehog", "teapot", "mypot"
COMMON = "--resolution 128 --batch-size 4 --precision bf16 --seed 0"
LORA = f"train lora --data lesson/{LORA_OBJECT} --name {LORA_OBJECT} --output lora {COMMON} --rank 16 --repeats 50"
LORA += " --steps {lora_steps} --learning-rate 1e-3"
EMBEDDING = f"train embedding --data lesson/{EMBEDDING_OBJECT} --name {WORD} --output embedding {COMMON} --repeats 50"
EMBEDDING += f" --trigger-words.{WORD} 8 --initial-words.{WORD} apple --steps {{embedding_steps}} --learning-rate 3e-2"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for lessons, runs and lesson.md")
    parser.add_argument("--model", type=Path, help="diffusers folder [default: the shipped starter]")
    parser.add_argument("--lora-steps", type=int, default=300)
    parser.add_argument("--embedding-steps", type=int, default=600)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    write_lesson(work / "lesson" / LORA_OBJECT, LORA_OBJECT, NUM_PICTURES)
    write_lesson(work / "lesson" / EMBEDDING_OBJECT, EMBEDDING_OBJECT, NUM_PICTURES, word=WORD)
    commands = [
        LORA.format(lora_steps=arguments.lora_steps),
        EMBEDDING.format(embedding_steps=arguments.embedding_steps),
    ]
    minutes = [learn(command, work, arguments.model) for command in commands]

    library = work / "models"
    for kind, result in (("loras", work / "lora" / f"{LORA_OBJECT}.safetensors"), ("embeddings", embedding_file(work))):
        (library / kind).mkdir(parents=True, exist_ok=True)
        (library / kind / result.name).write_bytes(result.read_bytes())
    model, judge = StableDiffusion.load(arguments.model, library=library), Judge.load()
    rows, shown = [], []
    for name, taught in ((LORA_OBJECT, f"<lora:{LORA_OBJECT}:1>"), (EMBEDDING_OBJECT, None)):
        scenes = unseen_scenes(name, NUM_PROMPTS, TEST_SEED)
        captions = [canonical_caption(scene) for scene in scenes]
        after = [f"{c} {taught}" if taught else c.replace(name, WORD) for c in captions]
        for when, prompts in (("before", captions), ("after", after)):
            pictures = paint(model, prompts)
            rows.append((name, when, judge.score(pictures, scenes)))
            shown.append(pictures[:NUM_SHOWN])
    grid = [Image.fromarray(p.permute(1, 2, 0).numpy()) for p in torch.cat(shown)]
    make_grid(grid, NUM_SHOWN).save(FOLDER / "lesson.png", optimize=True)
    text = report(rows, commands, minutes)
    (work / "lesson.md").write_text(text, encoding="utf-8")
    print(text)


def learn(command: str, work: Path, model: Path | None) -> float:
    """Run `inkbloom COMMAND` in `work`; returns its minutes."""
    started = time.monotonic()
    base = ["--base", str(model.resolve())] if model else []
    subprocess.run([sys.executable, "-m", "inkbloom", *shlex.split(command), *base], cwd=work, check=True)
    return (time.monotonic() - started) / 60


def embedding_file(work: Path) -> Path:
    return work / "embedding" / f"{WORD}.safetensors"


def paint(model: StableDiffusion, prompts: Sequence[str]) -> Tensor:
    """uint8 (n, 3, height, width); picture i takes the seed FIRST_SEED + i."""
    requests = [
        model.resolve(GenerationRequest(prompt=prompt, seed=FIRST_SEED + i)) for i, prompt in enumerate(prompts)
    ]
    images = model.paint(requests).images
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)


def report(rows: Sequence[tuple], commands: Sequence[str], minutes: Sequence[float]) -> str:
    lines = ["| | | the object is there | the place is right |", "|---|---|---|---|"]
    for name, when, scores in rows:
        lines.append(f"| {name} | {when} | {scores.objects[0]:.0%} | {scores.scene:.0%} |")
    told = "\n".join(f"inkbloom {command}" for command in commands)
    return f"""
## It can be taught

Two objects are kept back from every starter, and the judge knows them. From {NUM_PICTURES} true pictures each
(`training/starter/teaching.py`), a LoRA learned the {LORA_OBJECT} in {minutes[0]:.0f} min and an embedding the
{EMBEDDING_OBJECT} in {minutes[1]:.0f} min here. {NUM_PROMPTS} prompts before and after, for the LoRA with
`<lora:{LORA_OBJECT}:1>`, for the embedding with "{WORD}" in place of "{EMBEDDING_OBJECT}":

{chr(10).join(lines)}

![Before and after](lesson.png)

Top to bottom: {LORA_OBJECT} before and after, {EMBEDDING_OBJECT} before and after; the first {NUM_SHOWN} prompts. By
`python scripts/starter_lesson.py`, which runs:

```
{told}
```
"""


if __name__ == "__main__":
    main()
