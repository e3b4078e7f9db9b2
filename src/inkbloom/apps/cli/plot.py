"""`inkbloom plot`: one prompt under many settings, as one labelled picture."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from inkbloom.apps.cli.control import ControlOptions, control_units
from inkbloom.apps.cli.painting.asking import paint_request
from inkbloom.apps.cli.painting.editing import EditOptions, SourceOptions
from inkbloom.apps.cli.painting.many import MANY, ManyOptions, Models, read_styles_of, work
from inkbloom.apps.cli.painting.options import flag, switch
from inkbloom.apps.cli.painting.resolution import ResolutionOptions
from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.pipelines.batches.plan import Plan

_NAME = "plot.json"
_PARENT = Path("outputs/plots")


def _axis(name: str) -> Parameter:
    return flag(name, group=MANY, help=f'AXIS: VALUES along {name[-1]}, such as "Steps: 10-30 (+10)".')


def plot(
    prompt: Annotated[str, Parameter(name="PROMPT", help="What to paint, in quotation marks.")],
    /,
    *,
    x: Annotated[str | None, _axis("--x")] = None,
    y: Annotated[str | None, _axis("--y")] = None,
    z: Annotated[str | None, _axis("--z")] = None,
    matrix: Annotated[
        bool, switch("--matrix", group=MANY, help='Paint "base|option|option" with every subset of the options.')
    ] = False,
    options_first: Annotated[
        bool, switch("--options-first", group=MANY, help="Put a matrix's options before the base.")
    ] = False,
    vary_seeds: Annotated[
        tuple[Literal["x", "y", "z"], ...],
        flag("--vary-seeds", group=MANY, negative_iterable="", help="Along this axis each cell has a seed of its own."),
    ] = (),
    outdir: Annotated[
        Path | None, flag("--outdir", group=MANY, help="The folder of this plot. [default: outputs/plots/0000, ...]")
    ] = None,
    no_legend: Annotated[bool, switch("--no-legend", group=MANY, help="Draw no labels.")] = False,
    no_drawing: Annotated[bool, switch("--no-drawing", group=MANY, help="Paint the cells, draw no plot.")] = False,
    margin: Annotated[int, flag("--margin", group=MANY, help="Pixels between the cells.")] = 0,
    font: Annotated[
        Path | None, flag("--font", group=MANY, help="For the labels. [default: one that has their characters]")
    ] = None,
    options: ManyOptions = ManyOptions(),
    source: SourceOptions = SourceOptions(),
    edit: EditOptions = EditOptions(),
    control: ControlOptions = ControlOptions(),
    resolution: ResolutionOptions = ResolutionOptions(),
) -> int:
    """Paint one prompt under every combination of the values of up to three axes.

    Axes are those of A1111 (Steps, Sampler, CFG Scale, Seed, Prompt S/R, Prompt order, Checkpoint name, ...) and every
    plain field of a request by its name. Values are a list, or ranges: 1-5, 10-30 (+10), 0-1 (+0.25), 1-10 [5].
    Each cell is a picture of its own with its whole request; plot.json lists them. A plot that was interrupted goes on
    where it stopped when the same command is given again.

    ```
    inkbloom plot "a cute dog" --x "Steps: 5, 10, 20" --y "CFG Scale: 1-5 [3]"
    inkbloom plot "a cute dog" --x "Prompt S/R: dog, cat, fox" --y "Seed: 1-3"
    inkbloom plot "a castle|by night|in the snow" --matrix
    inkbloom plot "a castle" --x "Checkpoint name: a.safetensors, b.safetensors"
    inkbloom plot "a castle" --init-img photo.jpg --x "Denoising: 0.2-0.8 (+0.2)"
    ```
    """
    from inkbloom.pipelines.batches.axes import NOTHING, Setting, read_axis
    from inkbloom.pipelines.batches.drawing import check_size
    from inkbloom.pipelines.batches.jobs import Job
    from inkbloom.pipelines.batches.matrix import read_matrix
    from inkbloom.pipelines.batches.plan import AxisRecord, open_plan
    from inkbloom.pipelines.batches.plots import Plot

    if margin not in range(501):
        raise RequestError(f"--margin {margin}: must be from 0 to 500 pixels.")
    if matrix and (x or y):
        raise RequestError("--matrix takes x and y for itself; leave --x and --y out, or plot along --z.")
    setting = Setting(prompt=prompt, negative_prompt=options.negative_prompt, styles=read_styles_of(options))
    axes = {name: read_axis(text, setting) if text else NOTHING for name, text in (("x", x), ("y", y), ("z", z))}
    if matrix:
        prompt, axes["x"], axes["y"] = read_matrix(prompt, at_start=options_first)
    sources = source.fields() if source.init_img is not None else {}
    fields = edit.fields() | sources | resolution.fields()
    request = paint_request(prompt, options, controls=control_units(control), **fields)
    models = Models(options)
    drawn = request.resolved(models.spec(None))

    def cells(seed: int) -> list[Job]:
        """All share the seed, and that of variations."""
        variation_seed = request.variation_seed if request.variation_seed not in (None, -1) else seed + 1
        base = Job(request=request.model_copy(update={"seed": seed, "variation_seed": variation_seed}))
        return Plot(base=base, **axes, vary_seeds=vary_seeds).jobs()

    records = {
        name: AxisRecord(name=axis.name, labels=[value.label for value in axis.values]) for name, axis in axes.items()
    }
    if not no_drawing:
        check_size((drawn.width, drawn.height), records, margin)
    # A seed drawn at random stands in the plan, and the same command goes on with it
    is_random = options.seed == -1
    folder, plan = open_plan(
        outdir,
        _PARENT,
        _NAME,
        cells(drawn.seed),
        models.spec,
        ending=f".{options.format}",
        own=(*options.asked(), *(("random seed",) if is_random else ())),
        axes=records,
        known_by=cells(0) if is_random else None,
    )
    code = work(plan, folder, models, options)
    if code == 130 or no_drawing:
        return code or 0
    _draw(plan, folder, legend=not no_legend, margin=margin, font=font, told=options.privacy == "full")
    return code or 0


def _draw(plan: Plan, folder: Path, *, legend: bool, margin: int, font: Path | None, told: bool) -> None:
    """Draw the cells that are there into the folder, and say where. Where it may be `told`, the plot carries A1111's
    text of its first cell, with the axes."""
    from inkbloom.pipelines.batches.drawing import draw_plot, plot_infotext
    from inkbloom.pipelines.metadata.containers import png_notes
    from inkbloom.pipelines.pictures import open_picture
    from inkbloom.pipelines.saving import save_new

    there = [entry for entry in plan.entries if (folder / entry.file).exists()]
    cells = {entry.place: open_picture(folder / entry.file) for entry in there if entry.place is not None}
    if not cells:
        return
    drawing = draw_plot(cells, plan.axes, legend=legend, margin=margin, font_file=font)
    if legend and drawing.missing:
        print(
            f"inkbloom: No font here has {' '.join(drawing.missing[:10])}; the labels show boxes. Give one by --font, "
            "or install one such as Noto Sans CJK.",
            file=sys.stderr,
        )
    notes = png_notes(plot_infotext(plan) if told else None, None)
    path = save_new(
        lambda place: drawing.picture.save(place, "PNG", pnginfo=notes),
        (folder / f"plot{f'-{i}' if i else ''}.png" for i in count()),
    )
    print(f"The plot is {path}, its data {folder / _NAME}.")
