"""`inkbloom train KIND`: the kinds of training as commands, each from a TOML file, flags, or both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Group, Parameter

from inkbloom.apps.cli.training.running import execute
from inkbloom.apps.cli.training.watching import WatchSettings
from inkbloom.training.adapters.settings import EmbeddingSettings, HypernetworkSettings, LoraSettings
from inkbloom.training.autoencoder.settings import AutoencoderSettings
from inkbloom.training.control import ControlNetSettings
from inkbloom.training.data.settings import DataSettings
from inkbloom.training.denoising import ConditioningSettings
from inkbloom.training.evaluation import EvaluationSettings
from inkbloom.training.finetune import FinetuneSettings
from inkbloom.training.loop import RunSettings
from inkbloom.training.objective import ObjectiveSettings
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.recipes import AutoencoderRecipe, DiffusionRecipe, ModelSettings, TextEncoderRecipe
from inkbloom.training.text_encoder import TextEncoderSettings

T = TypeVar("T")


def _section(title: str, place: int) -> Parameter:
    return Parameter(name="*", group=Group(title, sort_key=place), negative_iterable="")


Config = Annotated[
    Path | None, Parameter(help="A TOML file with any of the fields below, by the same names; flags go before it.")
]
DryRun = Annotated[
    bool, Parameter(negative="", help="Say what would be done, what is wrong with the data, memory and time; then end.")
]
Device = Annotated[str | None, Parameter(help="cuda, mps or cpu. [default: the best present]")]
Model = Annotated[ModelSettings | None, _section("Model and result", 1)]
Own = _section("What is trained", 2)
Data = Annotated[DataSettings | None, _section("Pictures and captions", 3)]
Run = Annotated[RunSettings | None, _section("Run", 4)]
Watch = Annotated[WatchSettings | None, _section("Watching", 5)]
Optimizer = Annotated[OptimizerSettings | None, _section("Optimizer", 6)]
Objective = Annotated[ObjectiveSettings | None, _section("Objective", 7)]
Conditioning = Annotated[ConditioningSettings | None, _section("Captions as conditioning", 8)]
Evaluation = Annotated[EvaluationSettings | None, _section("Held-out measurement", 9)]


def lora(
    *,
    config: Config = None,
    dry_run: DryRun = False,
    device: Device = None,
    own: Annotated[LoraSettings | None, Own] = None,
    model: Model = None,
    data: Data = None,
    run: Run = None,
    watch: Watch = None,
    optimizer: Optimizer = None,
    objective: Objective = None,
    conditioning: Conditioning = None,
    evaluation: Evaluation = None,
) -> int:
    """Teach a model something new as a LoRA: a small file beside the model (also LoCon, LoHa, LoKr, DoRA).

    ```
    inkbloom train lora --data pictures --steps 500 --name mycat
    inkbloom train lora --config mycat.toml --dry-run
    ```
    """
    return _diffusion("lora", own or LoraSettings(), **_given(locals()))


def embedding(
    *,
    config: Config = None,
    dry_run: DryRun = False,
    device: Device = None,
    own: Annotated[EmbeddingSettings | None, Own] = None,
    model: Model = None,
    data: Data = None,
    run: Run = None,
    watch: Watch = None,
    optimizer: Optimizer = None,
    objective: Objective = None,
    conditioning: Conditioning = None,
    evaluation: Evaluation = None,
) -> int:
    """Teach the text encoder new words (textual inversion); captions name them.

    ```
    inkbloom train embedding --data pictures --trigger-words.mycat 4 \\
      --initial-words.mycat cat --steps 800
    ```
    """
    return _diffusion("embedding", own or EmbeddingSettings(), **_given(locals()))


def dreambooth(
    *,
    config: Config = None,
    dry_run: DryRun = False,
    device: Device = None,
    own: Annotated[FinetuneSettings | None, Own] = None,
    model: Model = None,
    data: Data = None,
    run: Run = None,
    watch: Watch = None,
    optimizer: Optimizer = None,
    objective: Objective = None,
    conditioning: Conditioning = None,
    evaluation: Evaluation = None,
) -> int:
    """Teach a whole model a subject, beside pictures of its class that keep the class as it is (prior preservation).

    ```
    inkbloom train dreambooth --data mycat --default-caption "a sks cat" \\
      --regularisation-data cats --steps 800
    ```
    """
    return _diffusion("dreambooth", own or FinetuneSettings(), **_given(locals()))


def diffusion(
    *,
    config: Config = None,
    dry_run: DryRun = False,
    device: Device = None,
    own: Annotated[FinetuneSettings | None, Own] = None,
    model: Model = None,
    data: Data = None,
    run: Run = None,
    watch: Watch = None,
    optimizer: Optimizer = None,
    objective: Objective = None,
    conditioning: Conditioning = None,
    evaluation: Evaluation = None,
) -> int:
    """Train a whole U-Net: an existing model on new pictures, or one from nothing (--from-nothing).

    ```
    inkbloom train diffusion --data pictures --base model.safetensors --epochs 10
    inkbloom train diffusion --data pictures --from-nothing \\
      --caption-dropout 0.1 --minutes 600
    ```
    """
    return _diffusion("diffusion", own or FinetuneSettings(), **_given(locals()))


def hypernetwork(
    *,
    config: Config = None,
    dry_run: DryRun = False,
    device: Device = None,
    own: Annotated[HypernetworkSettings | None, Own] = None,
    model: Model = None,
    data: Data = None,
    run: Run = None,
    watch: Watch = None,
    optimizer: Optimizer = None,
    objective: Objective = None,
    conditioning: Conditioning = None,
    evaluation: Evaluation = None,
) -> int:
    """Train a hypernetwork, as AUTOMATIC1111 has them: small networks in front of the U-Net's keys and values.

    ```
    inkbloom train hypernetwork --data pictures --layer-structure 1 \\
      --layer-structure 2 --layer-structure 1 --steps 2000
    ```
    """
    return _diffusion("hypernetwork", own or HypernetworkSettings(), **_given(locals()))


def controlnet(
    *,
    config: Config = None,
    dry_run: DryRun = False,
    device: Device = None,
    own: Annotated[ControlNetSettings | None, Own] = None,
    model: Model = None,
    data: Data = None,
    run: Run = None,
    watch: Watch = None,
    optimizer: Optimizer = None,
    objective: Objective = None,
    conditioning: Conditioning = None,
    evaluation: Evaluation = None,
) -> int:
    """Train a ControlNet on pictures and their hints (edges, depth, ...), which lie in --hint-folder by the same names.

    ```
    inkbloom train controlnet --data pictures --hint-folder edges --steps 10000
    ```
    """
    return _diffusion("controlnet", own or ControlNetSettings(), **_given(locals()))


def autoencoder(
    *,
    config: Config = None,
    dry_run: DryRun = False,
    device: Device = None,
    own: Annotated[AutoencoderSettings | None, Own] = None,
    model: Model = None,
    data: Data = None,
    run: Run = None,
    watch: Watch = None,
    optimizer: Optimizer = None,
) -> int:
    """Train an autoencoder (KL or VQ), from nothing or, with --base, that of a model on new pictures.

    ```
    inkbloom train autoencoder --data pictures --resolution 256 --minutes 600
    ```
    """
    sections = {"model": model, "data": data, "optimizer": optimizer, "run": run}
    recipe = AutoencoderRecipe(own=own or AutoencoderSettings(), **_present(sections))
    return execute(recipe, watch or WatchSettings(), device=device, dry_run=dry_run)


def text_encoder(
    *,
    config: Config = None,
    dry_run: DryRun = False,
    device: Device = None,
    own: Annotated[TextEncoderSettings | None, Own] = None,
    model: Model = None,
    data: Data = None,
    run: Run = None,
    watch: Watch = None,
    optimizer: Optimizer = None,
) -> int:
    """Train CLIP from nothing on pictures and captions (contrastive), for its text encoder.

    ```
    inkbloom train text-encoder --data pictures --resolution 224 \\
      --batch-size 64 --epochs 30
    ```
    """
    sections = {"model": model, "data": data, "optimizer": optimizer, "run": run}
    recipe = TextEncoderRecipe(own=own or TextEncoderSettings(), **_present(sections))
    return execute(recipe, watch or WatchSettings(), device=device, dry_run=dry_run)


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    """A command's arguments but for what is its own."""
    return {name: value for name, value in arguments.items() if name not in ("own", "config")}


def _present(sections: dict[str, Any]) -> dict[str, Any]:
    return {name: section for name, section in sections.items() if section is not None}


def _diffusion(
    kind: str, own: Any, *, watch: WatchSettings | None, device: str | None, dry_run: bool, **sections: Any
) -> int:
    recipe = DiffusionRecipe(kind=kind, own=own, **_present(sections))
    return execute(recipe, watch or WatchSettings(), device=device, dry_run=dry_run)
