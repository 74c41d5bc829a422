"""Where the time goes."""

import pytest

from modeling_davihd.engines import stopwatch
from modeling_davihd.engines.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to."""

    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    return clock


def test_time_inside_another_stage_counts_once(clock):
    spent = Stopwatch()
    with spent("writing"):
        clock.now += 1
        with spent("encoding"):
            clock.now += 10
            with spent("fetching"):
                clock.now += 100
        clock.now += 1000
    with pytest.raises(KeyError), spent("writing"):
        clock.now += 5
        raise KeyError
    assert spent.seconds == {"writing": 1006, "encoding": 10, "fetching": 100}


def test_items_count_the_time_that_they_take_to_come(clock):
    spent = Stopwatch()

    def items():
        for number in range(3):
            clock.now += 2
            yield number

    for _ in spent.each("decoding", items()):
        clock.now += 50
    assert spent.seconds == {"decoding": 6}
