"""Which of a film's pictures have to be decoded where few of them are wanted."""

from __future__ import annotations

import math
from bisect import bisect, bisect_left

REMEMBERED = 64  # pictures; no codec changes their order by more
ROUNDING = 1e-6  # times the distance of two times that are asked for; as near as that counts as nearest


class Nearest:
    """Knows when pictures are shown, and which may be nearest to (k + 0.5) / rate seconds, k = 0, 1, ..."""

    def __init__(self, rate: int) -> None:
        self._rate, self._times = rate, [-math.inf]

    def know(self, time: float) -> None:
        """Take one more picture; they come in any order, none after REMEMBERED later ones."""
        self._times.insert(bisect(self._times, time), time)
        del self._times[1:-REMEMBERED]

    def may_be(self, time: float) -> bool:
        """Whether, of the pictures known, the one of this time is nearest to one of those times."""
        place = bisect_left(self._times, time)
        before, after = self._times[place - 1], (*self._times[place + 1 : place + 2], math.inf)[0]
        since = 0.0 if before == -math.inf else (before + time) / 2 * self._rate
        first = max(math.ceil(since - 0.5 - ROUNDING), 0)
        return first + 0.5 <= (time + after) / 2 * self._rate + ROUNDING
