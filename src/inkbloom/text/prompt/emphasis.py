"""How weights act on encoded text: pure functions of the encoder's output z (n, tokens, width) and weights (n, tokens).

Computed in float32 at least, and returned in z's precision.
"""

import torch

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Conditioning, Float, Tensor

Weights = Float[Tensor, "batch tokens"]


def no_norm(z: Conditioning, weights: Weights) -> Conditioning:
    """A1111's "No norm": w z, token by token."""
    return _weigh(z, weights).to(z.dtype)


def original(z: Conditioning, weights: Weights, counts: Float[Tensor, "batch"] | None = None) -> Conditioning:
    """A1111's "Original": w z * mean(z) / mean(w z), the means over all rows, tokens and channels together.

    So what is weighted at one place changes all others a little. In A1111 the rows are the same chunk of all texts of a
    schedule; a text that stands there several times counts as often, which `counts` says (1 each where it is None).
    `RequestError` where the mean of w z is 0 and cannot be restored.
    """
    weighted = _weigh(z, weights)
    share = torch.ones(len(z)) if counts is None else counts
    before, after = ((each.mean(dim=(1, 2)) * share.to(weighted)).sum() for each in (z.to(weighted.dtype), weighted))
    if before == after:  # nothing to restore, which 0 / 0 would not say
        return weighted.to(z.dtype)
    factor = before / after
    if not factor.isfinite():
        raise RequestError('Emphasis "Original" cannot restore the mean: the weights bring it to 0. Use "No norm".')
    return (weighted * factor).to(z.dtype)


def toward(z: Conditioning, weights: Weights, empty: Conditioning) -> Conditioning:
    """ComfyUI's: z_empty + w (z - z_empty), token by token; `empty` (1, tokens, width) is the encoded empty prompt.

    Tokens of weight 1 stay bit for bit what they are.
    """
    weights = weights.to(z.device)
    empty = empty.to(torch.promote_types(z.dtype, torch.float32))
    return torch.where(weights.unsqueeze(-1) == 1, z, (_weigh(z - empty, weights) + empty).to(z.dtype))


def _weigh(z: Conditioning, weights: Weights) -> Conditioning:
    precision = torch.promote_types(z.dtype, torch.float32)
    return z.to(precision) * weights.to(z.device, precision).unsqueeze(-1)
