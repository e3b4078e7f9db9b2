"""`inkbloom lora`: what is in a LoRA, a checkpoint with it merged in, and LoRAs made of models or of other LoRAs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from inkbloom.core.errors import OutputError, RequestError

if TYPE_CHECKING:
    from inkbloom.checkpoints.adapters import Fit
    from inkbloom.families.spec import ModelSpec

lora = App(
    name="lora",
    help="Look at LoRAs (and LoCon, LoHa, LoKr, DoRA, ...), merge them into checkpoints, and make new ones.",
    help_format="markdown",
)

Adapter = Annotated[Path, Parameter(help="A .safetensors or .pt file, or a folder of PEFT's or diffusers'.")]
Target = Annotated[Path, Parameter(help="The new .safetensors file.")]
Model = Annotated[Path | None, Parameter(help="The model that it is for. [default: any Stable Diffusion 1]")]
Keep = Annotated[
    float, Parameter(help="Give each layer no more rank than it needs for this share of its change, such as 0.95.")
]
Precision = Annotated[str | None, Parameter(help="float32, float16 or bfloat16. [default: as computed or stored]")]
Overwrite = Annotated[bool, Parameter(negative="", show_default=False, help="Replace a file of this name.")]

_LISTED = 20


@lora.command
def show(adapter: Adapter, /, *, model: Model = None) -> int:
    """Say what an adapter is: its kinds, ranks, alphas, the norm of its change in each block, and what is not applied.

    The change of some kinds depends on the model's weights; its norm is shown where MODEL is given.

    ```
    inkbloom lora show style.safetensors
    ```
    """
    from inkbloom.checkpoints import load
    from inkbloom.checkpoints.adapters import fit, read_adapter
    from inkbloom.checkpoints.adapters.inspecting import summarise
    from inkbloom.families.sd1 import SD1

    file = read_adapter(adapter)
    loaded = load(model, components=("text", "unet")) if model is not None else None
    spec = loaded.spec if loaded is not None else SD1
    fitted = fit(file, spec)
    print(
        f"{file.path}: {len(file.layers)} layers; of its tensors {len(fitted.applied)} are applied, "
        f"{len(fitted.not_applied)} are not."
    )
    print(f"{'block':7}{'layers':>7}{'norm':>10}  {'rank':10} {'alpha':10} kind")
    for one in summarise(fitted, spec, loaded):
        norm = "-" if one.norm is None else f"{one.norm:.4g}"
        ranks, alphas = _range(one.ranks), _range(one.alphas)
        print(f"{one.block:7}{one.layers:7}{norm:>10}  {ranks:10} {alphas:10} {', '.join(one.kinds)}")
    for embedding in file.embeddings:
        print(f"embedding: {embedding.name!r}, {embedding.vectors.shape[0]} vectors")
    for name in fitted.not_applied[:_LISTED]:
        print(f"not applied: {name!r}")
    if len(fitted.not_applied) > _LISTED:
        print(f"not applied: {len(fitted.not_applied) - _LISTED} more")
    return 0


@lora.command
def apply(
    model: Annotated[Path, Parameter(help="A .safetensors or .ckpt file, or a diffusers folder.")],
    /,
    *adapters: Annotated[str, Parameter(help="FILE, FILE:WEIGHT, or FILE:TEXT_WEIGHT:UNET_WEIGHT.")],
    output: Annotated[Path, Parameter(name=("--output", "-o"), help="The new .safetensors or .ckpt file.")],
    blocks: Annotated[
        str | None, Parameter(help="Factors of single blocks, as IN00=0.5,M00=1,OUT=0, or 25 numbers (26 with BASE).")
    ] = None,
    rank: Annotated[int | None, Parameter(help="Use so many components of each layer only.")] = None,
    precision: Annotated[str | None, Parameter(help="float32, float16 or bfloat16. [default: as the model]")] = None,
    overwrite: Overwrite = False,
) -> int:
    """Merge adapters into a model and write it as a new file.

    ```
    inkbloom lora apply model.safetensors film.safetensors:0.8 -o new.safetensors
    inkbloom lora apply model.safetensors film.safetensors:0.5:0.8 \\
      detail.safetensors --output both.safetensors
    ```
    """
    from inkbloom.checkpoints import load, save_ldm
    from inkbloom.checkpoints.adapters import AdapterUse, applied, read_adapter
    from inkbloom.checkpoints.adapters.fitting import places
    from inkbloom.checkpoints.merging.blocks import in_order, read_ratios
    from inkbloom.checkpoints.streaming import choose_precision

    if not adapters:
        raise RequestError("Name the adapters, as in: inkbloom lora apply model.safetensors style.safetensors:0.8.")
    if rank is not None and rank < 1:
        raise RequestError(f"rank {rank}: must be a whole number from 1 on.")
    _check_free(output, overwrite)
    dtype = choose_precision(precision)
    loaded = load(model)
    ratios = {} if blocks is None else read_ratios(blocks, in_order(places(loaded.spec).blocks.values()))
    uses = []
    for text in adapters:
        path, text_weight, unet_weight = _weights(text)
        file = read_adapter(path)
        uses.append(AdapterUse(file=file, text_weight=text_weight, unet_weight=unet_weight, blocks=ratios, rank=rank))
    with applied(loaded, uses) as fits:
        save_ldm(output, loaded, dtype=dtype, metadata={"inkbloom.adapters": ", ".join(adapters)})
    for one in fits:
        if one.not_applied:
            print(f"{one.adapter.path}: {len(one.not_applied)} tensors were not applied, first {one.not_applied[0]!r}.")
    print(f"Saved {output}.")
    return 0


@lora.command
def extract(
    tuned: Annotated[Path, Parameter(help="The model that was trained.")],
    base: Annotated[Path, Parameter(help="The model from which it was trained.")],
    target: Target,
    /,
    *,
    rank: Annotated[int, Parameter(help="The rank of a layer, at most.")] = 64,
    conv_rank: Annotated[
        int | None, Parameter(help="That of convolutions above 1x1. [default: these are left out]")
    ] = None,
    keep: Keep = 1.0,
    precision: Precision = "float16",
    overwrite: Overwrite = False,
) -> int:
    """Make a LoRA of what a model has beyond another, in kohya's spelling.

    ```
    inkbloom lora extract tuned.safetensors base.safetensors lora.safetensors \\
      --rank 32
    ```
    """
    from inkbloom.apps.cli.progress import step_bar
    from inkbloom.checkpoints import load
    from inkbloom.checkpoints.adapters import factoring
    from inkbloom.checkpoints.adapters.writing import facts, save_adapter, spell
    from inkbloom.checkpoints.streaming import choose_precision

    _check_free(target, overwrite)
    dtype = choose_precision(precision)
    ours, theirs = (load(path, components=("text", "unet")) for path in (tuned, base))
    with step_bar("Factoring", None) as progress:
        found = factoring.extract(
            ours, theirs, rank=rank, conv_rank=conv_rank, keep=keep, on_progress=lambda done, total: progress(done)
        )
    tensors = spell(found.changes, ours.spec, "kohya")
    save_adapter(target, tensors, metadata=facts(found.changes), dtype=dtype)
    print(f"Saved {target}: {len(found.changes)} layers with {found.kept:.1%} of their difference.")
    return 0


@lora.command
def resize(
    adapter: Adapter,
    target: Target,
    /,
    *,
    rank: Annotated[int, Parameter(help="The new rank of a layer, at most.")],
    keep: Keep = 1.0,
    model: Model = None,
    precision: Precision = "float16",
    overwrite: Overwrite = False,
) -> int:
    """Make a LoRA of lower rank, in kohya's spelling.

    ```
    inkbloom lora resize big.safetensors small.safetensors --rank 8
    inkbloom lora resize big.safetensors small.safetensors --rank 32 --keep 0.95
    ```
    """
    from inkbloom.checkpoints.adapters import factoring, fit, read_adapter
    from inkbloom.checkpoints.adapters.writing import facts, save_adapter, spell
    from inkbloom.checkpoints.streaming import choose_precision

    _check_free(target, overwrite)
    spec, dtype = _spec(model), choose_precision(precision)
    fitted = fit(read_adapter(adapter), spec)
    found = factoring.resize(fitted, rank=rank, keep=keep)
    tensors = spell(found.changes, spec, "kohya")
    metadata = fitted.adapter.metadata | facts(found.changes)
    save_adapter(target, tensors, metadata=metadata, dtype=dtype)
    print(f"Saved {target}: {len(found.changes)} layers with {found.kept:.1%} of their change.{_left(fitted)}")
    return 0


@lora.command
def convert(
    adapter: Adapter,
    target: Target,
    /,
    *,
    to: Annotated[str, Parameter(help="kohya (A1111, ComfyUI and others) or peft (diffusers).")],
    model: Model = None,
    precision: Precision = None,
    overwrite: Overwrite = False,
) -> int:
    """Write a LoRA in the spelling of other programs.

    ```
    inkbloom lora convert pytorch_lora_weights.safetensors \\
      style.safetensors --to kohya
    inkbloom lora convert style.safetensors folder/adapter.safetensors --to peft
    ```
    """
    from inkbloom.checkpoints.adapters import fit, read_adapter
    from inkbloom.checkpoints.adapters.writing import save_adapter, spell
    from inkbloom.checkpoints.streaming import choose_precision

    _check_free(target, overwrite)
    spec, dtype = _spec(model), choose_precision(precision)
    fitted = fit(read_adapter(adapter), spec)
    tensors = spell(fitted.changes, spec, to)
    save_adapter(target, tensors, metadata=fitted.adapter.metadata, dtype=dtype)
    print(f"Saved {target}: {len(fitted.changes)} layers.{_left(fitted)}")
    return 0


def _spec(model: Path | None) -> ModelSpec:
    from inkbloom.checkpoints import detect
    from inkbloom.families.sd1 import SD1

    return SD1 if model is None else detect(model)


def _check_free(path: Path, overwrite: bool) -> None:
    """Before the work, not after it."""
    if path.exists() and not overwrite:
        raise OutputError(f"{path} is there already; give another name, or --overwrite.")


def _weights(text: str) -> tuple[Path, float, float]:
    """A file, and its weights for text encoder and U-Net; as in a prompt, the second is the first where left out."""
    numbers: list[float] = []
    while ":" in text and len(numbers) < 2:
        rest, _, last = text.rpartition(":")
        try:
            number = float(last)
        except ValueError:
            break
        if not math.isfinite(number):
            raise RequestError(f'The weight "{last}" must be a finite number, such as 0.8.')
        text, numbers = rest, [number, *numbers]
    first, second = (numbers or [1.0])[0], (numbers or [1.0])[-1]
    return Path(text), first, second


def _range(values: tuple[float, ...]) -> str:
    if not values:
        return "-"
    return f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"


def _left(fitted: Fit) -> str:
    left = [*fitted.not_applied, *(f"embedding {one.name}" for one in fitted.adapter.embeddings)]
    return f" Left behind: {len(left)} tensors, first {left[0]!r}." if left else ""
