"""From a picture to what a ControlNet reads: edges, tones, blurs; all that needs no network of its own."""

from inkbloom.pipelines.preprocessing.registry import PREPROCESSORS, Preprocessor, find_preprocessor

__all__ = ["PREPROCESSORS", "Preprocessor", "find_preprocessor"]
