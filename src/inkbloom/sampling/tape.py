"""What a denoiser answered, call by call, in a file, so that an interrupted sampling goes on exactly.

A sampler is a function of its denoiser's answers and its noise. Answered from the tape, any of them (multistep,
stochastic, adaptive) is soon where it stopped, with all that it remembers and all noise drawn, at no model call.

File: a line of JSON (`key`, `shape`, `dtype`); then for each call one byte, the number n of latents answered (2 where
the unconditional estimate was asked for too), n latents as raw bytes in row-major order, and the CRC-32 of all that.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import torch

from inkbloom.core.errors import OutputError
from inkbloom.core.types import Latent
from inkbloom.sampling.denoiser import GuidedDenoiser

_CRC_BYTES = 4


class Tape:
    """An append-only file of answers; each is with the operating system before the next call, safe from a kill."""

    def __init__(self, path: Path, key: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        """Open the tape, with what is recorded of this run, or make it and its folder.

        `key` says all that decides the run, such as a hash of its requests; `shape` and `dtype` are a latent's. A tape
        of another run is begun anew; a last record that was not written whole is cut off. `OutputError` where the file
        cannot be written.
        """
        self.path, self._shape, self._dtype = path, tuple(shape), dtype
        self._latent_bytes = torch.Size(shape).numel() * dtype.itemsize
        self._records: list[int] = []  # where each begins
        header = json.dumps({"key": key, "shape": self._shape, "dtype": str(dtype)}).encode() + b"\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._file.seek(0)
            if self._file.read(len(header)) == header:
                self._find_records(len(header))
            else:
                self._file.truncate(0)
                self._file.write(header)
                self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from None

    @property
    def calls(self) -> int:
        """How many are recorded."""
        return len(self._records)

    def read(self, call: int) -> tuple[Latent, ...]:
        """The answer to a recorded call, counted from 0; on the CPU."""
        body = self._read_record(self._records[call])
        assert body is not None  # it was whole when the tape was opened
        latents = torch.frombuffer(bytearray(body[1:]), dtype=self._dtype)
        return latents.view(-1, *self._shape).unbind()

    def append(self, answer: tuple[Latent, ...]) -> None:
        """Record the answer to the next call. `OutputError` where the file cannot be written."""
        assert all((latent.shape, latent.dtype) == (self._shape, self._dtype) for latent in answer)
        latents = torch.stack(answer).cpu().contiguous().flatten().view(torch.uint8)
        body = bytes([len(answer)]) + latents.numpy().tobytes()
        try:
            begin = self._file.seek(0, 2)
            self._file.write(body + zlib.crc32(body).to_bytes(_CRC_BYTES))
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from None
        self._records.append(begin)

    def close(self) -> None:
        self._file.close()

    def remove(self) -> None:
        """Close the tape and delete its file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Tape:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find_records(self, begin: int) -> None:
        while (body := self._read_record(begin)) is not None:
            self._records.append(begin)
            begin += len(body) + _CRC_BYTES
        self._file.truncate(begin)

    def _read_record(self, begin: int) -> bytes | None:
        """Number and latents of the record that begins there; None where there is no whole one."""
        self._file.seek(begin)
        number = self._file.read(1)
        if number not in (b"\1", b"\2"):
            return None
        body = number + self._file.read(number[0] * self._latent_bytes)
        return body if self._file.read(_CRC_BYTES) == zlib.crc32(body).to_bytes(_CRC_BYTES) else None

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f'Cannot write the tape "{self.path}": {error.strerror}.')


@dataclass(kw_only=True)
class TapedDenoiser:
    """A `GuidedDenoiser` that answers from the tape as long as it can, then asks `inner` and records.

    It is what the sampler is given, around masks and guidance. An `inner` that counts its calls counts on from those
    on the tape.
    """

    inner: GuidedDenoiser
    tape: Tape
    _call: int = field(default=0, init=False)
    replaying: bool = field(default=False, init=False)
    """Whether the last answer came from the tape."""

    def __call__(self, x: Latent, sigma: float) -> Latent:
        (denoised,) = self._recorded(x) or self._record((self.inner(x, sigma),))
        return denoised

    def both(self, x: Latent, sigma: float) -> tuple[Latent, Latent]:
        denoised, uncond = self._recorded(x) or self._record(self.inner.both(x, sigma))
        return denoised, uncond

    def _recorded(self, x: Latent) -> tuple[Latent, ...] | None:
        self.replaying = self._call < self.tape.calls
        if not self.replaying:
            return None
        self._call += 1
        return tuple(latent.to(x.device) for latent in self.tape.read(self._call - 1))

    def _record(self, answer: tuple[Latent, ...]) -> tuple[Latent, ...]:
        self.tape.append(answer)
        self._call += 1
        return answer
