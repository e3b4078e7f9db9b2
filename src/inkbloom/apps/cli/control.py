"""The options by which pictures steer a painting: `--control` and what goes with it; and `inkbloom preprocess`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Group, Parameter

from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.pipelines.control.unit import ControlUnit

CONTROL = Group("Control by pictures", sort_key=3)

T = TypeVar("T")


def _flag(name: str, help: str) -> Parameter:
    return Parameter(name=name, group=CONTROL, help=help, negative_iterable="")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ControlOptions:
    """All are repeatable: the first of each is the first control's. One alone goes for all controls."""

    control: Annotated[
        tuple[str, ...],
        _flag(
            "--control",
            "NAME_OR_FILE[:weight[:start[:end]]] of a ControlNet, T2I- or IP-Adapter, or reference_only; weight is 0 "
            "to 2, start and end are parts of the steps.",
        ),
    ] = field(default=())
    control_image: Annotated[tuple[Path, ...], _flag("--control-image", "The picture that it reads.")] = field(
        default=()
    )
    control_preprocessor: Annotated[
        tuple[str, ...],
        _flag("--control-preprocessor", "NAME[:a[:b]], made of the picture first, such as canny:100:200; or none."),
    ] = field(default=())
    control_mode: Annotated[
        tuple[str, ...], _flag("--control-mode", "Who is more important: balanced, prompt or control.")
    ] = field(default=())
    control_resize: Annotated[
        tuple[str, ...], _flag("--control-resize", "How the picture comes to size: stretch, crop or fill.")
    ] = field(default=())
    control_resolution: Annotated[
        tuple[int, ...],
        _flag("--control-resolution", "Its shorter side while preprocessing; 0 = pixel perfect, as it is painted."),
    ] = field(default=())
    control_mask: Annotated[
        tuple[Path, ...], _flag("--control-mask", "For the preprocessor inpaint: white is to be filled.")
    ] = field(default=())


def control_units(options: ControlOptions) -> tuple[ControlUnit, ...]:
    """`RequestError` where something is missing, too much or out of range."""
    count = len(options.control)
    images = _for_each("--control-image", options.control_image, count)
    preprocessors = _for_each("--control-preprocessor", options.control_preprocessor, count)
    modes = _for_each("--control-mode", options.control_mode, count)
    resizes = _for_each("--control-resize", options.control_resize, count)
    resolutions = _for_each("--control-resolution", options.control_resolution, count)
    masks = _for_each("--control-mask", options.control_mask, count)
    if not count:
        return ()

    from inkbloom.pipelines.control.unit import ControlUnit

    units = []
    for i, text in enumerate(options.control):
        if images[i] is None:
            raise RequestError(f'--control "{text}" needs a picture; give it by --control-image.')
        model, numbers = _numbered("--control", text, 3)
        fields = dict(zip(("weight", "start", "end"), numbers, strict=False))
        name, settings = _numbered("--control-preprocessor", preprocessors[i] or "none", 2)
        fields |= dict(zip(("threshold_a", "threshold_b"), settings, strict=False))
        chosen = {"mode": modes[i], "resize_mode": resizes[i], "resolution": resolutions[i] or None, "mask": masks[i]}
        fields |= {field: value for field, value in chosen.items() if value is not None}
        units.append(ControlUnit(model=model, image=images[i], preprocessor=name, **fields))  # type: ignore[arg-type] - it checks
    return tuple(units)


def _for_each(flag: str, values: Sequence[T], count: int) -> list[T | None]:
    """One value for each control: one alone is everybody's."""
    if values and not count:
        raise RequestError(f"{flag} {values[0]}: there is no --control that it could belong to.")
    if len(values) > max(count, 1):
        raise RequestError(f"{flag} is given {len(values)} times, --control {count} times.")
    if len(values) == 1:
        return [values[0]] * count
    return [*values, *[None] * (count - len(values))]


def _numbered(flag: str, text: str, most: int) -> tuple[str, list[float]]:
    """A name and the numbers behind it, "name:1:0.5". A name may hold colons before what are no numbers."""
    name, *parts = text.split(":")
    numbers: list[float] = []
    while parts and (number := _number(parts[-1])) is not None:
        numbers.insert(0, number)
        parts.pop()
    if len(numbers) > most:
        raise RequestError(f'{flag} "{text}" has {len(numbers)} numbers; at most {most} are allowed.')
    if parts and flag == "--control-preprocessor":
        raise RequestError(f'{flag} "{text}": "{parts[0]}" is no number.')
    return ":".join([name, *parts]), numbers


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def preprocess(
    name: Annotated[str, Parameter(help="Such as canny; `inkbloom preprocess list` tells them all.")],
    source: Annotated[Path | None, Parameter(name="IN", help="A picture.")] = None,
    target: Annotated[Path | None, Parameter(name="OUT", help="Where the result goes, such as edges.png.")] = None,
    /,
    *,
    setting: Annotated[
        tuple[float, ...],
        Parameter(negative_iterable="", help="Its settings in their order; repeatable."),
    ] = (),
) -> int:
    """Make of a picture what a ControlNet reads: edges, tones, blurs.

    The result has the size of the picture; a file that is there is not overwritten but gets a sibling with a number.

    ```
    inkbloom preprocess canny photo.jpg edges.png --setting 50 --setting 150
    inkbloom preprocess list
    ```
    """
    from inkbloom.pipelines.preprocessing import PREPROCESSORS, find_preprocessor

    if name == "list":
        for one in PREPROCESSORS.values():
            settings = ", ".join(f"{each.help} {each.default:g}" for each in one.settings)
            print(f"{one.name:18} {one.help}{f' ({settings})' if settings else ''}")
        return 0
    preprocessor = find_preprocessor(name)
    preprocessor.checked(*setting)
    if source is None or target is None:
        raise RequestError(f"Give a picture and where to put the result: inkbloom preprocess {name} photo.jpg out.png.")

    from inkbloom.pipelines.pictures import open_picture
    from inkbloom.pipelines.saving import prepare_folder, save_picture

    made = preprocessor(open_picture(source), *setting)
    prepare_folder(target.parent)
    path = save_picture(made, _free(target))
    print(f"Saved {path}.")
    return 0


def _free(target: Path):
    """OUT, then OUT-1, ..."""
    yield target
    number = 0
    while True:
        number += 1
        yield target.with_stem(f"{target.stem}-{number}")
