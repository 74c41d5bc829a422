"""Work done side by side by forks of this process, which share what it has imported and loaded."""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from threading import current_thread, main_thread
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
FORKING = multiprocessing.get_context("fork")
STOPS = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True)
class Died:
    """Instead of a result: how the process that was at it ended, by a signal (negative) or with a status."""

    exit_code: int | None

    def __str__(self) -> str:
        if self.exit_code is None or self.exit_code >= 0:
            return f"its process ended with status {self.exit_code}"
        return f"its process was killed by {signal.Signals(-self.exit_code).name}"


@contextmanager
def without_collection() -> Iterator[None]:
    """Around imports and loading: keep the garbage collector from what they make, then and later.

    These are a million objects that stay. Going through them takes half a second each time, and has a fork
    copy the memory that it shares.
    """
    gc.disable()
    try:
        yield
    finally:
        _freeze()
        gc.enable()


@cache  # once: later it would keep what a run leaves behind
def _freeze() -> None:
    gc.freeze()


def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Generator[Result | Died, None, None]:
    """Yield `work(item)` of each, in the order of items, while `jobs` processes are at others.

    The forks inherit no threads, and OpenMP waits forever for those that it had. So whoever calls this must
    not have computed with several threads before: a model, for example, is loaded with one. An exception in
    `work` counts as the end of its process. However this ends, all processes have ended, and cleaned up.
    """
    waiting = list(enumerate(items))[::-1]
    busy: dict[Any, _Worker] = {}  # by their pipes
    done: dict[int, Result | Died] = {}
    try:
        for number in range(len(items)):
            while number not in done:
                while waiting and len(busy) < jobs:
                    worker = _Worker(work)
                    busy[worker.pipe] = worker
                    worker.take(*waiting.pop())
                for pipe in wait(list(busy)):
                    worker = busy[pipe]
                    done[worker.number] = answer = worker.answer()
                    if waiting and not isinstance(answer, Died):
                        worker.take(*waiting.pop())
                    else:
                        busy.pop(pipe).stop()
            yield done.pop(number)
    finally:
        for worker in busy.values():
            worker.process.terminate()
        for worker in busy.values():
            worker.stop()


class _Worker:
    """A fork that does one item after the other."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.number = -1  # of the item that it is at
        self.pipe, theirs = FORKING.Pipe()
        self.process = FORKING.Process(target=_serve, args=(work, theirs, self.pipe), daemon=True)
        # Until it says otherwise, what stops this process would end the fork with a traceback.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        self.process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()  # so that the pipe ends with the process

    def take(self, number: int, item: object) -> None:
        self.number = number
        try:
            self.pipe.send(item)
        except OSError:  # it has died, which `answer` tells
            pass

    def answer(self) -> Any:
        """What `work` returns, or `Died`."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return Died(self.process.exitcode)

    def stop(self) -> None:
        self.process.terminate()
        self.pipe.close()  # first: a library may have swallowed the interrupt, and the process wait for more
        self.process.join()


def _serve(work: Callable[[Any], Any], pipe: Connection, other_end: Connection) -> None:
    """Answer each item until told to stop, or until the process that asks is gone.

    A terminal interrupts all its processes at once; the one that asks then stops the others, once each.
    """
    other_end.close()  # so that the pipe ends with the process that asks
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, OSError, KeyboardInterrupt):
        return


@contextmanager
def unwinding() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does, where this is the main thread.

    What has been stopped ends with it, whatever came of the first one: a library that it hits between taking
    a lock and noting so makes another error of it.
    """
    usual = signal.getsignal(signal.SIGTERM)
    if current_thread() is not main_thread() or usual is None:  # not Python's, which cannot be put back
        yield
        return
    handlers, stopped = {signal.SIGTERM: usual}, []
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # of a job in the background, it is not
        handlers[signal.SIGINT] = signal.default_int_handler

    def stop(number: int, _: object) -> None:
        stopped.append(number)
        if number == signal.SIGTERM:
            _stop()
        raise KeyboardInterrupt

    for number in handlers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if stopped:
            raise KeyboardInterrupt


def _stop(*_: object) -> None:
    """Unwind, as after an interrupt, so that nothing half-written stays; a second signal changes nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


__all__ = ["Died", "in_order", "unwinding"]
