"""Times of packets where some are missing before them, in formats that only count their packets.

In an AVI, a packet's time is its number. Where a part of the file is lost, all that follows would come too
early, picture and sound by different times; the film's index knows better.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import av

COUNTING = ("avi",)  # FFmpeg's names of formats whose packets have no time stamps of their own


def put_in_place(
    packets: Iterable[av.Packet], stream: Any, complain: Callable[[str], None]
) -> Iterator[av.Packet]:
    """Yield the packets of one stream with the times that its index has for their places in the file.

    complain: is told of the first hole.
    """
    entries, at, shift = stream.index_entries, -1, 0
    for packet in packets:
        if packet.dts is not None and packet.pos is not None:
            before, at = at, _entry_of(packet.pos, entries, at)
            if missing := _ticks_between(before, at, entries, packet) if before >= 0 else 0:
                begin, end = (float(stamp * stream.time_base) for stamp in (packet.dts, packet.dts + missing))
                if not shift:
                    complain(
                        f"has a hole: of what was there from {begin:.1f} s to {end:.1f} s, nothing is left"
                    )
                shift += missing
            packet.dts += shift
            packet.pts = None if packet.pts is None else packet.pts + shift
        yield packet


def _entry_of(place: int, entries: Any, at: int) -> int:
    """The number of the index entry that a place in the file belongs to, which is `at` or comes later."""
    following = at + 1
    if following >= len(entries) or place < entries[following].pos:
        return at
    return bisect_right(entries, place, lo=following, key=lambda entry: entry.pos) - 1


def _ticks_between(before: int, at: int, entries: Any, packet: av.Packet) -> int:
    """For how long the entries last that lie between two others."""
    if at <= before + 1:
        return 0
    span, size = entries[at].timestamp - entries[before + 1].timestamp, packet.duration and packet.size
    if entries[1].timestamp - entries[0].timestamp == entries[0].size:  # of plain sound, FFmpeg counts bytes
        return round(span * packet.duration / size) if size else 0
    return max(span, 0)
