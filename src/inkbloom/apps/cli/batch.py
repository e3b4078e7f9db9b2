"""`inkbloom batch`: many requests from a file, or a picture from each picture of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from inkbloom.apps.cli.painting.asking import paint_request
from inkbloom.apps.cli.painting.editing import EditOptions
from inkbloom.apps.cli.painting.many import MANY, ManyOptions, Models, read_styles_of, tell, work
from inkbloom.apps.cli.painting.options import flag, switch
from inkbloom.apps.cli.painting.resolution import ResolutionOptions
from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.pipelines.batches.jobs import Job

_NAME = "batch.json"
_PARENT = Path("outputs/batches")


def batch(
    source: Annotated[Path, Parameter(name="SOURCE", help="A .csv, .jsonl or .txt file, or a folder of pictures.")],
    /,
    *,
    prompt: Annotated[str | None, flag("--prompt", group=MANY, help="For those that name none.")] = None,
    outdir: Annotated[
        Path | None, flag("--outdir", group=MANY, help="The folder of this batch. [default: outputs/batches/0000, ...]")
    ] = None,
    mask: Annotated[
        Path | None, flag("--mask", group=MANY, help="For a folder: one mask for all, or a folder of masks by name.")
    ] = None,
    same_seed: Annotated[
        bool, switch("--same-seed", group=MANY, help="Those that name no seed all take --seed; else it counts up.")
    ] = False,
    style: Annotated[
        tuple[str, ...],
        flag("--style", group=MANY, negative_iterable="", help="A style to put around the prompts; repeatable."),
    ] = (),
    batch_size: Annotated[int, flag("--batch-size", group=MANY, help="Neighbours that are painted at once.")] = 1,
    options: ManyOptions = ManyOptions(),
    edit: EditOptions = EditOptions(),
    resolution: ResolutionOptions = ResolutionOptions(),
) -> int:
    """Paint a list of requests, or repaint a folder of pictures.

    A line of a .txt file is a prompt, or A1111's options: --prompt a dog --seed 7 --steps 10. A .csv file has a header
    of fields (prompt, seed, steps, cfg_scale, model, ...), a line of .jsonl is an object of them. The command's own
    options stand for what a line leaves out. All lines are checked before the first picture; batch.json lists every
    picture with its whole request. A batch that was interrupted goes on when the same command is given again.

    ```
    inkbloom batch prompts.txt --steps 10
    inkbloom batch requests.csv --outdir outputs/mine
    inkbloom batch requests.jsonl --ckpt model.safetensors
    inkbloom batch photos --prompt "an oil painting" --strength 0.5
    inkbloom batch photos --prompt "snow" --mask masks
    ```
    """
    from inkbloom.pipelines.batches.plan import open_plan

    more = edit.fields() | resolution.fields()
    fields: dict[str, Any] = dict(paint_request(prompt or "", options, batch_size=batch_size, **more))
    first = fields.pop("seed")
    if prompt is None and not source.is_dir():
        del fields["prompt"]
    jobs, lines = _read(source, fields, mask)
    tell(lines)
    seeds = (None if first == -1 else first + (0 if same_seed else i) for i in range(len(jobs)))
    jobs = [_finished(job, seed, style, options) for job, seed in zip(jobs, seeds, strict=True)]
    models = Models(options)
    folder, plan = open_plan(
        outdir, _PARENT, _NAME, jobs, models.spec, ending=f".{options.format}", own=options.asked()
    )
    return work(plan, folder, models, options) or (2 if lines else 0)


def _read(source: Path, fields: dict[str, Any], mask: Path | None) -> tuple[list[Job], list[str]]:
    """The jobs, and a line for each picture that had to be left out."""
    from inkbloom.pipelines.batches.folder import read_folder
    from inkbloom.pipelines.batches.lines import read_lines
    from inkbloom.pipelines.batches.table import read_csv, read_jsonl

    if source.is_dir():
        return read_folder(source, fields, mask)
    if mask is not None:
        raise RequestError(f'--mask "{mask}" goes with a folder of pictures; in a table name it as mask_image.')
    readers = {".csv": read_csv, ".jsonl": read_jsonl, ".txt": read_lines}
    if source.suffix.lower() not in readers:
        raise RequestError(f'"{source}" is none of: a folder of pictures, or a file ending in {", ".join(readers)}.')
    return readers[source.suffix.lower()](source, fields), []


def _finished(job: Job, seed: int | None, style: tuple[str, ...], options: ManyOptions) -> Job:
    """With the seed where it has none, and the styles."""
    from inkbloom.text.prompt.styles import apply_styles

    changes: dict[str, Any] = {"seed": seed} if job.request.seed is None else {}
    if style:
        request = job.request
        prompt, negative = apply_styles(request.prompt, request.negative_prompt, style, read_styles_of(options))
        changes |= {"prompt": prompt, "negative_prompt": negative}
    return job.change(**changes)
