"""What prompts may name beside words: LoRAs, hypernetworks and embeddings of a library, for one loaded model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

from torch import Tensor

from inkbloom.checkpoints import LoadedModel, file_hash
from inkbloom.checkpoints.adapters import (
    AdapterFile,
    AdapterUse,
    HypernetworkFile,
    Merger,
    fit,
    live,
    read_adapter,
    read_embedding,
    read_hypernetwork,
)
from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.models.hypernetwork import attached
from inkbloom.text.prompt.networks import Network
from inkbloom.text.prompt.unknown import OnUnknown

_SHORT = 10  # digits of a SHA-256: AutoV2


@dataclass(frozen=True, kw_only=True)
class HypernetworkUse:
    """A hypernetwork and how strongly it is used: any finite number; 0 is off, 1 as trained."""

    file: HypernetworkFile
    strength: float

    @property
    def key(self) -> tuple[object, ...]:
        """The same for uses that act in the same way."""
        return self.file.sha256, self.strength


@dataclass(frozen=True, kw_only=True)
class Uses:
    """What the tags of a prompt ask for, by name, in their order."""

    loras: Mapping[str, AdapterUse]
    hypernetworks: Mapping[str, HypernetworkUse]
    live: bool = False
    """Leave the weights as they are, and add to the layers' outputs what the LoRAs do."""

    @property
    def key(self) -> tuple[object, ...]:
        """The same for prompts whose pictures may be painted together."""
        networks = (*self.loras.values(), *self.hypernetworks.values())
        return self.live, tuple(use.key for use in networks)

    @property
    def text_key(self) -> tuple[object, ...]:
        """The same where texts are encoded alike; hypernetworks act in the U-Net alone."""
        return self.live, tuple((use.file.sha256, use.text_weight, use.rank) for use in self.loras.values())

    @property
    def embeddings(self) -> dict[str, Tensor]:
        """The vectors that are bundled with the LoRAs; the last of a name counts."""
        return {one.name: one.vectors for use in self.loras.values() for one in use.file.embeddings}

    def hashes(self) -> dict[str, str]:
        """The first ten digits of each file's SHA-256, under the names that sharing sites give them: "lora:NAME"."""
        files = {f"lora:{name}": use.file for name, use in self.loras.items()}
        files |= {f"hypernet:{name}": use.file for name, use in self.hypernetworks.items()}
        return {name: file.sha256[:_SHORT] for name, file in files.items()}


class Adapters:
    """Finds the files of names, reads each once, and puts what they hold into the model while pictures are painted.

    With a library the threads that share the model paint one after the other, since LoRAs and hypernetworks change it.
    """

    def __init__(self, loaded: LoadedModel, library: Library | None = None) -> None:
        """`loaded` has a U-Net."""
        assert loaded.unet is not None
        self._loaded = loaded
        self._unet = loaded.unet
        self._library = library
        self._merger = Merger(loaded)
        self._lock = RLock()
        self._loras: dict[Path, AdapterFile] = {}
        self._hypernetworks: dict[Path, HypernetworkFile] = {}
        self.embeddings = LibraryEmbeddings(library, loaded.spec.text.width)

    def uses(self, networks: Sequence[Network], on_unknown: OnUnknown, *, live: bool = False) -> Uses:
        """What a prompt's tags ask for; of several tags with one name the last counts, as in A1111.

        A name that is in no file is told to `on_unknown` with the nearest names, and left out where that lets it pass.
        `CheckpointError` for a file that cannot be read or does not fit the model.
        """
        loras: dict[str, AdapterUse] = {}
        hypernetworks: dict[str, HypernetworkUse] = {}
        for network in networks:
            try:
                path = find_network(self._library, network)
            except RequestError as error:
                on_unknown(str(error))
                continue
            if network.kind == "hypernet":
                file = self._read_hypernetwork(path)
                hypernetworks[network.name] = HypernetworkUse(file=file, strength=network.unet_weight)
            else:
                loras[network.name] = AdapterUse(
                    file=self._read_lora(path),
                    text_weight=network.text_encoder_weight,
                    unet_weight=network.unet_weight,
                    rank=network.rank,
                )
        return Uses(loras=loras, hypernetworks=hypernetworks, live=live)

    def _read_lora(self, path: Path) -> AdapterFile:
        if path not in self._loras:
            file = read_adapter(path)
            fit(file, self._loaded.spec)  # what does not fit is told before anything is painted
            self._loras[path] = file
        return self._loras[path]

    def _read_hypernetwork(self, path: Path) -> HypernetworkFile:
        if path not in self._hypernetworks:
            file = read_hypernetwork(path)
            file.check_fit(self._unet)
            file.network.to(self._unet.conv_in.weight.device)
            self._hypernetworks[path] = file
        return self._hypernetworks[path]

    @contextmanager
    def applied(self, uses: Uses) -> Iterator[None]:
        """The model with these networks, as long as the `with` block lasts; afterwards its weights are the very same.

        LoRAs are merged into the weights, or live beside them; hypernetworks act in the order of their tags.
        """
        if self._library is None:
            yield
            return
        loras = tuple(uses.loras.values())
        with (
            self._lock,
            live(self._loaded, loras) if uses.live else self._merger.applied(loras),
            attached(self._unet, [(use.file.network, use.strength) for use in uses.hypernetworks.values()]),
        ):
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


_KINDS = {"lora": ("loras", "LoRA"), "hypernet": ("hypernetworks", "Hypernetwork")}


def find_network(library: Library | None, network: Network) -> Path:
    """The file that a tag asks for; `RequestError` with the nearest names where there is none, or several."""
    kind, label = _KINDS[network.kind]
    if library is None:
        raise RequestError(
            f'{label} "{network.name}" cannot be looked up without a folder of models; give one, or drop the tag.'
        )
    try:
        return library.find(network.name, kind)
    except CheckpointError as error:
        raise RequestError(f"{label}: {error}") from None
