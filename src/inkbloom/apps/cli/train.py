"""`inkbloom train`: the kinds of training. All but the starter's bring torch, and are imported when one is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from inkbloom.apps.cli.training.recipe_file import read_into
from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.training.loop import Progress

# Said here, since the commands' own help would bring torch with it
_HELP = """Train a model, or teach one something new.

- **lora, embedding, hypernetwork, controlnet**: a file beside the model.
- **dreambooth, diffusion**: the whole model, for a subject or for anything; `diffusion --from-nothing` a new one.
- **autoencoder, text-encoder**: pixels to latents and back; CLIP.
- **starter**: the model that comes with inkbloom.
"""

train = App(name="train", help=_HELP, config=(read_into,))
for _kind in (
    "lora",
    "embedding",
    "dreambooth",
    "diffusion",
    "hypernetwork",
    "controlnet",
    "autoencoder",
    "text-encoder",
):
    train.command(f"inkbloom.apps.cli.training.commands:{_kind.replace('-', '_')}", name=_kind)


@train.command
def starter(
    *,
    minutes: Annotated[
        float | None, Parameter(help="Time for all of it. [default: 120, or no limit with --steps]")
    ] = None,
    steps: Annotated[int | None, Parameter(help="At most so many steps in each of the three stages.")] = None,
    edition: Annotated[
        str, Parameter(help="small: 128 pixels and 64 objects, for a CPU. full: 256 pixels and over 400, for a GPU.")
    ] = "small",
    init: Annotated[Path | None, Parameter(help="Train this model on, instead of from nothing.")] = None,
    known_objects: Annotated[
        int, Parameter(help="How many of the first objects --init draws already; the others come more often.")
    ] = 0,
    piece_size: Annotated[
        int | None, Parameter(help="Also cut the model into pieces of at most so many MB, in OUTDIR/pieces.")
    ] = None,
    outdir: Annotated[Path, Parameter(help="Where state, logs and the model go; train on by the same folder.")] = Path(
        "runs/starter"
    ),
    device: Annotated[str | None, Parameter(help="cuda, mps or cpu. [default: the best present]")] = None,
    seed: Annotated[int, Parameter(help="For weights, scenes and noise.")] = 0,
) -> int:
    """Train the starter: scenes, captions, tokenizer, text encoder, autoencoder and U-Net, from nothing or from --init.

    It can be stopped at any time and goes on from its last state, at most two minutes old. The finished model lies in
    OUTDIR/model, a diffusers folder that --ckpt takes.

    ```
    inkbloom train starter --minutes 120
    inkbloom txt2img "a dog on a beach" --ckpt runs/starter/model
    inkbloom train starter --edition full --minutes 30 --device cuda \\
      --piece-size 16
    python -m inkbloom.training.starter.pieces runs/starter/pieces joined
    ```
    """
    if minutes is None and steps is None:
        minutes = 120.0
    if outdir.exists() and not outdir.is_dir():
        raise RequestError(f"--outdir {outdir} is a file; give a folder.")

    from inkbloom.pipelines.device import choose_compute
    from inkbloom.training.starter.train import train_starter

    model = train_starter(
        outdir,
        minutes=minutes,
        steps=steps,
        edition=edition,
        init=init,
        known_objects=known_objects,
        piece_megabytes=piece_size,
        device=choose_compute(device, None).device,
        seed=seed,
        on_progress=_print,
    )
    print(f"The starter is in {model.path}.")
    return 0


def _print(progress: Progress) -> None:
    metrics = "  ".join(f"{name} {value:.4g}" for name, value in progress.metrics.items())
    minutes = progress.seconds / 60
    print(
        f"{progress.job}  {progress.part:6.1%}  {minutes:5.1f} min  step {progress.step}  "
        f"{progress.steps_per_second:.2f} steps/s  {metrics}",
        flush=True,
    )
