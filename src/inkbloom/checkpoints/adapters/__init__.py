"""Adapters: LoRA and its kin, read, fitted to a model, merged into it or applied live; embeddings; hypernetworks."""

from inkbloom.checkpoints.adapters.applying import AdapterUse, Merger, applied
from inkbloom.checkpoints.adapters.embeddings import Embedding, read_embedding
from inkbloom.checkpoints.adapters.fitting import Fit, fit
from inkbloom.checkpoints.adapters.hypernetworks import HypernetworkFile, read_hypernetwork
from inkbloom.checkpoints.adapters.live import live
from inkbloom.checkpoints.adapters.reading import AdapterFile, read_adapter

__all__ = [
    "AdapterFile",
    "AdapterUse",
    "Embedding",
    "Fit",
    "HypernetworkFile",
    "Merger",
    "applied",
    "fit",
    "live",
    "read_adapter",
    "read_embedding",
    "read_hypernetwork",
]
