"""The command `inkbloom`: it registers the commands, and turns what went wrong into one line and an exit code.

Exit codes: 0 done; 1 `verify` found a difference; 2 the user can mend it (one line on standard error says how); 130
stopped by Ctrl-C. Anything else is a mistake of ours and shows where. Torch is imported by the commands that need it,
when they run, so that help comes at once.
"""

import errno
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, UnknownOptionError, UnusedCliTokensError

import inkbloom
from inkbloom.apps.cli.autoencode import autoencode
from inkbloom.apps.cli.batch import batch
from inkbloom.apps.cli.control import preprocess
from inkbloom.apps.cli.convert import convert
from inkbloom.apps.cli.decode import decode
from inkbloom.apps.cli.img2img import img2img
from inkbloom.apps.cli.info import info
from inkbloom.apps.cli.inpaint import inpaint
from inkbloom.apps.cli.interpolate import interpolate
from inkbloom.apps.cli.invert import invert
from inkbloom.apps.cli.list import list_
from inkbloom.apps.cli.lora import lora
from inkbloom.apps.cli.merge import merge
from inkbloom.apps.cli.models import models
from inkbloom.apps.cli.plot import plot
from inkbloom.apps.cli.prompt import prompt
from inkbloom.apps.cli.reproduce import reproduce
from inkbloom.apps.cli.serve import serve
from inkbloom.apps.cli.train import train
from inkbloom.apps.cli.txt2img import txt2img
from inkbloom.apps.cli.upscale import upscale
from inkbloom.apps.cli.verify import verify
from inkbloom.core.errors import InkbloomError, nearest

app = App(
    name="inkbloom",
    version=inkbloom.__version__,
    help="Stable Diffusion, whole: one small, verified package, with a model of its own.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
for command in (
    serve,
    txt2img,
    upscale,
    img2img,
    inpaint,
    invert,
    interpolate,
    plot,
    batch,
    decode,
    prompt,
    autoencode,
    info,
    preprocess,
    reproduce,
    verify,
    models,
    merge,
    convert,
    lora,
    list_,
    train,
):
    app.command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (None: the process's own arguments) and return its exit code."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except (InkbloomError, CycloptsError) as error:
        print(f"inkbloom: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("inkbloom: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who read the output has seen enough; nothing more can be told to them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("inkbloom: the output cannot be written: no space left.", file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0


def _one_line(error: Exception) -> str:
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f'"{error.unused_tokens[0]}" is one word too many; put a text of several words in quotation marks.'
    if isinstance(error, UnknownOptionError) and error.argument_collection is not None:
        names = [name for argument in error.argument_collection for name in argument.names if name.startswith("--")]
        name = error.token.keyword or error.token.value
        return f"Unknown option {name}.{nearest(name, names)}"
    return " ".join(str(error).split())
