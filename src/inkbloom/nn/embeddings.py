"""Numbers as vectors."""

import math

import torch
from torch import Tensor


def sinusoidal_embedding(t: Tensor, dim: int, max_period: float = 10_000.0) -> Tensor:
    """Embed time steps (batch,) as (batch, dim), float32: cosines, then sines, of geometrically spaced frequencies.

    (Vaswani et al. 2017, in the order of Ho et al.'s successors; `dim` is even.) Frequencies are computed in float32
    whatever the network's precision: bfloat16 cannot tell time step 998 from 999.
    """
    half = dim // 2
    frequencies = torch.exp(-math.log(max_period) / half * torch.arange(half, dtype=torch.float32, device=t.device))
    angles = t.float()[:, None] * frequencies[None]
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
