"""The starter's upscaler: a small network for its scenes, trained by `training.starter.upscaler_stage`."""

from pathlib import Path

FILE = Path(__file__).parent / "starter-upscaler.safetensors"
