"""The loop of every command that paints from prompts: batch after batch is painted, saved and told."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkbloom.apps.cli.painting.asking import load_model
from inkbloom.apps.cli.painting.options import PaintOptions
from inkbloom.apps.cli.painting.planning import tell_request, tell_time

if TYPE_CHECKING:
    from PIL.Image import Image

    from inkbloom.pipelines.request import GenerationRequest, ResolvedRequest
    from inkbloom.pipelines.stable_diffusion import StableDiffusion
    from inkbloom.pipelines.upscaling.settings import HiresPass
    from inkbloom.text.prompt.templates import Templates


def templates(options: PaintOptions) -> Templates:
    """Styles, wildcards and variants of the options."""
    from inkbloom.text.prompt.templates import Templates
    from inkbloom.text.prompt.wildcards import Wildcards

    wildcards = Wildcards(options.wildcards) if options.variants or options.wildcards else None
    return Templates(style=options.style, styles_file=options.styles_file, wildcards=wildcards)


def run(request: GenerationRequest, prompts: list[str], options: PaintOptions) -> int:
    """Paint what is asked for, or, with --dry-run, tell what that would be; the exit code."""
    if options.dry_run:
        tell_request(request, options, request.num_images)
    model = load_model(options)
    work = Run(model, model.resolve(request), prompts, options)
    return work.tell() if options.dry_run else work.paint()


class Run:
    """One run of the command: batch after batch is painted and saved, so that what was finished is kept."""

    def __init__(
        self, model: StableDiffusion, request: ResolvedRequest, prompts: list[str], options: PaintOptions
    ) -> None:
        self.model = model
        self.request = request
        self.prompts = prompts
        self.options = options
        self.templates = templates(options)
        self.steps = model.num_steps(request)
        self.samples = options.outdir / "samples"
        self.pictures: list[Image] = []
        self.saved: list[Path] = []

    def tell(self) -> int:
        batches = list(self._batches())
        tell_time(self.model, batches[0], self.request.num_images)
        return 0

    def paint(self) -> int:
        from inkbloom.pipelines.saving import output_folders

        batches = list(self._batches())
        wanted = {self.samples: not self.options.skip_save, self.options.outdir: not self.options.skip_grid}
        with output_folders(*(folder for folder, is_wanted in wanted.items() if is_wanted)):
            return self._paint(batches)

    def _paint(self, batches: list[list[ResolvedRequest]]) -> int:
        from inkbloom.apps.cli.progress import step_bar
        from inkbloom.pipelines.saving import numbered, save_picture
        from inkbloom.pipelines.spool import Spool

        spool = Spool(self.options.outdir / "spool")
        warned: set[str] = set()
        started = time.monotonic()
        try:
            with step_bar("Painting", self._total_steps()) as show:
                for batch in batches:
                    result = self.model.paint(
                        batch,
                        on_progress=lambda p: show(p.first * self.steps + p.step * len(p.latents)),
                        first=len(self.pictures),
                        num_images=self.request.num_images,
                        spool=None if self.options.skip_save else spool,
                    )
                    self.pictures += result.images
                    for line in result.warnings:
                        if line not in warned:
                            print(f"inkbloom: {line}", file=sys.stderr)
                            warned.add(line)
                    if self.options.skip_save:
                        continue
                    for picture, single, stages in zip(result.images, result.requests, result.stages, strict=True):
                        pattern = f"{{:05}}.{self.options.format}"
                        names = numbered(self.samples, pattern, len(list(self.samples.iterdir())))
                        path = save_picture(picture, names, single, stages=stages, privacy=self.options.privacy)
                        self.saved.append(path)
                    spool.clear()
        except KeyboardInterrupt:
            kept = f" {len(self.saved)} of {self.request.num_images} pictures are kept in {self.samples}."
            print(f"inkbloom: stopped.{kept if self.saved else ''}", file=sys.stderr)
            return 130
        finally:
            if spool.files:
                print(f"inkbloom: {spool.left()}", file=sys.stderr)
        grid = None if self.options.skip_grid else self._save_grid()
        self._report(grid, time.monotonic() - started)
        return 0

    def _batches(self) -> Iterator[list[ResolvedRequest]]:
        """In CompVis's order: all prompts, n_samples at a time, in each iteration. Seeds count up with the pictures;
        with a variation it is the variation's seed that does.

        The prompts are read here once, so that what is wrong with any of them is told before the first is painted.
        """
        number = 0
        counted = "variation_seed" if self.request.variation_strength else "seed"
        start = getattr(self.request, counted)
        for _ in range(self.options.n_iter):
            for first in range(0, len(self.prompts), self.options.n_samples):
                batch = []
                for place, prompt in enumerate(self.prompts[first : first + self.options.n_samples]):
                    seed = start + (place if self.options.fixed_code else number)
                    prompt, negative = self.templates.fill(prompt, self.request.negative_prompt, seed)
                    texts: dict[str, Any] = {"prompt": prompt, "negative_prompt": negative}
                    texts["hires"] = self._second(seed)
                    own = {**texts, counted: seed, "num_images": 1, "batch_size": 1}
                    batch.append(type(self.request)(**dict(self.request) | own))
                    for one in (batch[-1], self.model.second_pass(batch[-1])):
                        if one is not None:
                            self.model.prompts.read(one)
                    number += 1
                yield batch

    def _second(self, seed: int) -> HiresPass | None:
        """The second pass, the prompts of its own filled as the first one's are."""
        hires = self.request.hires
        if hires is None:
            return None
        prompt, negative = self.templates.fill(hires.prompt or "", hires.negative_prompt or "", seed)
        own = {"prompt": hires.prompt and prompt, "negative_prompt": hires.negative_prompt and negative}
        return hires.model_copy(update=own)

    def _total_steps(self) -> int | None:
        """Each picture's counted, since those of a batch may have to be painted one after the other."""
        from inkbloom.sampling.registry import find_sampler

        counted = find_sampler(self.request.sampler).calls_per_step > 0
        return self.request.num_images * self.steps if counted else None

    def _save_grid(self) -> Path:
        from inkbloom.pipelines.pictures import make_grid
        from inkbloom.pipelines.saving import numbered, save_picture

        grid = make_grid(self.pictures, self.options.n_rows or self.options.n_samples)
        # CompVis counts the entries of the folder but for `samples`.
        others = [entry for entry in self.options.outdir.iterdir() if entry != self.samples]
        return save_picture(grid, numbered(self.options.outdir, "grid-{:04}.png", len(others)))

    def _report(self, grid: Path | None, seconds: float) -> None:
        count = len(self.pictures)
        parts = [f"painted {count} picture{'s' if count > 1 else ''} in {seconds:.1f} s"]
        if self.saved:
            last = f" to {self.saved[-1].name}" if count > 1 else ""
            parts.append(f"saved as {self.saved[0]}{last}")
        if grid is not None:
            parts.append(f"the grid as {grid}")
        line = ", ".join(parts)
        print(f"{line[0].upper()}{line[1:]} (seed {self.request.seed}).")
