"""`python -m inkbloom` is the command `inkbloom`."""

import sys

from inkbloom.apps.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
