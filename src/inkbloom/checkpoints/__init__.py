"""Models on disk: recognise, load and save them."""

from inkbloom.checkpoints.loading import LoadedModel, OnProgress, detect, file_hash, load
from inkbloom.checkpoints.saving import save_diffusers, save_ldm

__all__ = ["LoadedModel", "OnProgress", "detect", "file_hash", "load", "save_diffusers", "save_ldm"]
