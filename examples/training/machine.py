"""What a training needs of the machine it runs on."""

from __future__ import annotations

import ctypes
import sys

import torch
from accelerate import PartialState

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


def on_cpu() -> bool:
    """Whether to compute on processors, for want of anything faster.

    Accelerate has to be told, or processes that share the processors of a machine do not find each other.
    """
    return not torch.accelerator.is_available()


def processes() -> PartialState:
    """The processes that `accelerate launch` started."""
    return PartialState(cpu=on_cpu())


def keep_freed_memory():
    """Have glibc keep what one training step frees for the next, which would fetch it again page by page."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)
