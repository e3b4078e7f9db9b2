"""What prompts may name beside words: LoRAs and embeddings of a library of models, for one loaded model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from torch import Tensor

from inkbloom.checkpoints import LoadedModel, file_hash
from inkbloom.checkpoints.adapters import AdapterFile, AdapterUse, Merger, fit, read_adapter, read_embedding
from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.text.prompt.networks import Network
from inkbloom.text.prompt.unknown import OnUnknown

_SHORT = 10  # digits of a SHA-256: AutoV2


class Adapters:
    """Finds the files of names, reads each once, and puts LoRAs into the model for as long as pictures are painted.

    With a library the threads that share the model paint one after the other, since LoRAs change its weights.
    """

    def __init__(self, loaded: LoadedModel, library: Library | None = None) -> None:
        self._spec = loaded.spec
        self._library = library
        self._merger = Merger(loaded)
        self._lock = RLock()
        self._files: dict[Path, AdapterFile] = {}
        self.embeddings = LibraryEmbeddings(library, loaded.spec.text.width)

    def uses(self, networks: Sequence[Network], on_unknown: OnUnknown) -> dict[str, AdapterUse]:
        """The LoRAs of a prompt's tags by name; of several tags with one name the last counts, as in A1111.

        A name that is in no file is told to `on_unknown` with the nearest names, and left out where that lets it pass.
        `RequestError` for a hypernetwork, `CheckpointError` for a file that cannot be read or does not fit the model.
        """
        found: dict[str, AdapterUse] = {}
        for network in networks:
            if network.kind != "lora":
                raise RequestError(
                    f'Hypernetwork "{network.name}" cannot be applied yet; take its tag out of the prompt.'
                )
            try:
                path = find_network(self._library, network.name)
            except RequestError as error:
                on_unknown(str(error))
                continue
            found[network.name] = AdapterUse(
                file=self._read(path),
                text_weight=network.text_encoder_weight,
                unet_weight=network.unet_weight,
                rank=network.rank,
            )
        return found

    def _read(self, path: Path) -> AdapterFile:
        if path not in self._files:
            file = read_adapter(path)
            fit(file, self._spec)  # what does not fit is told before anything is painted
            self._files[path] = file
        return self._files[path]

    @contextmanager
    def applied(self, uses: Sequence[AdapterUse]) -> Iterator[None]:
        """The model with these LoRAs, as long as the `with` block lasts; afterwards its weights are the very same."""
        if self._library is None:
            yield
            return
        with self._lock, self._merger.applied(uses):
            yield


class LibraryEmbeddings(Mapping[str, Tensor]):
    """The vectors of a library's embeddings by name, (count, width); a file is read when its name is looked up.

    A name is the file's without its ending, also with the folders above it. Looking one up raises `CheckpointError`
    where the file cannot be read, has another width (None: any), or is one of several of that name.
    """

    def __init__(self, library: Library | None, width: int | None = None) -> None:
        self._library, self._width = library, width
        stems = [one.name.rpartition(".")[0] for one in library.entries("embeddings")] if library else []
        self._names = dict.fromkeys(name for stem in stems for name in (stem.rpartition("/")[2], stem))
        self._read: dict[str, Tensor] = {}

    def beside(self, bundled: dict[str, Tensor]) -> Mapping[str, Tensor]:
        """These embeddings and those `bundled` with LoRAs, which go first."""
        if not bundled:
            return self
        both = LibraryEmbeddings(self._library, self._width)
        both._names |= dict.fromkeys(bundled)
        both._read = self._read | bundled
        return both

    def path(self, name: str) -> Path:
        if self._library is None or name not in self._names:
            raise KeyError(name)
        return self._library.find(name, "embeddings")

    def hash(self, name: str) -> str:
        """The first ten hexadecimal digits of the file's SHA-256."""
        return file_hash(self.path(name))[:_SHORT]

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._read:
            embedding = read_embedding(self.path(name))
            if self._width is not None:
                embedding.check_width(self._width)
            self._read[name] = embedding.vectors
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class RowCounts(Mapping[str, int]):
    """How many rows each embedding has, as `text.prompt.chunks.Chunker` asks for it."""

    def __init__(self, vectors: Mapping[str, Tensor]) -> None:
        self._vectors = vectors

    def __getitem__(self, name: str) -> int:
        return len(self._vectors[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._vectors)

    def __len__(self) -> int:
        return len(self._vectors)


def find_network(library: Library | None, name: str) -> Path:
    """The file of a LoRA's name; `RequestError` with the nearest names where there is none, or several."""
    if library is None:
        raise RequestError(f'LoRA "{name}" cannot be looked up without a folder of models; give one, or drop the tag.')
    try:
        return library.find(name, "loras")
    except CheckpointError as error:
        raise RequestError(f"LoRA: {error}") from None


def short_hashes(uses: Mapping[str, AdapterUse]) -> dict[str, str]:
    """The first ten digits of each LoRA's SHA-256, under the names that sharing sites give them: "lora:NAME"."""
    return {f"lora:{name}": use.file.sha256[:_SHORT] for name, use in uses.items()}
