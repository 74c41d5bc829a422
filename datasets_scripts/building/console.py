"""How every command line here ends: with an exit status, and one line on standard error if it failed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

from huggingface_hub.errors import StrictDataclassError

from modeling_davihd.console import one_line
from modeling_davihd.engines.errors import UsageError
from modeling_davihd.jobs import unwinding
from modeling_davihd.media import MediaWarning
from modeling_davihd.readers import ListWarning


def run_command(
    command: Callable[[], object], prog: str, interrupted: str = "interrupted", label: str = "error: "
) -> int:
    """Run what a command line asks for. Exit status: 0 done, 1 wrong data, 2 wrong usage, 130 interrupted.

    prog: the program's name, before whatever is said. interrupted: what is said after Ctrl-C.
    label: stands before the sentence about an error.
    """
    try:
        with unwinding():
            command()
    except KeyboardInterrupt:
        _say(f"{prog}: {interrupted}")
        return 130
    except (ValueError, OSError, StrictDataclassError) as error:
        _say(f"{prog}: {label}{sentence(error)}")
        return 2 if isinstance(error, UsageError) else 1
    return 0


def run_dataset_command(command: Callable[[], object], prog: str) -> int:
    """`run_command` for datasets_scripts: what is wrong with a film or with labels is a line of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in (MediaWarning, ListWarning):
            warnings.simplefilter("always", kind)
        warnings.showwarning = lambda message, *_, **__: _say(f"{prog}: warning: {message}")
        goes_on = "interrupted; the same command goes on from here."
        return run_command(command, prog, goes_on, label="")


def sentence(error: Exception) -> str:
    """An error's message in one line; of a wrong configuration, only what is wrong with it."""
    cause = error.__cause__ if isinstance(error, StrictDataclassError) and error.__cause__ else error
    return one_line(cause)


def _say(message: str) -> None:
    print(" ".join(message.split()), file=sys.stderr)
