import pytest

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.axes import Setting, read_axis
from inkbloom.pipelines.batches.jobs import Job
from inkbloom.pipelines.batches.matrix import read_matrix
from inkbloom.pipelines.batches.plots import Plot
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.text.prompt.styles import Style

BASE = Job(request=GenerationRequest(prompt="a cat", seed=7, num_images=4))
SETTING = Setting(prompt="a cat", styles={"ink": Style("ink", "ink, {prompt}")})


def test_a_cell_for_each_combination_x_first() -> None:
    x, y, z = (read_axis(text, SETTING) for text in ("Steps: 1-2", "CFG Scale: 3, 4", "Prompt S/R: cat, dog"))
    found = Plot(base=BASE, x=x, y=y, z=z).jobs()
    assert [job.place for job in found] == [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    last = found[-1]
    assert last.origin == "Steps: 2, CFG Scale: 4, Prompt S/R: dog"
    assert (last.request.steps, last.request.guidance_scale, last.request.prompt) == (2, 4, "a dog")
    assert {(job.request.seed, job.request.num_images) for job in found} == {(7, 1)}


def test_styles_go_around_what_the_other_axes_made() -> None:
    x, y = read_axis("Styles: ink", SETTING), read_axis("Prompt S/R: cat, ink", SETTING)
    assert [job.request.prompt for job in Plot(base=BASE, x=x, y=y).jobs()] == ["ink, a cat", "ink, a ink"]


@pytest.mark.parametrize(("vary", "seeds"), [("x", [7, 8, 7, 8]), ("y", [7, 7, 8, 8]), ("xy", [7, 8, 9, 10])])
def test_seeds_vary_along_axes(vary: str, seeds: list[int]) -> None:
    x, y = read_axis("Steps: 1-2", SETTING), read_axis("CFG Scale: 3, 4", SETTING)
    assert [job.request.seed for job in Plot(base=BASE, x=x, y=y, vary_seeds=list(vary)).jobs()] == seeds  # type: ignore[arg-type]


def test_a_value_out_of_range_names_its_cell() -> None:
    with pytest.raises(RequestError, match=r"^Steps: 0: steps 0: must be a whole number from 1 to 10000\.$"):
        Plot(base=BASE, x=read_axis("Steps: 1, 0", SETTING)).jobs()


def test_too_many_cells() -> None:
    axis = read_axis("Steps: 1-101", SETTING)
    with pytest.raises(RequestError, match="A plot of 101 x 101 x 1 cells is too large; at most 10,000 are painted"):
        Plot(base=BASE, x=axis, y=axis).jobs()


@pytest.mark.parametrize("at_start", [False, True])
def test_a_matrix_has_every_subset_in_order(at_start: bool) -> None:
    base, x, y = read_matrix("a cat| big |red|old", at_start=at_start)
    job = Job(request=GenerationRequest(prompt=base))
    found = [job.request.prompt for job in Plot(base=job, x=x, y=y).jobs()]
    options = ["big", "red", "old"]
    subsets = [[option for bit, option in enumerate(options) if n >> bit & 1] for n in range(8)]
    wanted = {", ".join([*some, "a cat"] if at_start else ["a cat", *some]) for some in subsets}
    assert set(found) == wanted
    assert len(found) == 8
    if not at_start:  # as A1111 counts them
        assert found == [", ".join(["a cat", *some]) for some in subsets]
    assert [value.label for value in (y if at_start else x).values][:2] in (["(none)", "big"], ["(none)", "red"])


def test_matrices_that_are_none() -> None:
    with pytest.raises(RequestError, match="has no options"):
        read_matrix("a cat")
    with pytest.raises(RequestError, match=r"14 options make 16,384 pictures; at most 13 options are painted\."):
        read_matrix("a|" + "|".join("bcdefghijklmno"))
