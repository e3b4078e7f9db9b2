"""`inkbloom prompt`: what a prompt means, token by token and step by step, without painting anything."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from inkbloom.apps.cli.models import MODELS, ModelsDir
from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.checkpoints.library import Library
    from inkbloom.text.prompt.inspection import PartView, PhaseView, TokenView
    from inkbloom.text.prompt.networks import Network
    from inkbloom.text.prompt.unknown import OnUnknown


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PromptOptions:
    steps: Annotated[int, Parameter(help="Sampling steps, for [from:to:when] and [a|b].")] = 20
    hires_steps: Annotated[int | None, Parameter(help="Show the second pass of this many steps instead.")] = None
    second_order: Annotated[bool, Parameter(negative="", help="The sampler calls the model twice a step.")] = False
    old_scheduling: Annotated[bool, Parameter(negative="", help="Read [a:b:when] as A1111 before 1.6 did.")] = False
    dialect: Annotated[Literal["a1111", "comfy", "plain"], Parameter(help="Whose rules to read it by.")] = "a1111"
    emphasis: Annotated[
        Literal["None", "Ignore", "Original", "No norm"], Parameter(help="What A1111's brackets do.")
    ] = "Original"
    negative: Annotated[bool, Parameter(negative="", help="Read it as a negative prompt.")] = False
    style: Annotated[tuple[str, ...], Parameter(negative_iterable="", help="A style to apply; repeatable.")] = field(
        default=()
    )
    styles_file: Annotated[
        tuple[Path, ...], Parameter(negative_iterable="", help="Where styles are read from; repeatable.")
    ] = (Path("styles.csv"),)
    wildcards: Annotated[
        tuple[Path, ...], Parameter(negative_iterable="", help="A folder of wildcard files; repeatable.")
    ] = field(default=())
    seed: Annotated[int | None, Parameter(help="Choose variants and wildcards by this seed first.")] = None
    combinations: Annotated[int | None, Parameter(help="Print so many combinations of the variants, no more.")] = None
    models_dir: ModelsDir = MODELS
    lenient: Annotated[bool, Parameter(negative="", help="Unknown names are a warning, not an error.")] = False


def prompt(
    text: Annotated[str, Parameter(name="PROMPT", help="In quotation marks.")],
    /,
    *,
    options: PromptOptions = PromptOptions(),
) -> int:
    """Show what a prompt means: its tokens, their weights, and what changes at which step.

    ```
    inkbloom prompt "a (cat:1.3) on a [beach:mountain:0.5] <lora:film:0.8>"
    inkbloom prompt "a {red|blue} __animal__" --wildcards wildcards --seed 7
    inkbloom prompt "a {red|blue} {cat|dog}" --combinations 10
    ```
    """
    from inkbloom.apps.cli.storage import open_library
    from inkbloom.pipelines.adapters import LibraryEmbeddings, RowCounts
    from inkbloom.text.prompt.chunks import Chunker
    from inkbloom.text.prompt.inspection import inspect
    from inkbloom.text.prompt.parsing import parse
    from inkbloom.text.prompt.schedule import Timeline
    from inkbloom.text.prompt.templates import Templates
    from inkbloom.text.prompt.unknown import refuse
    from inkbloom.text.prompt.variants import all_prompts
    from inkbloom.text.prompt.wildcards import Wildcards
    from inkbloom.text.tokenizer import Tokenizer

    on_unknown = _warn if options.lenient else refuse
    wildcards = Wildcards(options.wildcards)
    if options.combinations is not None:
        if options.seed is not None:
            raise RequestError("--seed and --combinations both say how to choose; give one of them.")
        for each in all_prompts(text, options.combinations, wildcards, on_unknown):
            print(each)
        return 0
    templates = Templates(
        style=options.style,
        styles_file=options.styles_file,
        wildcards=None if options.seed is None else wildcards,
        on_unknown=on_unknown,
    )
    texts = ("", text) if options.negative else (text, "")
    text = templates.fill(*texts, options.seed or 0)[options.negative]
    timeline = Timeline(
        steps=options.steps,
        hires_steps=options.hires_steps,
        second_order=options.second_order,
        old_scheduling=options.old_scheduling,
    )
    parsed = parse(
        text,
        timeline=timeline,
        dialect=options.dialect,
        emphasis=options.emphasis,
        negative=options.negative,
        on_unknown=on_unknown,
    )
    library = open_library(options.models_dir)
    vectors = LibraryEmbeddings(library)
    chunker = Chunker(
        tokenizer=Tokenizer.clip(),
        dialect=options.dialect,
        embeddings=RowCounts(vectors),
        on_unknown=on_unknown,
    )
    seen = inspect(parsed, chunker)
    for number, part in enumerate(seen.parts, start=1):
        _show_part(part, f"Part {number} of {len(seen.parts)}, weight {part.weight:g}" if len(seen.parts) > 1 else None)
    for network in seen.networks:
        print(_say_network(network, library, on_unknown))
    for name in seen.embeddings:
        print(f"embedding {name}: {len(vectors[name])} vectors{_say_file(vectors.path(name))}")
    return 0


def _show_part(part: PartView, title: str | None) -> None:
    if title is not None:
        print(title)
    for phase in part.phases:
        # Written as people count: the first model call is 1.
        when = "" if len(part.phases) == 1 else f"Model calls {phase.first_step + 1} to {phase.last_step + 1}: "
        print(f"{when}{' '.join(phase.text.split())}")
        _show_chunks(phase)


def _show_chunks(phase: PhaseView) -> None:
    for number, tokens in enumerate(phase.chunks, start=1):
        print(f"  chunk {number}, {len(tokens)}/75: {' '.join(map(_say_token, tokens))}".rstrip())


def _say_token(token: TokenView) -> str:
    return token.text if token.weight == 1 else f"{token.text}*{token.weight:.4g}"


def _say_network(network: Network, library: Library | None, on_unknown: OnUnknown) -> str:
    from inkbloom.pipelines.adapters import find_network

    rank = "" if network.rank is None else f", first {network.rank} ranks"
    weights = f"text encoder {network.text_encoder_weight:g}, U-Net {network.unet_weight:g}"
    file = ""
    if library is not None:
        try:
            file = _say_file(find_network(library, network))
        except RequestError as error:
            on_unknown(str(error))
    return f"{network.kind} {network.name}: {weights}{rank}{file}"


def _say_file(path: Path) -> str:
    from inkbloom.apps.cli.storage import hash_cache

    return f", {path} [{hash_cache().sha256(path)[:10]}]"


def _warn(message: str) -> None:
    print(f"inkbloom: {message}", file=sys.stderr)
