"""Fixed prompts with fixed seeds, painted as the training goes on: what the model has learned by then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inkbloom.apps.cli.training.watching import WatchSettings
from inkbloom.checkpoints.library import Library
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.pipelines.device import Compute
from inkbloom.pipelines.pictures import make_grid
from inkbloom.pipelines.saving import numbered, prepare_folder, save_picture
from inkbloom.pipelines.stable_diffusion import StableDiffusion
from inkbloom.training.adapters.embedding import EmbeddingTraining
from inkbloom.training.adapters.results import save_embeddings

if TYPE_CHECKING:
    from inkbloom.training.loop import Job
    from inkbloom.training.runs import Training

_COLUMNS = 4


class SamplePainter:
    """Paints into `folder`/step-00000100.png, a grid with a picture for each prompt."""

    def __init__(self, training: Training, watch: WatchSettings, folder: Path) -> None:
        """Without prompts of its own it takes the first captions of the data."""
        self.training, self.watch, self.folder = training, watch, folder
        captions = dict.fromkeys(item.example.caption for item in training.survey.items)
        self.prompts = watch.sample_prompts or tuple(captions)[:_COLUMNS]

    def __call__(self, step: int, job: Job) -> None:
        """To be called while the networks have the weights that are to be judged by."""
        prepare_folder(self.folder)
        model = self._open()
        pictures = []
        for i, prompt in enumerate(self.prompts):
            pictures += model.generate(prompt, seed=self.watch.sample_seed + i, steps=self.watch.sample_steps).images
        names = numbered(self.folder, f"step-{step:08}-{{}}.png", 0)
        save_picture(make_grid(pictures, _COLUMNS), names)

    def _open(self) -> StableDiffusion:
        """A pipeline of the networks as they are now; anew each time, since it remembers encoded texts."""
        loaded, trainee, library = self.training.model, self.training.job.trainee, None
        assert loaded is not None
        assert loaded.unet is not None
        assert loaded.autoencoder is not None
        if isinstance(trainee, EmbeddingTraining):
            save_embeddings(self.folder / "models" / "embeddings", trainee)
            library = Library(self.folder / "models")
        weight = loaded.unet.conv_in.weight
        autoencoder_dtype = loaded.autoencoder.quant_conv.weight.dtype
        compute = Compute(device=weight.device, dtype=weight.dtype, autoencoder_dtype=autoencoder_dtype)
        return StableDiffusion(
            loaded, Autoencoder(loaded.autoencoder, loaded.spec.latent_scale), compute, library=library
        )
