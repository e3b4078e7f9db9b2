"""The studio over HTTP: our own API under /api/v1, and the page.

app        the application for a service
errors     the one shape of errors, and which status each has
access     what all endpoints share
bodies     how much a client may send
sse        the service's events for any number of clients at once
page       the built page's files
native/    the endpoints of /api/v1, a file for each thing they are about
"""
