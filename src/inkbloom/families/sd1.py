"""Stable Diffusion 1 (Rombach et al. 2022): the facts of versions 1.1 to 1.5."""

from inkbloom.families.previews import PreviewFacts
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import SD1_AUTOENCODER
from inkbloom.models.clip_text import SD1_TEXT
from inkbloom.models.unet import SD1_UNET
from inkbloom.sampling.schedules import NoiseScheduleSpec

SD1 = ModelSpec(
    family="sd1",
    unet=SD1_UNET,
    autoencoder=SD1_AUTOENCODER,
    text=SD1_TEXT,
    latent_scale=0.18215,
    prediction="epsilon",
    noise_schedule=NoiseScheduleSpec(kind="scaled_linear", beta_start=0.00085, beta_end=0.012),
    default_size=512,
    default_sampler="DDIM",
    default_schedule="leading",
    default_steps=50,
    default_guidance_scale=7.5,
)

PREVIEW = PreviewFacts(
    latent_scale=SD1.latent_scale,
    # As measured by K. Turner, "Decoding latents to RGB without upscaling" (2022)
    colors=((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473)),
    tiny_decoder="taesd_decoder",
)
