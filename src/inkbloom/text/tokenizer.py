"""CLIP's tokenizer: byte-level byte-pair encoding (Radford et al. 2021, section 2.4; Sennrich et al. 2016).

A cleaned text is cut into words; a word's UTF-8 bytes are written in an alphabet of 256 printable characters, the last
one marked `</w>`; then the merges join neighbours, the earliest in the table first. So every text has tokens, whatever
its script.

A vocabulary is, in this order: 256 bytes, the same 256 at the end of a word, one token for each merge, BOS
(`<|startoftext|>`) and EOS (`<|endoftext|>`). Where a text itself says "<|endoftext|>", it is read as punctuation and
letters and never ends the prompt; in OpenAI's and Hugging Face's tokenizers it does.
"""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self

import tokenizers
import torch
from tokenizers import models, pre_tokenizers, trainers

from inkbloom.core.errors import CheckpointError, OutputError, RequestError
from inkbloom.core.types import TokenIds
from inkbloom.text.cleaning import clean

BOS = "<|startoftext|>"
EOS = "<|endoftext|>"
END_OF_WORD = "</w>"

Merge = tuple[str, str]

# CLIP's pattern ignores case. In a lowered text that matters for one letter, the long s, which counts as an s.
_WORD = r"'[sſ]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True, kw_only=True)
class PaddedTokens:
    """Texts as the rows of a text encoder's input."""

    ids: TokenIds
    """int64; a row is BOS, the text's tokens, EOS, padding."""
    dropped: tuple[int, ...]
    """For each text, how many tokens at its end did not fit; 0 where nothing is lost."""


class Tokenizer:
    """Texts to token ids and back. Open one with `clip`, `from_folder` or `from_files`, or make one with `train`."""

    def __init__(self, vocab: dict[str, int], merges: Sequence[Merge]) -> None:
        """`vocab` gives each token its id; `merges` come in order of precedence.

        Raises `CheckpointError` where the vocabulary lacks a byte, a special token or what a merge needs.
        """
        needed = [*_base_tokens(), BOS, EOS, *(part for pair in merges for part in (*pair, "".join(pair)))]
        missing = dict.fromkeys(token for token in needed if token not in vocab)
        if missing:
            raise CheckpointError(
                f'The vocabulary lacks {len(missing)} tokens that it needs, first "{next(iter(missing))}".'
            )
        if sorted(vocab.values()) != list(range(len(vocab))):
            raise CheckpointError(
                f"The ids of a vocabulary of {len(vocab)} tokens must be 0 to {len(vocab) - 1}, each once."
            )
        self._vocab = vocab
        self._merges = tuple(merges)
        self._token_of = {token_id: token for token, token_id in vocab.items()}
        self._bpe = _bpe(models.BPE(vocab=vocab, merges=list(merges), end_of_word_suffix=END_OF_WORD))
        self.bos_id = vocab[BOS]
        self.eos_id = vocab[EOS]
        self.vocab_size = len(vocab)

    @classmethod
    @functools.cache
    def clip(cls) -> Self:
        """OpenAI's own, which Stable Diffusion 1, 2 and XL use: 49,408 tokens. Made once, then shared."""
        data = resources.files("inkbloom.text").joinpath("clip_merges.txt.gz").read_bytes()
        merges = _parse_merges(gzip.decompress(data).decode().splitlines())
        return cls(_vocabulary(merges), merges)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Open a diffusers pipeline's `tokenizer` folder: `vocab.json` and `merges.txt`, or else `tokenizer.json`.

        Raises `CheckpointError`, as `from_files` does, where a file is missing or damaged.
        """
        whole = folder / "tokenizer.json"
        if (folder / "vocab.json").is_file() or not whole.is_file():
            return cls.from_files(folder / "vocab.json", folder / "merges.txt")
        try:
            model = json.loads(_read(whole))["model"]
            lines = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
            vocab = dict(model["vocab"])
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{whole} does not hold a tokenizer with merges: {error!r}.") from error
        return cls(vocab, _parse_merges(lines))

    @classmethod
    def from_files(cls, vocab: Path, merges: Path) -> Self:
        """Open `vocab.json` (each token's id) and `merges.txt` (after a line "#version", one merge in each line)."""
        try:
            id_of = dict(json.loads(_read(vocab)))
        except (ValueError, TypeError) as error:
            raise CheckpointError(f"{vocab} does not hold a vocabulary: {error!r}.") from error
        lines = _read(merges).splitlines()
        return cls(id_of, _parse_merges(line for line in lines if line and not line.startswith("#version")))

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, *, min_frequency: int = 2) -> Self:
        """Learn merges from captions: time after time the most frequent pair (Sennrich et al. 2016, Algorithm 1).

        The vocabulary gets `vocab_size` tokens, or fewer where the texts hold no more pairs that occur `min_frequency`
        times; 514 of them are the bytes, BOS and EOS. A run of Chinese characters counts as one word. The same texts in
        whatever order give the same tokens.
        """
        base = _base_tokens()
        if vocab_size < len(base) + 2:
            raise RequestError(f"vocab_size is {vocab_size}; at least {len(base) + 2} is needed, for the bytes alone.")
        learner = _bpe(models.BPE(end_of_word_suffix=END_OF_WORD))
        # The learner settles ties by ids. Named beforehand, the base tokens have the same ids in every run.
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - 2,
            min_frequency=min_frequency,
            special_tokens=[*base],
            end_of_word_suffix=END_OF_WORD,
            show_progress=False,
        )
        learner.train_from_iterator(map(clean, texts), trainer)
        merges = [(left, right) for left, right in json.loads(learner.to_str())["model"]["merges"]]
        return cls(_vocabulary(merges), merges)

    def save(self, folder: Path, *, length: int = 77) -> None:
        """Write a diffusers pipeline's `tokenizer` folder, which `from_folder` and transformers' CLIPTokenizer open.

        `length` is the number of tokens that the text encoder reads. Raises `OutputError` where the folder cannot be
        written.
        """
        special = {"bos_token": BOS, "eos_token": EOS, "pad_token": EOS, "unk_token": EOS}
        config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": length, **special}
        lines = ["#version: 0.2", *(" ".join(pair) for pair in self._merges)]
        files = {
            "vocab.json": json.dumps(self._vocab, ensure_ascii=False),
            "merges.txt": "\n".join(lines) + "\n",
            "tokenizer_config.json": json.dumps(config, indent=2) + "\n",
            "special_tokens_map.json": json.dumps(special, indent=2) + "\n",
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise OutputError(f"The tokenizer cannot be written to {folder}: {error}.") from error

    def encode(self, text: str) -> list[int]:
        """The ids of the cleaned text, without BOS and EOS; see `cleaning.clean` for what it may raise."""
        return self._bpe.encode(clean(text), add_special_tokens=False).ids

    def encode_padded(self, texts: Sequence[str], length: int = 77, *, pad_id: int | None = None) -> PaddedTokens:
        """Rows of `length` ids: BOS, at most `length - 2` tokens, EOS, then `pad_id` (EOS where it is None).

        Stable Diffusion 1 pads with EOS; Stable Diffusion 2 and the second encoder of XL with id 0.
        """
        if length < 2:
            raise RequestError(f"length is {length}; at least 2 is needed, for BOS and EOS.")
        ids = torch.full((len(texts), length), self.eos_id if pad_id is None else pad_id)
        dropped = []
        for row, text in zip(ids, texts, strict=True):
            tokens = self.encode(text)
            kept = [self.bos_id, *tokens[: length - 2], self.eos_id]
            row[: len(kept)] = torch.tensor(kept)
            dropped.append(len(tokens) + 2 - len(kept))
        return PaddedTokens(ids=ids, dropped=tuple(dropped))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids, spaces between words, without BOS and EOS; bytes that are not UTF-8 become U+FFFD.

        For what `encode` gave, it is the cleaned text but for spaces ("it's" comes back as "it 's"), and encodes to the
        same ids. Raises `RequestError` at an unknown id.
        """
        text = bytearray()
        for token_id in ids:
            if token_id not in self._token_of:
                raise RequestError(f"There is no token {token_id}; ids go from 0 to {self.vocab_size - 1}.")
            if token_id in (self.bos_id, self.eos_id):
                continue
            token = self._token_of[token_id]
            text += bytes(_byte_of()[character] for character in token.removesuffix(END_OF_WORD))
            if token.endswith(END_OF_WORD):
                text += b" "
        return text.decode("utf-8", errors="replace").strip()


def _bpe(model: models.BPE) -> tokenizers.Tokenizer:
    """The pipeline from a cleaned text to ids: words, then bytes as characters, then merges."""
    bpe = tokenizers.Tokenizer(model)
    words = pre_tokenizers.Split(tokenizers.Regex(_WORD), behavior="removed", invert=True)
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([words, bytes_])
    return bpe


@functools.cache
def _byte_of() -> dict[str, int]:
    """Each byte's character, in CLIP's order: printable Latin-1 stands for itself, U+0100 on for the other 68."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


def _base_tokens() -> list[str]:
    return [*_byte_of(), *(character + END_OF_WORD for character in _byte_of())]


def _vocabulary(merges: Iterable[Merge]) -> dict[str, int]:
    tokens = dict.fromkeys([*_base_tokens(), *map("".join, merges), BOS, EOS])
    return {token: token_id for token_id, token in enumerate(tokens)}


def _parse_merges(lines: Iterable[str]) -> list[Merge]:
    merges = []
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 2:
            raise CheckpointError(f'A merge is two tokens with one space between; this is not: "{line}".')
        merges.append((parts[0], parts[1]))
    return merges


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"The tokenizer's file {path} cannot be read: {error}.") from error
