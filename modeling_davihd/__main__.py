"""`python -m modeling_davihd` is the command `davihd`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
