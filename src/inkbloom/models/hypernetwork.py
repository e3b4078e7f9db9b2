"""Hypernetworks, as A1111 has them: small networks in front of the keys and values of the U-Net's attention.

For each width of what attention looks at (the prompt's vectors, and the U-Net's own features where it looks at itself)
two residual perceptrons, x + strength * f(x): one for the keys, one for the values. They change what attention sees,
and no weight of the U-Net.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Float
from inkbloom.nn.attention import Attention

_CLASSES: tuple[type[nn.Module], ...] = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid),
    *(nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardshrink, nn.Softplus, nn.Softshrink, nn.Softsign),
    *(nn.LogSigmoid, nn.Tanhshrink),
)
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "linear": nn.Identity,
    "swish": nn.Hardswish,  # so in A1111
    **{one.__name__.lower(): one for one in _CLASSES},
}
"""A1111's names of activation functions."""


@dataclass(frozen=True, kw_only=True)
class HypernetworkSpec:
    """`RequestError` for a structure that is none, or an activation that there is not."""

    sizes: tuple[int, ...]
    """The widths that it acts on; in Stable Diffusion 1 the prompt's is 768, self-attention's are 320, 640, 1280."""
    layer_structure: tuple[float, ...] = (1, 2, 1)
    """The widths of the layers in units of the size; the first and the last are 1."""
    activation: str = "linear"
    layer_norm: bool = False
    """Behind each layer."""
    activate_output: bool = False
    """Also behind the last layer."""

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise RequestError(
                f'Unknown activation "{self.activation}" of a hypernetwork.{nearest(self.activation, ACTIVATIONS)}'
            )
        structure = self.layer_structure
        if len(structure) < 2 or structure[0] != 1 or structure[-1] != 1 or min(structure) <= 0:
            raise RequestError(
                f"layer_structure {structure}: must be positive numbers, at least two, the first and the last 1."
            )
        if not self.sizes or min(self.sizes) < 1:
            raise RequestError(f"sizes {self.sizes}: must be the widths that the hypernetwork acts on, such as (768,).")


class ResidualPerceptron(nn.Module):
    """x + strength * f(x) on the last axis, f a perceptron by the spec; in float32, whatever x is."""

    def __init__(self, spec: HypernetworkSpec, size: int) -> None:
        super().__init__()
        widths = [int(size * factor) for factor in spec.layer_structure]
        layers: list[nn.Module] = []
        for i, (into, out) in enumerate(pairwise(widths)):
            layers.append(nn.Linear(into, out))
            if spec.activation != "linear" and (spec.activate_output or i < len(widths) - 2):
                layers.append(ACTIVATIONS[spec.activation]())
            if spec.layer_norm:
                layers.append(nn.LayerNorm(out))
        self.linear = nn.Sequential(*layers)  # A1111's name on disk

    def forward(self, x: Float[Tensor, "*batch size"], strength: float = 1.0) -> Float[Tensor, "*batch size"]:
        return x + (strength * self.linear(x.float())).to(x.dtype)


class Hypernetwork(nn.Module):
    """Two perceptrons for each size. Its weights are PyTorch's usual ones until they are drawn or loaded."""

    def __init__(self, spec: HypernetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        self.keys = nn.ModuleDict({str(size): ResidualPerceptron(spec, size) for size in spec.sizes})
        self.values = nn.ModuleDict({str(size): ResidualPerceptron(spec, size) for size in spec.sizes})

    def attach(self, network: nn.Module, strength: float = 1.0) -> list[RemovableHandle]:
        """Act in all attention of `network` whose context has one of the sizes, until the handles are removed.

        Behind another hypernetwork it sees what that one made, as in A1111.
        """
        handles = []
        for attention in _attentions(network):
            size = str(attention.k.in_features)
            if size in self.keys:
                for projection, perceptron in ((attention.k, self.keys[size]), (attention.v, self.values[size])):
                    handles.append(projection.register_forward_pre_hook(partial(_in_front, perceptron, strength)))
        return handles


def _in_front(perceptron: nn.Module, strength: float, layer: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
    return perceptron(arguments[0], strength)


def _attentions(network: nn.Module) -> list[Attention]:
    return [module for module in network.modules() if isinstance(module, Attention)]


def widths(network: nn.Module) -> tuple[int, ...]:
    """The widths of what the network's attention looks at, increasing: the sizes that a hypernetwork can act on."""
    return tuple(sorted({attention.k.in_features for attention in _attentions(network)}))


@contextmanager
def attached(network: nn.Module, uses: Sequence[tuple[Hypernetwork, float]]) -> Iterator[None]:
    """The network with these hypernetworks in their order, each with its strength, as long as the block lasts."""
    with ExitStack() as hooks:
        for hypernetwork, strength in uses:
            for handle in hypernetwork.attach(network, strength):
                hooks.callback(handle.remove)
        yield


def draw_weights(hypernetwork: Hypernetwork, generator: torch.Generator) -> None:
    """A1111's "Normal": weights of standard deviation 0.01, also of the norms, and no bias; nearly no effect."""
    for module in hypernetwork.modules():
        if isinstance(module, nn.Linear | nn.LayerNorm):
            nn.init.normal_(module.weight, std=0.01, generator=generator)
            nn.init.zeros_(module.bias)
