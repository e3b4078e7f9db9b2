"""What a person may set for LoRA and its kin, for embeddings, and for hypernetworks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from inkbloom.core.errors import RequestError, TrainingError
from inkbloom.models.hypernetwork import HypernetworkSpec
from inkbloom.training.noising import check_choice, check_range

AdapterKind = Literal["lora", "loha", "lokr"]
Targets = Literal["attention", "transformer", "full"]
Spelling = Literal["kohya", "peft"]


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """`TrainingError` where a value is outside its range, or does not go with another."""

    adapter_kind: AdapterKind = "lora"
    """lora (LoCon where convolutions are trained too), loha or lokr, which say more with fewer numbers."""
    dora: bool = False
    """Train each output's length apart from its direction (DoRA): slower, and nearer to training the whole model."""
    rank: int = 16
    """How much a layer can learn, and how large the file gets: 4 to 32 for a subject, up to 128 for a style."""
    alpha: float | None = None
    """The change counts alpha / rank times; a smaller alpha is a gentler start. None: the rank."""
    conv_rank: int | None = None
    """The rank of convolutions with kernels above 1x1. None: they are not trained, with targets full as rank says."""
    conv_alpha: float | None = None
    """The alpha of these. None: conv_rank."""
    targets: Targets = "transformer"
    """What is trained: attention alone; transformer, which is all layers of the transformer blocks, and with conv_rank
    the other blocks too; full, which is every layer."""
    adapt_unet: bool = True
    """Train the U-Net."""
    adapt_text_encoder: bool = True
    """Train the text encoder too; text_learning_rate is its rate."""
    block_ranks: dict[str, int] = field(default_factory=dict)
    """Ranks of single blocks of the U-Net, IN00 to IN11, M00, OUT00 to OUT11; BASE is the text encoder and the
    embedding of time. 0 leaves a block out. Convolutions above 1x1 keep conv_rank."""
    block_alphas: dict[str, float] = field(default_factory=dict)
    """Alphas of single blocks, for the layers that block_ranks is for. Left out: the block's rank, or alpha."""
    lokr_factor: int = -1
    """For lokr: how many blocks a weight's sides are cut into, at most; -1 makes blocks and cuts about equal."""
    lokr_decompose_both: bool = False
    """For lokr: make the smaller of its two factors of low rank as well."""
    channel_dropout: float = 0.0
    """For lora without dora: drop so large a part of the numbers between its two steps, at each place."""
    rank_dropout: float = 0.0
    """Drop so large a part of the rank, for a whole picture (for the other kinds: of the outputs)."""
    module_dropout: float = 0.0
    """Leave out the change of so large a part of the layers, for a whole picture."""
    scale_weight_norms: float | None = None
    """Keep the norm of each layer's change at most at this; 1 is usual against overtraining. None: no limit."""
    lora_plus_ratio: float = 1.0
    """LoRA+: the second step's rate in units of the first's; 16 is usual, 1 is off."""
    start_from: Path | None = None
    """Go on with this LoRA: its layers, kinds, ranks and alphas stand in place of all those above."""
    lora_spelling: Spelling = "kohya"
    """How the result names its layers: kohya, which every program reads (of dora diffusers does not), or peft, which
    diffusers writes itself."""

    def __post_init__(self) -> None:
        check_choice("adapter_kind", self.adapter_kind, AdapterKind)
        check_choice("targets", self.targets, Targets)
        check_choice("lora_spelling", self.lora_spelling, Spelling)
        check_range("rank", self.rank, 1)
        if self.conv_rank is not None:
            check_range("conv_rank", self.conv_rank, 1)
        for name in ("alpha", "conv_alpha", "scale_weight_norms"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), above=True)
        for block, rank in self.block_ranks.items():
            check_range(f"block_ranks.{block}", rank)
        for block, alpha in self.block_alphas.items():
            check_range(f"block_alphas.{block}", alpha, above=True)
        for name in ("channel_dropout", "rank_dropout", "module_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1.")
        check_range("lora_plus_ratio", self.lora_plus_ratio, above=True)
        if self.lokr_factor != -1:
            check_range("lokr_factor", self.lokr_factor, 2)
        if not (self.adapt_unet or self.adapt_text_encoder):
            raise TrainingError("adapt_unet and adapt_text_encoder are both off; there is nothing to train.")
        if self.conv_rank is not None and self.targets == "attention":
            raise TrainingError("conv_rank is for the targets transformer and full; with attention, leave it out.")
        is_plain = self.adapter_kind == "lora" and not self.dora
        if self.channel_dropout and not is_plain:
            raise TrainingError("channel_dropout is for lora without dora; take rank_dropout or module_dropout.")
        if self.lora_plus_ratio != 1 and self.adapter_kind != "lora":
            raise TrainingError(f"lora_plus_ratio is for lora; {self.adapter_kind} has no second step.")
        if self.lora_spelling == "peft" and self.adapter_kind != "lora":
            raise TrainingError(f"lora_spelling is peft, which has no {self.adapter_kind}; take kohya.")


_WORD = re.compile(r"[^\s/\\.,:;()\[\]<>|{}#\"']+")


@dataclass(frozen=True, kw_only=True)
class EmbeddingSettings:
    """`TrainingError` where a value is outside its range, or does not go with another."""

    trigger_words: dict[str, int] = field(default_factory=dict)
    """The words to be learned, each with its number of vectors (1 to 75): {"mycat" = 4}. Captions name them."""
    initial_words: dict[str, str] = field(default_factory=dict)
    """What each begins as, in words that the model knows, such as {"mycat" = "cat"}; left out: "*"."""

    def __post_init__(self) -> None:
        if not self.trigger_words:
            raise TrainingError("trigger_words is empty; name at least one word, with its number of vectors.")
        for word, count in self.trigger_words.items():
            if not _WORD.fullmatch(word):
                raise TrainingError(
                    f'trigger_words: "{word}" cannot name an embedding; take one word without spaces, dots or brackets.'
                )
            check_range(f"trigger_words.{word}", count, 1, 75)
        for word in self.initial_words:
            if word not in self.trigger_words:
                known = ", ".join(self.trigger_words)
                raise TrainingError(f'initial_words: "{word}" is not among the trigger_words ({known}).')


@dataclass(frozen=True, kw_only=True)
class HypernetworkSettings:
    """`TrainingError` where a value is outside its range."""

    hypernetwork_sizes: tuple[int, ...] = ()
    """The widths of attention that it acts on. Empty: all that the model has, in Stable Diffusion 1 768, 320, 640,
    1280."""
    layer_structure: tuple[float, ...] = (1, 2, 1)
    """The widths of its layers, in units of the size; the first and the last are 1."""
    activation: str = "linear"
    """Between its layers: linear (none), relu, leakyrelu, elu, swish, mish, ..."""
    layer_norm: bool = False
    """Normalise behind each layer."""
    activate_output: bool = False
    """The activation also behind the last layer."""

    def __post_init__(self) -> None:
        self.spec(self.hypernetwork_sizes or (1,))

    def spec(self, sizes: tuple[int, ...]) -> HypernetworkSpec:
        """The hypernetwork for these sizes."""
        try:
            return HypernetworkSpec(
                sizes=sizes,
                layer_structure=tuple(self.layer_structure),
                activation=self.activation,
                layer_norm=self.layer_norm,
                activate_output=self.activate_output,
            )
        except RequestError as error:
            raise TrainingError(str(error)) from error
