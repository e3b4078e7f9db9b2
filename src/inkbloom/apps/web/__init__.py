"""The studio's page: files that a browser loads, built by `make web` from the sources in `web/`.

They are part of the package, so that a user needs no Node. `DIST` holds index.html, the icon, and `assets/`, whose
names carry a hash of their content: these may be cached for ever, index.html never.
"""

from pathlib import Path

DIST = Path(__file__).parent / "dist"
"""The folder of the built page."""
