"""Time codes: frame numbers in digits, at the rates that editing programs know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from ..media_limits import FASTEST

# Frames a second, whole ones before those of NTSC that are as near.
WHOLE_RATES = tuple(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60))
RATES = (*WHOLE_RATES, *(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60)))
DEFAULT_RATE = Fraction(25)  # where there is no picture
NEAR = 4e-4  # of a rate; a third of the way from 30 to 29.97
DIGITS = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.,])(\d\d)")


def editing_rate(average: float | None, nominal: float | None = None) -> Fraction:
    """The rate of edit lists for a picture of so many frames a second, on average and by its time stamps.

    A rate that editing programs know stays as it is; 12.5 and 100 frames are counted in a multiple or a part
    that they know; all others vary, or are not true, and are counted in what is nearest.
    """
    for rate in (average, nominal):
        if rate and 1 <= rate <= FASTEST:
            fitting = [known for known in RATES if _fits(float(known), rate)]
            if fitting:
                return min(fitting) if rate < 24 else max(fitting)
    if not average:
        return DEFAULT_RATE
    return min(WHOLE_RATES, key=lambda known: abs(known - average))


def _fits(known: float, rate: float) -> bool:
    """Whether one is the other, or, of rates that are too low or too high, a multiple of it."""
    factor = max(known, rate) / min(known, rate)
    return abs(factor / round(factor) - 1) < NEAR and (round(factor) == 1 or not 24 <= rate <= 60)


@dataclass(frozen=True)
class TimeCode:
    """How frames are numbered: so many a second, from `start` on; drop: as NTSC does to keep to the clock."""

    rate: Fraction
    start: int = 0
    drop: bool = False

    @classmethod
    def of(cls, rate: Fraction, digits: str | None = None, own_rate: float | None = None) -> TimeCode:
        """A film's own, of which `digits` are the first frame's, counted at `own_rate`; else from zero."""
        found = DIGITS.fullmatch(digits or "")
        if not found:
            return cls(rate)
        hours, minutes, seconds, frames = (int(found[group]) for group in (1, 2, 3, 5))
        code = cls(rate, drop=found[4] != ":" and rate.denominator == 1001 and rate > 29)
        frames = frames * code.base // max(round(own_rate or rate), 1)
        number = ((hours * 60 + minutes) * 60 + seconds) * code.base + frames
        skipped = code.dropped * (hours * 60 + minutes - (hours * 60 + minutes) // 10)
        return cls(rate, number - skipped, code.drop)

    @property
    def base(self) -> int:
        """Frames that the digits count to a second."""
        return round(self.rate)

    @property
    def dropped(self) -> int:
        """Numbers left out at the beginning of each minute, save every tenth."""
        return self.base // 15 if self.drop else 0

    @property
    def day(self) -> float:
        """Seconds after which the digits begin anew."""
        return float((86400 * self.base - 24 * 54 * self.dropped) / self.rate)

    def digits(self, frame: int) -> str:
        """The digits of a frame, counted from the time code's zero."""
        minute = 60 * self.base - self.dropped
        tens, rest = divmod(frame, 10 * minute + self.dropped)
        frame += self.dropped * (9 * tens + max(rest - self.dropped, 0) // minute)
        seconds, frames = divmod(frame, self.base)
        mark = ";" if self.drop else ":"
        return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{frames:02d}"


__all__ = ["TimeCode", "editing_rate"]
