"""`inkbloom train`: models from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.training.loop import Progress

train = App(name="train", help="Train a model.")


@train.command
def starter(
    *,
    minutes: Annotated[
        float | None, Parameter(help="Time for all of it. [default: 120, or no limit with --steps]")
    ] = None,
    steps: Annotated[int | None, Parameter(help="At most so many steps in each of the two stages.")] = None,
    outdir: Annotated[Path, Parameter(help="Where state, logs and the model go; train on by the same folder.")] = Path(
        "runs/starter"
    ),
    device: Annotated[str | None, Parameter(help="cuda, mps or cpu. [default: the best present]")] = None,
    seed: Annotated[int, Parameter(help="For weights, scenes and noise.")] = 0,
) -> int:
    """Train the starter from nothing: scenes, captions, tokenizer, autoencoder, text encoder and U-Net.

    It can be stopped at any time and goes on from its last state, at most two minutes old. The finished model lies in
    OUTDIR/model, a diffusers folder that --ckpt takes.

    ```
    inkbloom train starter --minutes 120
    inkbloom txt2img "a dog on a beach" --ckpt runs/starter/model
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
