"""Batches across videos: encoders get full batches of segments, whichever video these are of."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SEGMENTS = 64  # of a batch
IN_FLIGHT = 2  # batches that may be at an encoder elsewhere before more segments are made

Result = Callable[[], Tensor]


@dataclass(frozen=True)
class Mark:
    """A place in the queue of segments, to go back to."""

    sent: int
    queued: int
    waiting: tuple[Tensor, ...]


class Batches:
    """Takes segments for tickets, and tickets for features.

    submit: segments (n, ...) -> a function that waits for their features (n, dim). Batches are made of the
    segments in order, so that the same videos give the same batches on every machine.
    """

    def __init__(self, submit: Callable[[Tensor], Result], size: int = SEGMENTS):
        self._submit, self._size = submit, size
        self._sent = self._queued = 0
        self._waiting: list[Tensor] = []
        self._in_flight: deque[tuple[int, Result]] = deque()
        self._features: dict[int, Tensor] = {}

    def add(self, segments: Tensor) -> Tensor:
        """Queue segments (n, ...); returns their tickets (n, 1)."""
        first, self._queued = self._queued, self._queued + len(segments)
        self._waiting.append(segments)
        while self._queued - self._sent >= self._size:
            self._send(self._size)
        return torch.arange(first, self._queued)[:, None]

    def flush(self) -> None:
        """Send what waits for its batch to fill."""
        if self._queued > self._sent:
            self._send(self._queued - self._sent)

    def has_sent(self, tickets: Tensor) -> bool:
        """Whether `take` can give the features: it waits for no further segments."""
        return int(tickets[-1]) < self._sent

    def take(self, tickets: Tensor) -> Tensor:
        """The features (n, dim) of sent tickets, which are let go."""
        numbers = tickets.flatten().tolist()
        while self._in_flight and self._in_flight[0][0] <= numbers[-1]:
            self._receive()
        return torch.stack([self._features.pop(number) for number in numbers])

    def mark(self) -> Mark:
        return Mark(self._sent, self._queued, tuple(self._waiting))

    def rewind(self, mark: Mark) -> None:
        """Forget all segments since the mark: a video that is given up must not change another's batches."""
        self._sent, self._queued, self._waiting = mark.sent, mark.queued, list(mark.waiting)
        while self._in_flight and self._in_flight[-1][0] >= mark.sent:
            self._in_flight.pop()
        for number in [number for number in self._features if number >= mark.sent]:
            del self._features[number]

    def _send(self, count: int) -> None:
        joined = torch.cat(self._waiting)
        self._waiting = [joined[count:]] if len(joined) > count else []
        self._in_flight.append((self._sent, self._submit(joined[:count])))
        self._sent += count
        while len(self._in_flight) > IN_FLIGHT:
            self._receive()

    def _receive(self) -> None:
        first, result = self._in_flight.popleft()
        self._features.update(zip(itertools.count(first), result(), strict=False))
