"""Sphinx's configuration; `make docs` builds the pages with warnings as errors."""

project = "inkbloom"
author = "the inkbloom authors"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "inkbloom"
