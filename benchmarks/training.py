"""Samples a second of each kind of training beside diffusers' example loop, on the same model: the starter.

python benchmarks/training.py [--steps 20] [--batch 8] [--threads 2]

Both see the same latents, captions and batch size in float32, with AdamW; theirs is what its example scripts do in a
step (train_text_to_image, train_text_to_image_lora with peft, textual_inversion, train_controlnet, and for autoencoders
train_autoencoderkl without its adversary), written out. They take turns, step by step, so that a busy machine slows
both alike; the ratio is that of the medians. Ours also keeps a moving average (EMA), theirs does not.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import diffusers
import peft
import torch
import transformers
from torch.nn import functional as F

from inkbloom.checkpoints import LoadedModel, load
from inkbloom.families import starter
from inkbloom.training.adapters.embedding import EmbeddingTraining
from inkbloom.training.adapters.hypernetwork import HypernetworkTraining
from inkbloom.training.adapters.lora import LoraTraining
from inkbloom.training.adapters.settings import EmbeddingSettings, HypernetworkSettings, LoraSettings
from inkbloom.training.autoencoder.job import AutoencoderJob
from inkbloom.training.autoencoder.settings import AutoencoderSettings
from inkbloom.training.batches import Batch
from inkbloom.training.control import ControlNetTraining
from inkbloom.training.finetune import FinetuneSettings, Finetuning
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import RunSettings
from inkbloom.training.objective import Objective, ObjectiveSettings
from inkbloom.training.optimizers import OptimizerSettings

FOLDER = starter.FOLDER
SIDE, LATENT = 128, 16
Step = Callable[[int], object]


class Data:
    """Fulfils `Batches` from memory: the loaders are another matter (`benchmarks/loader.py`)."""

    steps_per_epoch = 1

    def __init__(self, batch_size: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.global_size = batch_size
        self.latents = torch.randn(batch_size, 4, LATENT, LATENT, generator=generator)
        self.pixels = torch.rand(batch_size, 3, SIDE, SIDE, generator=generator) * 2 - 1
        self.captions = tuple(f"a mycat and a dog, number {i}" for i in range(batch_size))

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        return Batch(
            step=step,
            rows=tuple(rows),
            global_size=self.global_size,
            captions=self.captions,
            latents=self.latents,
            pixels=self.pixels,
            hints=(self.pixels + 1) / 2,
        )


def ours(kind: str, data: Data) -> Step:
    model = load(FOLDER, dtype=torch.float32)
    if kind == "autoencoder":
        assert model.autoencoder is not None
        settings = AutoencoderSettings(adversary_weight=0.0)
        job = AutoencoderJob(
            model.autoencoder, data, settings, OptimizerSettings(), RunSettings(), held_out=lambda: iter(())
        )
    else:
        job = TraineeJob.build(kind, _trainee(kind, model), data, OptimizerSettings(), RunSettings())
    return lambda step: job.train_step(step, 1e-4)


def _trainee(kind: str, model: LoadedModel) -> torch.nn.Module:
    objective = Objective(ObjectiveSettings(), model.spec)
    match kind:
        case "diffusion":
            return Finetuning(model, objective, FinetuneSettings())
        case "dreambooth":
            return Finetuning(model, objective, FinetuneSettings(train_text_encoder=True))
        case "lora":
            return LoraTraining(model, objective, LoraSettings(targets="attention", adapt_text_encoder=False))
        case "embedding":
            return EmbeddingTraining(model, objective, EmbeddingSettings(trigger_words={"mycat": 1}))
        case "hypernetwork":
            return HypernetworkTraining(model, objective, HypernetworkSettings())
        case _:
            return ControlNetTraining(model, objective)


def theirs(kind: str, data: Data) -> Step | None:
    """One step of diffusers' example; None where it has none."""
    if kind == "hypernetwork":
        return None
    if kind == "autoencoder":
        return _their_autoencoder(data)
    unet = diffusers.UNet2DConditionModel.from_pretrained(FOLDER, subfolder="unet").float()
    text = transformers.CLIPTextModel.from_pretrained(FOLDER / "text_encoder").float()
    tokenizer = transformers.CLIPTokenizer.from_pretrained(FOLDER / "tokenizer")
    schedule = diffusers.DDPMScheduler.from_pretrained(FOLDER, subfolder="scheduler")
    ids = tokenizer(list(data.captions), padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    control = None
    unet.requires_grad_(kind in ("diffusion", "dreambooth"))
    text.requires_grad_(kind == "dreambooth")
    trained: list[torch.nn.Parameter] = []
    if kind == "lora":
        names = ["to_q", "to_k", "to_v", "to_out.0"]
        unet.add_adapter(peft.LoraConfig(r=16, lora_alpha=16, target_modules=names, init_lora_weights="gaussian"))
    elif kind == "embedding":
        text.get_input_embeddings().requires_grad_(True)
    elif kind == "controlnet":
        control = diffusers.ControlNetModel.from_unet(unet)
        trained += control.parameters()
    trained += [p for network in (unet, text) for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    kept = text.get_input_embeddings().weight.detach().clone()

    def step(number: int) -> None:
        noise = torch.randn_like(data.latents)
        t = torch.randint(0, schedule.config.num_train_timesteps, (len(noise),))
        noised = schedule.add_noise(data.latents, noise, t)
        states = text(ids.input_ids)[0]
        extra = {}
        if control is not None:
            hints = (data.pixels + 1) / 2
            down, middle = control(noised, t, states, controlnet_cond=hints, return_dict=False)
            extra = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        predicted = unet(noised, t, states, return_dict=False, **extra)[0]
        loss = F.mse_loss(predicted, schedule.get_velocity(data.latents, noise, t))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if kind == "embedding":  # the script trains the whole table and puts all but the new rows back
            with torch.no_grad():
                text.get_input_embeddings().weight[:-1] = kept[:-1]

    return step


def _their_autoencoder(data: Data) -> Step:
    network = diffusers.AutoencoderKL.from_pretrained(FOLDER, subfolder="vae").float()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step(number: int) -> None:
        posterior = network.encode(data.pixels).latent_dist
        picture = network.decode(posterior.sample()).sample
        loss = F.l1_loss(picture, data.pixels) + 1e-6 * posterior.kl().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


KINDS = ("diffusion", "dreambooth", "lora", "embedding", "hypernetwork", "controlnet", "autoencoder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.utils.logging.disable_progress_bar()
    data = Data(arguments.batch)
    print(f"{arguments.steps} steps of {arguments.batch}, {arguments.threads} threads, float32, {Path(FOLDER).name}")
    print(f"{'':<14}{'ours':>14}{'diffusers':>14}{'ratio':>8}   (samples a second)")
    for kind in arguments.kinds:
        loops = [ours(kind, data), theirs(kind, data)]
        times: list[list[float]] = [[], []]
        for step in range(arguments.steps + 2):
            for loop, seconds in zip(loops, times, strict=True):
                if loop is not None:
                    started = time.perf_counter()
                    loop(step)
                    seconds.append(time.perf_counter() - started)
        speeds = [arguments.batch / statistics.median(seconds[2:]) if seconds else None for seconds in times]
        ratio = speeds[0] / speeds[1] if speeds[0] and speeds[1] else None
        cells = [f"{speed:.1f}" if speed else "-" for speed in speeds]
        print(f"{kind:<14}{cells[0]:>14}{cells[1]:>14}{f'{ratio:.2f}' if ratio else '-':>8}", flush=True)


if __name__ == "__main__":
    main()
