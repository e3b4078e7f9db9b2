"""Pictures of any size at bounded memory: the network sees overlapping windows, and its answers are put together.

MultiDiffusion (Bar-Tal et al. 2023, Eq. 5) averages them plainly, Mixture of Diffusers (Jiménez 2023) with Gaussian
weights. Both average what a step makes of each window; as every conversion from a network's answer to that is linear
with the same factors everywhere, the answers themselves are averaged here, below guidance.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from inkbloom.core.tiles import Tiling, bell, blended, even
from inkbloom.core.types import Conditioning, Float, Latent
from inkbloom.nn.seamless import wrapped_axes
from inkbloom.nn.steering import UNSTEERED, Steering
from inkbloom.sampling.control import SteerableModel

Method = Literal["multidiffusion", "mixture"]


@dataclass(frozen=True, kw_only=True)
class TiledModel:
    """A `prediction.Model` that asks `network` window by window; one call of it costs as many as there are windows.

    Its memory grows with `at_once`, not with the picture. Where the picture repeats (`nn.seamless`), windows do too.
    """

    network: SteerableModel
    size: int
    """Side of a window in latent points."""
    overlap: int
    """Of neighbours, in latent points, at least."""
    method: Method = "multidiffusion"
    at_once: int = 4

    def __call__(
        self, x: Latent, t: Float[Tensor, "batch"], conditioning: Conditioning, steering: Steering = UNSTEERED, /
    ) -> Latent:
        """As the network's own; a steering belongs to the whole picture, so there may be none."""
        assert steering is UNSTEERED
        weights = even if self.method == "multidiffusion" else bell
        tiling = Tiling(size=self.size, overlap=self.overlap, weights=weights, wrap=wrapped_axes())

        def ask(windows: Latent) -> Latent:
            count = len(windows) // len(x)
            return self.network(windows, t.repeat(count), conditioning.repeat(count, 1, 1), UNSTEERED)

        return blended(x, ask, tiling, at_once=self.at_once).to(x.dtype)
