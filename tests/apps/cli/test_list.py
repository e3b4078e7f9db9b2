"""The lists are the registries, each entry under the names by which it can be asked for."""

import re

import pytest

from inkbloom.sampling.registry import all_samplers, find_sampler
from inkbloom.sampling.sigmas import all_schedules, find_schedule


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def entries(text: str) -> dict[str, str]:
    """Each title with the lines below it."""
    return dict(re.findall(r"^(\S.*)\n((?:  .*\n)+)", text, re.MULTILINE))


def names(title: str) -> list[str]:
    name, _, others = title.partition(" (")
    return [name, *filter(None, others.rstrip(")").split(", "))]


def test_samplers(run) -> None:
    code, out, err = run("list", "samplers")
    assert (code, err) == (0, "")
    found = entries(out)
    assert [names(title)[0] for title in found] == [one.name for one in all_samplers()]
    assert all(find_sampler(name).name == names(title)[0] for title in found for name in names(title))
    assert "  order 1, 1 call a step, noise\n" in found["Euler a (k_euler_a, k_euler_ancestral)"]
    assert "each number of steps gives another picture" in found["Euler a (k_euler_a, k_euler_ancestral)"]
    assert "  order 2, 2 calls a step, noise with s_churn\n" in found["Heun (k_heun)"]
    assert "  More steps refine one picture.\n" in found["Heun (k_heun)"]
    assert "as many calls as it needs" in found["DPM adaptive (k_dpm_ad)"]
    assert "  Options rtol=0.05, atol=0.0078, eta=1.0, s_noise=1.0.\n" in found["DPM adaptive (k_dpm_ad)"]
    assert "  order 2, 1 call a step, no noise\n" in found["DPM++ 2M (k_dpmpp_2m)"]


def test_schedules(run) -> None:
    code, out, err = run("list", "schedules")
    assert (code, err) == (0, "")
    found = entries(out)
    assert [names(title)[0] for title in found] == [one.name for one in all_schedules()]
    assert all(find_schedule(name).name == names(title)[0] for title in found for name in names(title))
    assert "  Takes sigma_min, sigma_max, rho.\n" in found["karras"]
    assert "(Karras et al. 2022," in found["karras"]


def test_lines_fit_the_terminal(run) -> None:
    for what in ("samplers", "schedules"):
        _, out, _ = run("list", what)
        assert max(map(len, out.splitlines())) <= 80
        assert "`" not in out
        assert "_spaced" not in out
