"""Networks that steer a U-Net, on disk: ControlNets read and written in every layout, T2I- and IP-Adapters read."""

from inkbloom.checkpoints.control.controlnet import load_controlnet
from inkbloom.checkpoints.control.ip_adapter import ENCODER_FOLDER, load_image_encoder, load_ip_adapter
from inkbloom.checkpoints.control.opening import ControlFile, ControlKind, open_control
from inkbloom.checkpoints.control.saving import save_controlnet, save_controlnet_folder
from inkbloom.checkpoints.control.t2i_adapter import load_t2i_adapter

__all__ = [
    "ENCODER_FOLDER",
    "ControlFile",
    "ControlKind",
    "load_controlnet",
    "load_image_encoder",
    "load_ip_adapter",
    "load_t2i_adapter",
    "open_control",
    "save_controlnet",
    "save_controlnet_folder",
]
