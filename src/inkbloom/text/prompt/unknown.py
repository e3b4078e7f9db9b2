"""Where a prompt names something that is not there: an error, or a warning for those who asked for leniency."""

from collections.abc import Callable

from inkbloom.core.errors import RequestError

OnUnknown = Callable[[str], None]
"""Told in one line what is unknown. `refuse` raises; a lenient caller hands in a list's `append`, and shows it."""


def refuse(message: str) -> None:
    """Raise the message as a `RequestError`."""
    raise RequestError(message)
