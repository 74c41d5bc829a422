"""When things are presented: time stamps of the container as seconds on the film's own time line.

Where recordings have been joined, time begins anew on the way. Then what follows is moved to where the film
has got to, picture and sound by the same time, so that they stay in step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import av
from av.format import Flags

from .media_limits import BURST, DecodingLimits

STEP_BACK = 0.1  # seconds; times of decoding never do that within one recording
STEP_AHEAD = 10.0  # seconds without sound and picture; what comes later belongs to another recording

Undated = av.VideoFrame | av.AudioFrame | av.Packet  # known by its time stamp only
# For each stream, by its index: the number of a packet, from 0, and the seconds to be added to all times from
# there on.
Marks = Sequence[tuple[int, float]]
Restarts = Mapping[int, Marks]


@dataclass(frozen=True)
class Clock:
    """Time stamps of one stream as seconds on the film's own time line.

    tick: the unit of its time stamps, in seconds. zero: the time, so counted, at which the film begins.
    usual: seconds for which a picture is shown that does not say how long. longest: seconds; a picture that
    says more is not believed.
    """

    tick: float
    zero: float
    usual: float
    longest: float

    @classmethod
    def of(cls, stream: Any, zero: float, longest: float) -> Clock:
        """The clock of a stream as its headers describe it."""
        usual = 1 / float(getattr(stream, "base_rate", None) or 25)
        reordered = getattr(stream.codec_context, "has_b_frames", False)  # then an mp4 does not know lengths
        return cls(float(stream.time_base), zero, usual, 2 * usual if reordered else longest)

    def time(self, item: Undated) -> float | None:
        """When a frame or packet is presented, if it says so."""
        stamp = item.dts if item.pts is None else item.pts
        return None if stamp is None else stamp * self.tick - self.zero

    def order(self, item: Undated, otherwise: float) -> float:
        """When a packet is due to be decoded: pictures may be presented in another order."""
        return otherwise if item.dts is None else item.dts * self.tick - self.zero

    def stamp(self, time: float) -> int:
        """The last time stamp at or before a time."""
        return int((time + self.zero) / self.tick)

    def length(self, item: Undated) -> float:
        """For how many seconds a frame or packet is presented."""
        claimed = (item.duration or 0) * self.tick
        if isinstance(item, av.AudioFrame):
            return min(claimed or math.inf, item.samples / item.sample_rate)
        return claimed if 0 < claimed <= self.longest else self.usual


def find_restarts(
    container: av.container.InputContainer, streams: Sequence[Any], limits: DecodingLimits
) -> tuple[Restarts, float]:
    """Read a film's packets, in the order of the file, for where time begins anew; and when it all ends.

    Nothing is read of formats in which it cannot. The rules are FFmpeg's, save that a picture may stand
    still: time has to leap ahead for all streams.
    """
    if not container.format.flags & Flags.ts_discont.value:  # type: ignore[operator]
        return {}, 0.0
    alone = len(streams) == 1 and streams[0].type == "video"
    search = _Search(limits.silence if alone else STEP_AHEAD)
    with suppress(av.FFmpegError, IndexError):  # what is damaged, reading will tell
        for count, packet in enumerate(container.demux(*streams)):
            search.add(packet)
            if count > 2 * limits.packets_per_second * (search.length + BURST):
                break  # reading will refuse it
    return {index: marks for index, marks in search.marks.items() if marks}, search.end


def rebased(packets: Iterable[av.Packet], marks: Marks) -> Iterator[av.Packet]:
    """Yield all packets of one stream, from the first on, their time stamps moved as its marks say."""
    shift, number, upcoming = 0.0, 0, list(reversed(marks))
    for packet in packets:
        if upcoming and number == upcoming[-1][0]:
            shift = upcoming.pop()[1]
        number += packet.size > 0
        if shift:
            ticks = round(shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        yield packet


class _Search:
    """Packets of several streams in the order of the file; all times in seconds.

    end: of what has been presented so far. marks: where time begins anew, of each stream.
    """

    def __init__(self, farthest: float) -> None:
        self.end = -math.inf
        self.marks: dict[int, list[tuple[int, float]]] = {}
        self._first, self._farthest, self._shift = math.inf, farthest, 0.0
        self._counts: dict[int, int] = {}
        self._last: dict[int, float] = {}  # of each stream, when its last packet was due
        self._shifts: dict[int, float] = {}

    @property
    def length(self) -> float:
        return max(self.end - self._first, 0.0)

    def add(self, packet: av.Packet) -> None:
        index = packet.stream_index
        number = self._counts.get(index, 0)
        self._counts[index] = number + (packet.size > 0)
        stamp = packet.pts if packet.dts is None else packet.dts
        if not packet.size or stamp is None:
            return
        tick = float(packet.time_base)
        due, shown = stamp * tick, (stamp if packet.pts is None else packet.pts) * tick
        shift = self._shift_of(index, due, shown)
        if shift != self._shifts.get(index, 0.0):
            self.marks.setdefault(index, []).append((number, shift))
        self._shifts[index], self._last[index] = shift, due + shift
        self._first = min(self._first, shown + shift)
        self.end = max(self.end, shown + shift + (packet.duration or 0) * tick)

    def _shift_of(self, index: int, due: float, shown: float) -> float:
        """What is to be added to a packet's times: the next recording's once it begins in any stream."""
        if index in self._last:
            last = self._last[index]
            # What is left of a recording may come after the first of the next one.
            shift = min((self._shift, self._shifts[index]), key=lambda one: abs(due + one - last))
            anew = due + shift < last - STEP_BACK or due + shift > self.end + self._farthest
        else:
            shift = self._shift
            anew = bool(self._last) and abs(due + shift - self.end) > self._farthest
        if anew:
            self._shift = shift = self.end - shown
        return shift
