"""Adapters in training: LoRA and its kin, embeddings, hypernetworks."""

from inkbloom.training.adapters.embedding import EmbeddingTraining
from inkbloom.training.adapters.hypernetwork import HypernetworkTraining
from inkbloom.training.adapters.lora import LoraTraining
from inkbloom.training.adapters.results import save_embeddings, save_hypernetwork, save_lora
from inkbloom.training.adapters.settings import EmbeddingSettings, HypernetworkSettings, LoraSettings

__all__ = [
    "EmbeddingSettings",
    "EmbeddingTraining",
    "HypernetworkSettings",
    "HypernetworkTraining",
    "LoraSettings",
    "LoraTraining",
    "save_embeddings",
    "save_hypernetwork",
    "save_lora",
]
