"""Write golden.json by running k-diffusion's own sampling.py; see README.md.

    python make_golden.py FOLDER       # FOLDER holds k_diffusion/sampling.py and k_diffusion/utils.py

Only what sampling.py imports and these functions do not use (torchdiffeq, torchsde) is replaced by empty modules;
scipy's `integrate.quad`, where scipy is missing, by Gauss-Legendre quadrature, which is exact for LMS' polynomials.
"""

import importlib.util
import json
import sys
import types
from itertools import count
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
KARRAS = [14.6146, 6.9129, 2.9983, 1.1592, 0.3838, 0.1022, 0.0292]
LISTS = [[*KARRAS, 0.0], KARRAS, [14.6146, 1.1592, 0.0], [14.6146, 4.0, 1.1592, 0.3]]
CHURN = [{}, {"s_churn": 2.0}, {"s_churn": 40.0, "s_tmin": 0.2, "s_tmax": 5.0, "s_noise": 1.003}]
ANCESTRAL = [{}, {"eta": 0.0}, {"eta": 0.6, "s_noise": 1.01}]
CASES = {
    "Euler": ("euler", CHURN),
    "Euler a": ("euler_ancestral", ANCESTRAL),
    "Heun": ("heun", CHURN),
    "DPM2": ("dpm_2", CHURN),
    "DPM2 a": ("dpm_2_ancestral", ANCESTRAL),
    "LMS": ("lms", [{}]),
    "DPM fast": ("dpm_fast", [{"eta": 0.0}, {"eta": 1.0}, {"eta": 0.6, "s_noise": 1.01}]),
    "DPM adaptive": ("dpm_adaptive", [{"eta": 0.0}, {"eta": 1.0}, {"eta": 0.0, "rtol": 0.01, "atol": 0.001}]),
    "DPM++ 2S a": ("dpmpp_2s_ancestral", ANCESTRAL),
    "DPM++ SDE": ("dpmpp_sde", ANCESTRAL),
    "DPM++ 2M": ("dpmpp_2m", [{}]),
    "DPM++ 2M SDE": ("dpmpp_2m_sde", ANCESTRAL),
    "DPM++ 2M SDE Heun": ("dpmpp_2m_sde", [{**options, "solver_type": "heun"} for options in ANCESTRAL]),
    "DPM++ 3M SDE": ("dpmpp_3m_sde", ANCESTRAL),
}
RANGE_ONLY = ("dpm_fast", "dpm_adaptive")


def mixture(x, sigma):
    """The exact denoiser of data at -1 and 1 with deviation 1/4 around each."""
    variance = 1 / 16 + sigma**2
    return (x / 16 + sigma**2 * torch.tanh(x / variance)) / variance


def quad(function, low, high, epsrel):
    nodes, weights = np.polynomial.legendre.leggauss(8)
    values = [function((low + high) / 2 + (high - low) / 2 * node) for node in nodes]
    return (float(np.dot(weights, values)) * (high - low) / 2,)


def load(folder: Path) -> types.ModuleType:
    package = types.ModuleType("k_diffusion")
    package.__path__ = [str(folder / "k_diffusion")]
    stubs = {"k_diffusion": package, "torchsde": types.ModuleType("torchsde")}
    stubs["torchdiffeq"] = types.ModuleType("torchdiffeq")
    stubs["torchdiffeq"].odeint = None
    stubs["k_diffusion.utils"] = types.ModuleType("k_diffusion.utils")
    stubs["k_diffusion.utils"].append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]
    package.utils = stubs["k_diffusion.utils"]
    if importlib.util.find_spec("scipy") is None:
        stubs["scipy"] = types.ModuleType("scipy")
        stubs["scipy"].integrate = types.SimpleNamespace(quad=quad)
    sys.modules.update(stubs)
    return importlib.import_module("k_diffusion.sampling")


def main(folder: Path) -> None:
    torch.set_default_dtype(torch.float64)
    sampling = load(folder)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(4, generator=generator).mul(14.6146).round(decimals=6)
    draws = torch.randn(64, 4, generator=generator).round(decimals=6)
    cases = []
    for name, (function, options_list) in CASES.items():
        for options in options_list:
            for levels in LISTS:
                number = count()

                def draw(*_, number=number):
                    return draws[next(number)].reshape(1, 1, 2, 2)

                torch.randn_like = draw
                sigmas, x = torch.tensor(levels), start.reshape(1, 1, 2, 2).clone()
                arguments = dict(options, disable=True)
                if "eta" in sampling.__dict__[f"sample_{function}"].__wrapped__.__code__.co_varnames:
                    arguments["noise_sampler"] = draw
                if function in RANGE_ONLY:
                    arguments |= {"sigma_min": min(s for s in levels if s > 0), "sigma_max": levels[0]}
                    if function == "dpm_fast":
                        arguments["n"] = len(levels) - 1
                else:
                    arguments["sigmas"] = sigmas
                result = sampling.__dict__[f"sample_{function}"](mixture, x, **arguments)
                own = {key: value for key, value in options.items() if key != "solver_type"}
                case = {"sampler": name, "options": own, "sigmas": levels, "result": result.flatten().tolist()}
                cases.append(case)
    lines = ",\n  ".join(json.dumps(case) for case in cases)
    head = f'"start": {json.dumps(start.tolist())},\n"noise": {json.dumps(draws.tolist())}'
    (HERE / "golden.json").write_text(f'{{{head},\n"cases": [\n  {lines}\n]}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]))
