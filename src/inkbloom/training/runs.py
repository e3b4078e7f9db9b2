"""A training from its recipe to its result: open the model, look at the data, train, write the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from inkbloom.checkpoints import LoadedModel, load
from inkbloom.checkpoints.autoencoders import load_first_stage
from inkbloom.core.errors import TrainingError
from inkbloom.families import starter
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.models.clip import Clip
from inkbloom.models.vq import VQModel, VQSpec
from inkbloom.training.adapters.embedding import EmbeddingTraining
from inkbloom.training.adapters.hypernetwork import HypernetworkTraining
from inkbloom.training.adapters.lora import LoraTraining
from inkbloom.training.adapters.results import save_embeddings, save_hypernetwork, save_lora
from inkbloom.training.adapters.settings import EmbeddingSettings, HypernetworkSettings, LoraSettings
from inkbloom.training.autoencoder.job import AutoencoderJob
from inkbloom.training.batches import Batch
from inkbloom.training.control import ControlNetSettings, ControlNetTraining, save_control
from inkbloom.training.data.buckets import ModelSizes
from inkbloom.training.data.dataset import Dataset
from inkbloom.training.data.facts import OnProgress, ignore
from inkbloom.training.data.latents import LatentEncoder
from inkbloom.training.data.loader import Loader
from inkbloom.training.data.survey import Survey, survey
from inkbloom.training.denoising import Denoising, checkpoint_blocks
from inkbloom.training.estimates import Estimate, estimate, seconds_per_step
from inkbloom.training.evaluation import HeldOut
from inkbloom.training.finetune import FinetuneSettings, Finetuning, with_new_unet, with_own_parts
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import Budget, Job, Progress, run
from inkbloom.training.metadata import result_metadata
from inkbloom.training.objective import Objective
from inkbloom.training.recipes import AutoencoderRecipe, DiffusionRecipe, Recipe, TextEncoderRecipe, as_config
from inkbloom.training.results import save_model
from inkbloom.training.text_encoder import Contrastive, Retrieval, save_text_encoder
from inkbloom.training.world import World

_AUTOENCODER_SIZE = 256
"""Pixels of the pictures that autoencoders are trained on, as in the paper, where nothing is said."""
_CLIP_PATCHES = 14
"""The same for CLIP, in patches: 224 pixels for patches of 16."""

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

_DIFFUSION_JOBS: dict[type, type[Denoising]] = {
    FinetuneSettings: Finetuning,
    LoraSettings: LoraTraining,
    EmbeddingSettings: EmbeddingTraining,
    HypernetworkSettings: HypernetworkTraining,
    ControlNetSettings: ControlNetTraining,
}


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training that is ready to run."""

    recipe: Recipe
    job: TraineeJob
    data: Dataset
    world: World
    model: LoadedModel | None
    """What is taught, networks and all; None where it is no diffusion model."""

    @property
    def survey(self) -> Survey:
        return self.data.survey

    @property
    def folder(self) -> Path:
        return self.recipe.model.folder

    @property
    def budget(self) -> Budget:
        return self.recipe.run.budget(self.data.steps_per_epoch)

    def estimate(self) -> Estimate:
        """What one micro-batch of this process needs."""
        return estimate(
            self.job.trainee,
            self._micro_batch(),
            self.recipe.optimizer,
            autocast=self._autocast,
            accumulation=self.recipe.run.accumulation,
            averaged=self.recipe.run.ema_decay > 0,
        )

    def seconds_per_step(self) -> float:
        """Measured on one micro-batch, for all of a step."""
        seconds = seconds_per_step(self.job.trainee, self._micro_batch(), autocast=self._autocast)
        return len(self.job.parts) * seconds

    def _micro_batch(self) -> Batch:
        return self.data.batch(0, self.job.parts[0])

    @property
    def _autocast(self) -> torch.dtype | None:
        precision = self.recipe.run.precision
        return None if precision == "fp32" else DTYPES[precision]

    def encode(self, on_progress: OnProgress = ignore) -> None:
        """Fill the cache of latents, where there is one; `run` does it too."""
        self.data.prepare(rank=self.world.rank, world=self.world.size, on_progress=on_progress)
        self.world.wait()

    def run(
        self,
        *,
        stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_samples: Callable[[int, Job], None] = lambda step, job: None,
        on_warning: Callable[[str], None] = lambda warning: None,
    ) -> list[Path]:
        """Train, or go on with what stands in the run's folder, and write the result; returns its files.

        Raises as `loop.run`, and `OutputError` where the result cannot be written.
        """
        settings, data, world = self.recipe.run, self.recipe.data, self.world
        self.encode()
        with Loader(self.data, threads=data.loader_threads, ahead=data.loader_ahead) as loader:
            self.job.batches = loader
            run(
                self.job,
                self.folder,
                self.budget,
                self.recipe.optimizer.rate(self.budget.steps),
                pace=settings.pace(),
                keep=settings.keep,
                config=as_config(self.recipe) | {"data_fingerprint": self.survey.fingerprint},
                world=world,
                stop=stop,
                on_progress=on_progress,
                on_samples=on_samples,
                on_warning=on_warning,
            )
        self.job.batches = self.data
        with self.job.shown():
            return self._write() if world.main else []

    def _write(self) -> list[Path]:
        recipe, trainee = self.recipe, self.job.trainee
        dtype = DTYPES[recipe.model.result_precision]
        metadata = result_metadata(recipe, self.model, self.survey)
        path = self.folder / (recipe.model.name + ("" if recipe.model.as_folder else ".safetensors"))
        match trainee:
            case EmbeddingTraining():
                return save_embeddings(self.folder, trainee, metadata)
            case LoraTraining():
                path = path.with_name(f"{recipe.model.name}.safetensors")
                save_lora(path, trainee, metadata, dtype=dtype)
            case HypernetworkTraining():
                path = path.with_name(f"{recipe.model.name}.pt")
                save_hypernetwork(path, trainee, metadata, step=recipe.run.steps or 0)
            case Contrastive():
                path = path.with_name(recipe.model.name)
                save_text_encoder(path, trainee, metadata, dtype=dtype)
            case ControlNetTraining():
                save_control(path, trainee, metadata, dtype=dtype)
            case Finetuning():
                save_model(path, trainee, metadata, dtype=dtype)
            case _:
                assert isinstance(self.job, AutoencoderJob)
                self.job.save(path, size=self.survey.buckets[0][0], metadata=metadata, dtype=dtype)
        return [path]


def prepare(
    recipe: Recipe,
    device: torch.device,
    *,
    world: World | None = None,
    writes: bool = True,
    on_progress: OnProgress = ignore,
) -> Training:
    """Open the model and look at all of the data; what was found out is kept in the run's folder if it `writes`.

    Raises `CheckpointError` for a base that cannot be used, `TrainingError` and `RequestError` for data or settings
    that cannot be trained with: whatever is known before the first step.
    """
    world = world or World()
    folder = recipe.model.folder if writes else None
    if isinstance(recipe, DiffusionRecipe):
        return _prepare_diffusion(recipe, device, world, folder, on_progress)
    if isinstance(recipe, AutoencoderRecipe):
        return _prepare_autoencoder(recipe, device, world, folder, on_progress)
    return _prepare_text_encoder(recipe, device, world, folder, on_progress)


def _prepare_diffusion(
    recipe: DiffusionRecipe, device: torch.device, world: World, folder: Path | None, on_progress: OnProgress
) -> Training:
    model = _open(recipe, device)
    assert model.autoencoder is not None
    seen = survey(
        recipe.data,
        ModelSizes.of(model.spec),
        seed=recipe.run.seed,
        folder=folder,
        tokenizer=model.tokenizer,
        max_tokens=model.spec.text.max_tokens - 2,
        on_progress=on_progress,
    )
    cache = (recipe.data.cache_folder or folder / "latents") if recipe.data.cache_latents and folder else None
    if isinstance(recipe.own, EmbeddingSettings):
        _check_named(recipe.own.trigger_words, seen)
    data = Dataset(seen, encoder=LatentEncoder(model.autoencoder, model.spec.latent_scale, cache))
    build: Any = _DIFFUSION_JOBS[type(recipe.own)]
    trainee = build(
        model, Objective(recipe.objective, model.spec), recipe.own, recipe.conditioning, seed=recipe.run.seed
    )
    if recipe.run.gradient_checkpointing:
        for network in (trainee.unet, trainee.text):
            checkpoint_blocks(network)
    held_out = HeldOut(trainee, data.held_out, recipe.evaluation) if seen.held_out else None
    job = TraineeJob.build(recipe.kind, trainee, data, recipe.optimizer, recipe.run, evaluation=held_out, world=world)
    return Training(recipe=recipe, job=job, data=data, world=world, model=replace(model, spec=trainee.objective.spec))


def _open(recipe: DiffusionRecipe, device: torch.device) -> LoadedModel:
    """The model that is begun with, on the device: the base, or parts of it and what is new."""
    dtype = DTYPES[recipe.model.base_precision]
    model = load(recipe.model.base or starter.FOLDER, dtype=dtype, device=device)
    if isinstance(recipe.own, FinetuneSettings) and recipe.own.from_nothing:
        model = with_new_unet(with_own_parts(model, recipe.own), recipe.own.unet_size, seed=recipe.run.seed)
        for network in (model.text, model.autoencoder):
            assert network is not None
            network.to(device, dtype)
        assert model.unet is not None
        model.unet.to(device)
    return model


def _check_named(words: Iterable[str], seen: Survey) -> None:
    """`TrainingError` for a word that no caption names: it would learn nothing."""
    settings = seen.settings
    added = [settings.caption_prefix, settings.caption_suffix, *settings.caption_replacements]
    captions = " ".join([*(item.example.caption for item in seen.items), *added])
    for word in words:
        if word not in captions:
            raise TrainingError(
                f'trigger_words: no caption names "{word}"; write it into them, or begin all with it: '
                f'caption_prefix = "{word}, ".'
            )


def _prepare_autoencoder(
    recipe: AutoencoderRecipe, device: torch.device, world: World, folder: Path | None, on_progress: OnProgress
) -> Training:
    if recipe.model.base is not None:
        network = load_first_stage(recipe.model.base)
    else:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(recipe.run.seed)
            spec = recipe.own.spec()
            network = VQModel(spec) if isinstance(spec, VQSpec) else AutoencoderKL(spec)
    sizes = ModelSizes.of_autoencoder(network.spec, _AUTOENCODER_SIZE)
    data = _pixels(recipe, sizes, folder, on_progress)
    job = AutoencoderJob(
        network.to(device), data, recipe.own, recipe.optimizer, recipe.run, held_out=data.held_out, world=world
    )
    return Training(recipe=recipe, job=job, data=data, world=world, model=None)


def _prepare_text_encoder(
    recipe: TextEncoderRecipe, device: torch.device, world: World, folder: Path | None, on_progress: OnProgress
) -> Training:
    patch = recipe.own.patch_size
    sizes = ModelSizes(default=_CLIP_PATCHES * patch, downscale=patch, step=patch)
    data = _pixels(recipe, sizes, folder, on_progress)
    tokenizer = recipe.own.tokenizer(item.example.caption for item in data.survey.items)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.run.seed)
        clip = Clip(recipe.own.spec(tokenizer, data.survey.buckets[0][0])).to(device)
    if recipe.run.gradient_checkpointing:
        checkpoint_blocks(clip)
    trainee = Contrastive(clip, tokenizer)
    retrieval = Retrieval(trainee, data.held_out)
    job = TraineeJob.build(recipe.kind, trainee, data, recipe.optimizer, recipe.run, evaluation=retrieval, world=world)
    return Training(recipe=recipe, job=job, data=data, world=world, model=None)


def _pixels(
    recipe: AutoencoderRecipe | TextEncoderRecipe, sizes: ModelSizes, folder: Path | None, on_progress: OnProgress
) -> Dataset:
    """The data as pictures; of one square size where CLIP reads them."""
    settings = replace(recipe.data, buckets=False) if isinstance(recipe, TextEncoderRecipe) else recipe.data
    seen = survey(settings, sizes, seed=recipe.run.seed, folder=folder, on_progress=on_progress)
    return Dataset(seen)
