"""Stable Diffusion, whole: one small, verified package, with a model of its own.

    from inkbloom import StableDiffusion

    model = StableDiffusion.load()
    model.generate("a big castle under a starry night sky", seed=7).images[0].save("castle.png")

The names below are imported when first used, so that `import inkbloom` does not load torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inkbloom.core.errors import InkbloomError as InkbloomError
    from inkbloom.pipelines.request import GenerationRequest as GenerationRequest
    from inkbloom.pipelines.stable_diffusion import StableDiffusion as StableDiffusion

__version__ = version("inkbloom")

_HOMES = {
    "StableDiffusion": "inkbloom.pipelines.stable_diffusion",
    "GenerationRequest": "inkbloom.pipelines.request",
    "InkbloomError": "inkbloom.core.errors",
}

__all__ = ["GenerationRequest", "InkbloomError", "StableDiffusion", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
