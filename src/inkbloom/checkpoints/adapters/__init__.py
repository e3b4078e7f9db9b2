"""Adapters: LoRA and its kin, read, fitted to a model, merged into it and taken out; embeddings."""

from inkbloom.checkpoints.adapters.applying import AdapterUse, Merger, applied
from inkbloom.checkpoints.adapters.embeddings import Embedding, read_embedding
from inkbloom.checkpoints.adapters.fitting import Fit, fit
from inkbloom.checkpoints.adapters.reading import AdapterFile, read_adapter

__all__ = [
    "AdapterFile",
    "AdapterUse",
    "Embedding",
    "Fit",
    "Merger",
    "applied",
    "fit",
    "read_adapter",
    "read_embedding",
]
