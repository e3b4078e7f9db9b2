"""Our own API, /api/v1: the endpoints in a file for each thing they are about, over `apps.service`."""
