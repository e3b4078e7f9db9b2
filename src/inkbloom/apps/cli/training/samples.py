"""Sample pictures of a training as grids in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inkbloom.apps.cli.training.watching import WatchSettings
from inkbloom.apps.samples import SamplePainter
from inkbloom.pipelines.pictures import make_grid
from inkbloom.pipelines.saving import numbered, prepare_folder, save_picture

if TYPE_CHECKING:
    from inkbloom.training.loop import Job
    from inkbloom.training.runs import Training

_COLUMNS = 4


class SampleGrids:
    """Paints into `folder`/step-00000100.png, a grid with a picture for each prompt."""

    def __init__(self, training: Training, watch: WatchSettings, folder: Path) -> None:
        self.folder = folder
        self.painter = SamplePainter(
            training, folder, prompts=watch.sample_prompts, seed=watch.sample_seed, steps=watch.sample_steps
        )

    def __call__(self, step: int, job: Job) -> None:
        """To be called while the networks have the weights that are to be judged by."""
        prepare_folder(self.folder)
        names = numbered(self.folder, f"step-{step:08}-{{}}.png", 0)
        save_picture(make_grid(self.painter(), _COLUMNS), names)
