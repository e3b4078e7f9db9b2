"""Fixed prompts with fixed seeds, painted as a training goes on: what the model has learned by then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inkbloom.checkpoints.library import Library
from inkbloom.core.pictures import as_rgb
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.pipelines.device import Compute
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.saving import prepare_folder
from inkbloom.pipelines.stable_diffusion import StableDiffusion
from inkbloom.training.adapters.embedding import EmbeddingTraining
from inkbloom.training.adapters.results import save_embeddings
from inkbloom.training.control import ControlNetTraining, save_control
from inkbloom.training.data.decoding import decode

if TYPE_CHECKING:
    from PIL.Image import Image

    from inkbloom.training.runs import Training

MOST = 4
"""So many of the data's captions are prompts where none are given."""


class SamplePainter:
    """Paints a picture for each prompt with what a training has made of its model."""

    def __init__(
        self,
        training: Training,
        folder: Path,
        *,
        prompts: Sequence[str] = (),
        seed: int = 0,
        steps: int | None = None,
    ) -> None:
        """Without prompts it takes the first captions of the data. New words and ControlNets are written into
        `folder`.

        `seed` is the first picture's, the next ones count up; `steps` None are the model's own.
        """
        self.training, self.folder, self.seed, self.steps = training, folder, seed, steps
        captions = dict.fromkeys(item.example.caption for item in training.survey.items)
        self.prompts = tuple(prompts) or tuple(captions)[:MOST]
        self.hints = [item.example.hint for item in training.survey.items if item.example.hint is not None]

    def __call__(self) -> list[Image]:
        """To be called while the networks have the weights that are to be judged by."""
        model, control, pictures = self._open(), self._control(), []
        for i, prompt in enumerate(self.prompts):
            controls = []
            if control is not None:
                hint = PictureSource.of(as_rgb(decode(self.hints[i % len(self.hints)])))
                controls = [{"model": str(control), "image": hint}]
            pictures += model.generate(prompt, seed=self.seed + i, steps=self.steps, controls=controls).images
        return pictures

    def _control(self) -> Path | None:
        """The ControlNet in training as it is now, written into the folder; it paints on the data's hints in turn."""
        trainee = self.training.job.trainee
        if not isinstance(trainee, ControlNetTraining):
            return None
        path = self.folder / "models" / "controlnet" / "trained.safetensors"
        prepare_folder(path.parent)
        save_control(path, trainee)
        return path

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
