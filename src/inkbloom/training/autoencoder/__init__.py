"""Training an autoencoder (Rombach et al. 2022, section 3.1): reconstruction, regularisation and an adversary."""

from inkbloom.training.autoencoder.crops import Crops, to_image, whole
from inkbloom.training.autoencoder.job import AutoencoderJob
from inkbloom.training.autoencoder.objective import Adversary, Reconstruction, adaptive_weight
from inkbloom.training.autoencoder.perceptual import choose_perceptual, edge_loss, open_lpips
from inkbloom.training.autoencoder.settings import AutoencoderSettings

__all__ = [
    "Adversary",
    "AutoencoderJob",
    "AutoencoderSettings",
    "Crops",
    "Reconstruction",
    "adaptive_weight",
    "choose_perceptual",
    "edge_loss",
    "open_lpips",
    "to_image",
    "whole",
]
