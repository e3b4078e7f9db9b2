"""Everything that can go wrong for a user, and how it is said.

InkbloomError                 one clear line; the command line prints it and exits with 2
├── RequestError              a value asked for cannot be used (also a ValueError)
├── CheckpointError           a model file cannot be used
│   ├── UnsafeCheckpointError     a pickle that would run code
│   └── KeyMismatchError          missing, extra or misshapen tensors
├── MemoryNeededError         the picture does not fit into memory
├── OutputError               a result cannot be written
└── TrainingError             a training run cannot go on
Stopped                       raised from a progress callback to stop early; not an error
"""

import difflib
from collections.abc import Iterable


class InkbloomError(Exception):
    """Base of all errors that a user can cause; its text is one line and complete."""


class RequestError(InkbloomError, ValueError):
    """A requested value is outside what is allowed."""


class CheckpointError(InkbloomError):
    """A model file is missing, damaged, foreign or of an unknown kind."""


class UnsafeCheckpointError(CheckpointError):
    """A pickled checkpoint names objects that could run code when loaded."""


class KeyMismatchError(CheckpointError):
    """A checkpoint lacks tensors, has tensors nobody asked for, or has them in the wrong shape."""


class MemoryNeededError(InkbloomError):
    """The work does not fit into the device's memory."""


class OutputError(InkbloomError):
    """A file or folder cannot be written."""


class TrainingError(InkbloomError):
    """A training run met something it cannot go on from."""


class Stopped(Exception):  # noqa: N818 - a request by the user, not an error
    """Raise it from a progress callback to end a run early."""


def nearest(name: str, allowed: Iterable[str], count: int = 3) -> str:
    """Say which of `allowed` may have been meant: ' Did you mean "a" or "b"?', or all of them where nothing is near.

    Empty where none is allowed.
    """
    choices = list(allowed)
    if not choices:
        return ""
    by_lower = {choice.lower(): choice for choice in choices}
    near = [by_lower[low] for low in difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.5)]
    if near:
        return " Did you mean " + " or ".join(f'"{choice}"' for choice in near) + "?"
    return " Known: " + ", ".join(choices) + "."
