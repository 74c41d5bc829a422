"""What the command lines here share: how they fail."""

from __future__ import annotations

import sys
from collections.abc import Callable

from huggingface_hub.errors import StrictDataclassError


def run_command(command: Callable[[], None], prog: str, interrupted: str = "interrupted") -> int:
    """Run what a command line does. Exit status: 0 done, 1 something is not as needed, 130 interrupted.

    What went wrong is one line on standard error.
    """
    try:
        command()
    except KeyboardInterrupt:
        print(f"{prog}: {interrupted}", file=sys.stderr)
        return 130
    except (ValueError, OSError, StrictDataclassError) as error:
        print(f"{prog}: error: {sentence(error)}", file=sys.stderr)
        return 1
    return 0


def sentence(error: Exception) -> str:
    """What an error says, in one line; of a wrong configuration, what is wrong with it."""
    cause = error.__cause__ if isinstance(error, StrictDataclassError) and error.__cause__ else error
    return " ".join(str(cause).split()) or type(cause).__name__
