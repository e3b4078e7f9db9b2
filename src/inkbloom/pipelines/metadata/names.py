"""Other programs' names of samplers and schedules, in ours; what we lack keeps its name, for the warning."""

_SAMPLERS = {
    # ComfyUI, Fooocus
    "ddim": "DDIM",
    "uni_pc": "UniPC",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    # stable-diffusion.cpp
    "dpm++2m": "DPM++ 2M",
    "dpm++2s_a": "DPM++ 2S a",
    "dpm++2m_sde": "DPM++ 2M SDE",
    # InvokeAI and NovelAI
    "euler_a": "Euler a",
    "kdpm_2": "DPM2",
    "kdpm_2_a": "DPM2 a",
    "dpmpp_2s": "DPM++ 2S a",
    "dpmpp_3m": "DPM++ 3M SDE",
    "pndm": "PLMS",
    "dpm_fast": "DPM fast",
}
_SCHEDULES = {
    "native": "uniform",
    "discrete": "uniform",
    "ays": "align_your_steps",
    "ddim_uniform": "ddim",
    "default": "automatic",
}


def sampler_name(name: str) -> str:
    """Our name of a sampler that another program calls `name`; an unknown one comes back as it is."""
    plain = name.strip().lower().removeprefix("k_").removesuffix("_gpu")
    return _SAMPLERS.get(plain, name if plain == name.strip().lower() else plain)


def schedule_name(name: str) -> str:
    """Our name of a schedule that another program calls `name`; an unknown one comes back as it is."""
    return _SCHEDULES.get(name.strip().lower(), name)
