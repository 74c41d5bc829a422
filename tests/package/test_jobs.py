import contextlib
import multiprocessing
import os
import select
import signal
import subprocess
import sys

import pytest
from paths import ROOT

from modeling_davihd.jobs import Died, in_order, unwinding


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_results_are_in_order_and_a_process_that_is_killed_is_one_of_them(pipe):
    def work(item: str) -> str:
        if item == "first":
            os.read(pipe[0], 1)  # until the last is at work
        elif item == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            os.write(pipe[1], b".")
        return item.upper()

    results = [*in_order(work, ["first", "killed", "last"], jobs=2)]
    assert results == ["FIRST", Died(-signal.SIGKILL), "LAST"]
    assert str(results[1]) == "its process was killed by SIGKILL"
    assert not multiprocessing.active_children()


def test_an_interrupt_ends_all_processes_once_they_have_cleaned_up(pipe, tmp_path):
    def work(item: str) -> None:
        try:
            if item == "first":
                os.read(pipe[0], 1)  # until the second is at work
                os.kill(os.getppid(), signal.SIGINT)
            else:
                os.write(pipe[1], b".")
            while True:  # not `signal.pause`, before which a signal may just have come
                os.sched_yield()
        finally:
            (tmp_path / item).touch()

    with pytest.raises(KeyboardInterrupt):
        list(in_order(work, ["first", "second", "third"], jobs=2))
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}
    assert not multiprocessing.active_children()


def test_a_process_ends_where_a_library_swallows_its_interrupt(pipe):
    def work(item: str) -> None:
        if item == "first":
            os.read(pipe[0], 1)  # until the second is at work
        else:
            with contextlib.suppress(KeyboardInterrupt):
                os.write(pipe[1], b".")
                while True:
                    os.sched_yield()

    with contextlib.closing(in_order(work, ["first", "second"], jobs=2)) as results:
        next(results)
    assert not multiprocessing.active_children()


def test_without_the_process_that_asks_the_others_end(pipe):
    read, write = os.pipe()

    def work(item: str) -> None:
        if item == "first":
            os.read(pipe[0], 1)  # until the second is at work
            os.kill(os.getppid(), signal.SIGKILL)
        else:
            os.write(pipe[1], b".")

    asking = os.fork()
    if asking == 0:
        list(in_order(work, ["first", "second"], jobs=2))
        os._exit(0)
    os.close(write)
    assert os.waitstatus_to_exitcode(os.waitpid(asking, 0)[1]) == -signal.SIGKILL
    assert select.select([read], [], [], 30)[0] and os.read(read, 1) == b"", "somebody has its other end"
    os.close(read)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_whatever_a_library_makes_of_it(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), unwinding():
        try:
            signal.raise_signal(number)
        finally:
            raise RuntimeError("release unlocked lock")
    with pytest.raises(KeyboardInterrupt), unwinding(), contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_what_is_loaded_is_out_of_the_collectors_way_and_what_runs_leave_is_not():
    code = """
import gc
from modeling_davihd.jobs import without_collection
with without_collection():
    assert not gc.isenabled()
    loaded = [[] for _ in range(1000)]
assert gc.isenabled() and gc.get_freeze_count() > 1000
kept = gc.get_freeze_count()
with without_collection():
    left = [[] for _ in range(1000)]
assert gc.get_freeze_count() <= kept
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
