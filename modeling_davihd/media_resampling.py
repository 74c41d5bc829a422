"""Sound as it is meant to be heard: in step with its time stamps, and as loud as it should be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import av

from .media_filters import TICKS, Chain
from .media_limits import JITTER
from .media_tracks import Decoded

LOUDEST_MIX = 0.95  # times full scale: leaves room for what an encoder adds
ANY_SUM = "1000"  # of the weights of a mix: FFmpeg leaves its own as they are
IN_STEP = 0.004  # seconds by which sound may be early or late without anything being done about it
GAP = 0.008  # seconds from which on a step is a gap, to be filled or cut away; smaller ones are drift
AHEAD = 9  # frames that have to agree on a step, as single time stamps jitter
IN_STEP_AGAIN = {
    "async": "2000",
    "min_comp": "0.003",
    "swr_flags": "res",
}  # drift is made up for within a second or two
WHERE_IT_IS = IN_STEP_AGAIN | {"min_hard_comp": str(GAP)}  # gaps are filled and overlaps cut away as well


def steadied(items: Iterable[Decoded]) -> Iterator[Decoded]:
    """Yield the items of a track of sound, with times that step only where sound is missing or too much.

    What is decoded belongs together without a gap, even if its time stamps jitter, as those of recordings
    by browsers do. Where those of several frames agree that something is missing, it is.
    """
    source, ahead, due = iter(items), deque[Decoded](), None
    while True:
        ahead.extend(islice(source, AHEAD - len(ahead)))
        if not ahead:
            return
        item = ahead[0]
        time = item.time if due is None else due + _step(ahead, due)
        yield item._replace(time=time)
        due = time + _length(item)
        ahead.popleft()


def _length(item: Decoded) -> float:
    return item.frame.samples / item.frame.sample_rate


def _step(ahead: Iterable[Decoded], due: float) -> float:
    """Seconds by which all of the items are late, or early if below zero; 0 where they do not agree."""
    late: list[float] = []
    for item in ahead:
        offset = item.time - due
        if abs(offset) > JITTER:  # this is no jitter any more
            late = late or [offset]
            break
        late.append(offset)
        if abs(late[0]) <= IN_STEP:
            return 0.0
        due += _length(item)
    if min(late) < 0 < max(late):
        return 0.0
    step = sorted(late, key=abs)[len(late) // 4]
    return step if abs(step) > IN_STEP else 0.0


class Resampler:
    """Turns frames of sound into interleaved float32 of another rate and layout, in time with their stamps.

    frame_size: samples of what comes out. following: options of FFmpeg's resampler, IN_STEP_AGAIN and the
        like, that say how it is brought to where its time stamps are.
    More than two channels become stereo as loud as FFmpeg makes them, with a limiter for what would be too
    loud; any others are mixed with weights that sum to one at most.
    """

    def __init__(
        self, like: av.AudioFrame, rate: int, layout: str, frame_size: int, following: dict[str, str]
    ) -> None:
        shape = {"sample_rates": str(rate), "channel_layouts": layout}
        limited = layout == "stereo" and like.layout.nb_channels > 2
        options = {"rematrix_maxval": ANY_SUM if limited else "1"} | following
        steps = [("aresample", options), ("aformat", shape | {"sample_fmts": "dbl" if limited else "flt"})]
        if limited:
            limiter = {"limit": str(LOUDEST_MIX), "level": "0", "latency": "1"}
            steps += [("alimiter", limiter), ("aformat", shape | {"sample_fmts": "flt"})]
        self._chain = Chain.of_sound(like, steps, frame_size)
        self._in_time = bool(following)
        self._waiting = av.AudioFifo()

    def resample(self, item: Decoded | None) -> Iterator[av.AudioFrame]:
        """Yield what comes out once an item has gone in, or, for None, what is still to come out.

        Where time stamps do not count, frames wait until they are a second: each frame by itself would take
        twice as long, most of it in Python.
        """
        if item is None:
            if self._waiting.samples:
                yield from self._chain.passed(self._waiting.read())
            yield from self._chain.passed(None)
        elif self._in_time:
            item.frame.pts = round(item.time * TICKS)
            yield from self._chain.passed(item.frame)
        else:
            item.frame.pts = None
            self._waiting.write(item.frame)
            if self._waiting.samples >= item.frame.sample_rate:
                yield from self._chain.passed(self._waiting.read())
