"""Why the service refuses, where that matters to a client beside the words; all are a `RequestError`.

RequestError
├── UnknownError      there is no such job, picture, upload, data set (404)
├── ConflictError     not in the state it is in (409)
├── TooLargeError     more bytes than are taken (413)
├── FullError         so many jobs wait that no more are taken (503)
└── ClosingError      the server ends before the job does (503)
"""

from inkbloom.core.errors import RequestError


class UnknownError(RequestError):
    """What was named is not there."""


class ConflictError(RequestError):
    """What was asked for cannot be done in the state that the thing is in."""


class TooLargeError(RequestError):
    """An upload is larger than allowed."""


class FullError(RequestError):
    """The queue takes no more."""


class ClosingError(RequestError):
    """The server is just ending; what was queued goes on with its next start."""
