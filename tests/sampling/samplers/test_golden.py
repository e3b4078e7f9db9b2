"""k-diffusion's own numbers (README.md): the same samplers, sigmas, options and noise give the same result."""

import json
from pathlib import Path

import pytest
import torch

from inkbloom.sampling.registry import find_sampler

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


class Recorded:
    """Hands out the recorded draws in order, whatever kind is asked for."""

    def __init__(self):
        self.left = iter(GOLDEN["noise"])

    def normal(self):
        return torch.tensor(next(self.left), dtype=torch.float64).reshape(1, 1, 2, 2)

    def brownian(self, sigma, sigma_next):
        return self.normal()


def mixture(x, sigma):
    variance = 1 / 16 + sigma**2
    return (x / 16 + sigma**2 * torch.tanh(x / variance)) / variance


def label(case):
    return f"{case['sampler']}-{case['options']}-{len(case['sigmas'])}"


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=label)
def test_equals_k_diffusion(case):
    sampler = find_sampler(case["sampler"])
    start = torch.tensor(GOLDEN["start"], dtype=torch.float64).reshape(1, 1, 2, 2)
    noise = {"noise": Recorded()} if sampler.stochastic else {}
    sigmas = torch.tensor(case["sigmas"], dtype=torch.float64)
    result = sampler.function(mixture, start, sigmas, **noise, **case["options"])
    tolerance = 1e-9 if sampler.name == "DPM adaptive" else 1e-11
    expected = torch.tensor(case["result"], dtype=torch.float64).reshape(1, 1, 2, 2)
    assert (result - expected).abs().max() <= tolerance * expected.abs().max()
