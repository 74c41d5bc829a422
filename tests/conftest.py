"""What all tests start from."""

import signal

# A shell has its background jobs ignore interrupts, and so the programs that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
