"""The shapes that cross public boundaries, named once.

Images are RGB in [-1, 1]; latents are scaled (multiplied by the family's scale factor), so that their variance is near
1. jaxtyping's shapes are checked in tests only. Where it is not installed (a bare GPU machine that only trains), the
names stand for plain tensors.
"""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int
else:
    try:
        from jaxtyping import Float, Int
    except ModuleNotFoundError:

        class _Unshaped:
            def __getitem__(self, item: tuple[type, str]) -> type:
                return item[0]

        Float = Int = _Unshaped()

Image = Float[Tensor, "batch 3 height width"]
Latent = Float[Tensor, "batch channels latent_height latent_width"]
Conditioning = Float[Tensor, "batch tokens context_dim"]
TokenIds = Int[Tensor, "batch tokens"]
Sigmas = Float[Tensor, "points"]
"""Noise levels of a run, decreasing, float64 on the CPU: one more than there are steps; the last may be 0."""
