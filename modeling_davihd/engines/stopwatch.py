"""Where the time goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class Stopwatch:
    """Seconds spent in each stage; the time of a stage within another counts for the inner one alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = 0.0

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        outside, self._inside = self._inside, 0.0
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begin
            self.seconds[name] += spent - self._inside
            self._inside = outside + spent

    def each(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items; the time it takes to get each of them counts for the stage."""
        iterator = iter(items)
        while True:
            with self(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
