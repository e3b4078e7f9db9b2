"""What a training is given to look at, and how it is read: the `data` section of a training's configuration."""

from dataclasses import dataclass
from pathlib import Path

from inkbloom.core.errors import RequestError


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Every field can be a flag and a line of a TOML file. `RequestError` names the one that cannot be used."""

    data: tuple[Path, ...] = ()
    """Folders of pictures, or webdataset tars; a folder named "10_dog" counts each of its pictures ten times."""
    regularisation_data: tuple[Path, ...] = ()
    """Pictures of the class that the subject belongs to, so that the class is not forgotten (prior preservation). An
    epoch has as many of them as of the others, by turns."""
    prior_weight: float = 1.0
    """How much a regularisation picture counts in the loss, against 1 for the others."""
    repeats: int = 1
    """How often each picture comes in an epoch, times what its folder's name says."""
    held_out: float = 0.0
    """Part of the pictures, from 0 to below 1, that is never trained on but measured."""
    skip_broken: bool = False
    """Leave out what cannot be read, and say so, where otherwise the run is refused."""

    resolution: int | None = None
    """Side of a square, in pixels, with the area to train at; None is the model's own."""
    resolution_height: int | None = None
    """Where the area is no square: its height; the resolution is then its width."""
    batch_size: int = 4
    """Pictures in an optimizer step, over all processes and micro-batches together."""
    buckets: bool = True
    """Train each picture in the shape nearest to its own instead of cropping all to one."""
    min_bucket: int | None = None
    """Shortest side of a bucket; None is half the resolution."""
    max_bucket: int | None = None
    """Longest side of a bucket; None is twice the resolution."""
    bucket_step: int | None = None
    """The sides of buckets are multiples of it; None is what suits the model, 64 for Stable Diffusion 1."""
    no_upscale: bool = False
    """Never enlarge a small picture; its bucket is then of its own size."""
    flip: bool = False
    """Mirror every other picture, at random; not for subjects whose left and right differ."""
    random_crop: bool = False
    """Crop at a random place instead of the middle; latents cannot be cached then."""

    mask_folder: Path | None = None
    """Grey pictures, named as those that they belong to: white counts in the loss, black does not."""
    alpha_mask: bool = False
    """Take a picture's transparency as its mask."""
    hint_folder: Path | None = None
    """Control pictures for a ControlNet, named as those that they belong to."""

    cache_latents: bool = True
    """Encode each picture once and keep its latents on disk."""
    cache_folder: Path | None = None
    """Where latents are kept; None is beside the run."""
    sample_latents: bool = True
    """Draw each latent anew from what the autoencoder gives; otherwise take the mean."""
    loader_threads: int = 4
    """Threads that read ahead."""
    loader_ahead: int = 2
    """Steps that are read ahead."""

    caption_extensions: tuple[str, ...] = (".txt", ".caption")
    """Endings of caption files, the first that is there counts."""
    default_caption: str = ""
    """For pictures without a caption of their own or of their folder's name."""
    regularisation_caption: str = ""
    """The same for regularisation pictures, such as "a dog"."""
    folder_trigger: bool = False
    """Begin captions with the name of their "10_name" folder: a trigger word for each subject."""
    caption_prefix: str = ""
    """Put before every caption."""
    caption_suffix: str = ""
    """Put after every caption."""
    caption_dropout: float = 0.0
    """Part of the captions left empty, from 0 to 1; guidance needs about 0.1 where a model is trained from nothing."""
    caption_dropout_every: int = 0
    """Leave all captions empty in every so manyth epoch; 0 is never."""
    caption_wildcards: bool = False
    """Choose a line of a caption, and one of {a|b}, at random; otherwise the first line is read as it is."""
    caption_replacements: tuple[str, ...] = ()
    """Words to replace, each written as "old=new"; "=new" replaces whole captions."""
    tag_separator: str = ","
    """What stands between the tags of a caption."""
    tag_shuffling: bool = False
    """Put tags in random order."""
    keep_tags: int = 0
    """So many tags at the beginning stay where they are, and are never dropped."""
    keep_tags_separator: str = ""
    """Such as "|||": tags before the first of them, and after the second, stay and are never dropped."""
    tag_dropout: float = 0.0
    """Part of the tags left out, from 0 to 1."""
    tag_warmup_steps: int = 0
    """Over so many steps the number of tags grows to all of them."""
    tag_warmup_min: int = 1
    """With how many tags that begins."""
    secondary_separator: str = ""
    """Such as ";;;": joins tags that stay together; it becomes the tag separator at last."""

    def __post_init__(self) -> None:
        for name in ("prior_weight", "caption_dropout", "tag_dropout"):
            value, high = getattr(self, name), float("inf") if name == "prior_weight" else 1.0
            if not 0.0 <= value <= high:
                allowed = "at least 0" if name == "prior_weight" else "from 0 to 1"
                raise RequestError(f"{name} is {value}; it must be {allowed}.")
        if not 0.0 <= self.held_out < 1.0:
            raise RequestError(f"held_out is {self.held_out}; it must be from 0 to below 1.")
        sizes = ("resolution", "resolution_height", "min_bucket", "max_bucket", "bucket_step")
        for name in ("batch_size", "repeats", "loader_threads", "loader_ahead", *sizes):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RequestError(f"{name} is {value}; it must be at least 1.")
        for name in ("keep_tags", "tag_warmup_steps", "tag_warmup_min", "caption_dropout_every"):
            if getattr(self, name) < 0:
                raise RequestError(f"{name} is {getattr(self, name)}; it must be at least 0.")
        for ending in self.caption_extensions:
            if not ending.startswith("."):
                raise RequestError(f'caption_extensions has "{ending}"; an ending begins with a dot, as ".{ending}".')
        for pair in self.caption_replacements:
            if "=" not in pair:
                raise RequestError(f'caption_replacements has "{pair}"; each is written as "old=new".')
        if not self.tag_separator:
            raise RequestError('tag_separator is empty; it must be at least one character, such as ",".')
        if self.resolution_height is not None and self.resolution is None:
            raise RequestError("resolution_height is given without resolution; both are needed, width and height.")
        if self.mask_folder is not None and self.alpha_mask:
            raise RequestError("mask_folder and alpha_mask are both given; masks come from one of them.")
