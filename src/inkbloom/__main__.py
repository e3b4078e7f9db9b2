"""The command `inkbloom`, also as `python -m inkbloom`."""

import sys


def run() -> int:
    """Run the command line; Ctrl-C is quiet from the first moment, while modules are still being read."""
    try:
        from inkbloom.apps.cli.main import main

        return main()
    except KeyboardInterrupt:
        print("inkbloom: stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(run())
