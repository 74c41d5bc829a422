"""Output files: one small class per format and one registry."""

from .base import WRITERS, FileWriter, HighlightResult, Writer, WriterError, write_outputs

__all__ = ["WRITERS", "FileWriter", "HighlightResult", "Writer", "WriterError", "write_outputs"]
