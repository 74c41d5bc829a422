"""To the sample: by how much a stretch of a reel lies later in its film, and where it begins and ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, correlate, sosfiltfilt

from modeling_davihd.media import SAMPLING_RATE

BAND = butter(4, (80, 6000), "bandpass", fs=SAMPLING_RATE, output="sos")
SECOND = SAMPLING_RATE
LEAST = 0.15  # correlation of a whole stretch with its film
NOWHERE = 0.8  # share of the sound that does not come from a place, above which nothing does
SPAN = SECOND // 20  # samples over which that share is taken
FADED, DROWNED = 0.04, 100  # times a stretch's usual power; what is fainter or louder is not the stretch
SHORTEST_GAP = SECOND // 10  # less between two stretches is a fade
SHORTEST_SILENCE = SECOND // 100  # and less than this without any sound tells enough
SHORTEST_EDGE = 3 * SECOND // 100  # and less at the reel's ends
HALF = 1 - math.sqrt(0.5)  # share of a sound's loudness; without it, half of the power is left
EQUAL = 0.02  # share of a sample's power; sums that differ by less are the same
LOUD = 0.01  # share of the greatest power; what has less does not say how loud a stretch is
FAINT = 1e-6  # share of the reel's mean power; below it, sound tells nothing

Array = np.ndarray


@dataclass
class Stretch:
    """What of a reel comes from one place of a film.

    begin, end: samples of the reel; at first all that may belong to it, and then what does.
    core: samples of the reel that do belong to it, by their spectra, but for some at either end.
    lag: by how many samples it lies later in the film. sound: of the film, from `first` of the reel on.
    """

    film: str
    core: tuple[int, int]
    begin: int
    end: int
    lag: int
    sound: Array
    first: int

    def heard(self, begin: int, end: int) -> Array:
        """The film's sound beside that of the reel; zeros beyond what was read."""
        found = np.zeros(end - begin, np.float32)
        start, stop = max(begin, self.first), min(end, self.first + len(self.sound))
        if start < stop:
            found[start - begin : stop - begin] = self.sound[start - self.first : stop - self.first]
        return found


Look = Callable[[Stretch, Stretch, tuple[int, int]], int]


def band_limited(sound: Array) -> Array:
    """Sound (n,) without what codecs change most, in float32."""
    padding = min(SECOND // 10, len(sound) - 1)
    return sosfiltfilt(BAND, sound, padlen=max(padding, 0)).astype(np.float32)


def lag_between(reel: Array, film: Array) -> int | None:
    """The first sample in `film` of what `reel`, which is shorter, was cut from; None if it was not."""
    products = correlate(film, reel, "valid", "fft")
    powers = np.cumsum(np.concatenate([[0], film.astype(np.float64) ** 2]))
    norms = np.sqrt(np.maximum(powers[len(reel) :] - powers[: -len(reel)], 1e-12) * np.sum(reel**2))
    alike = products / np.maximum(norms, 1e-9)
    best = int(alike.argmax())
    return best if alike[best] >= LEAST else None


def settle(reel: Array, stretches: Sequence[Stretch], look: Look) -> None:
    """Move the begin and end of each stretch of a reel, in order, to where it does begin and end.

    look: says where one gives way to the next within the two samples between which that cannot be heard.
    """
    seams, ends = _Seams(reel, look), [None, *stretches, None]
    for before, after in pairwise(ends):
        leave, enter = seams.between(before, after)
        if before:
            before.end = leave
        if after:
            after.begin = enter


class _Seams:
    """Where the stretches of a reel meet, or end."""

    def __init__(self, reel: Array, look: Look) -> None:
        self._reel, self._faint, self._look = reel, FAINT * float(np.mean(reel**2)), look

    def between(self, before: Stretch | None, after: Stretch | None) -> tuple[int, int]:
        """Where the one stretch ends and the next begins: the same sample, but for a gap between the two."""
        length = len(self._reel)
        begin = max(before.core[1] - SECOND, 0) if before else 0
        end = min(after.core[0] + SECOND, length) if after else length
        leave, enter = self._gap(before, after, (begin, end))
        if before and after and enter - leave < SHORTEST_GAP and after.begin < before.end:
            zone = max(begin, after.begin), min(end, before.end)
            first, last = self._join(before, after, zone, leave)
            at = first if last - first < SHORTEST_SILENCE else self._look(before, after, (first, last))
            return at, at
        if before:
            zone = max(leave - 2 * SPAN, begin), min(leave + 2 * SPAN, end)
            leave = int(np.clip(leave, *self._join(before, None, zone, leave)))
        if after:
            zone = max(enter - 2 * SPAN, begin), min(enter + 2 * SPAN, end)
            enter = int(np.clip(enter, *self._join(None, after, zone, enter)))
        if not after and length - leave < SHORTEST_EDGE:
            leave = length
        return leave, (0 if not before and enter < SHORTEST_EDGE else enter)

    def _gap(self, before: Stretch | None, after: Stretch | None, zone: tuple[int, int]) -> tuple[int, int]:
        """About where in a zone a stretch ends and the next begins; in between, the reel is from nowhere."""
        sums = (np.cumsum(self._strangeness(one, zone) - NOWHERE) for one in (before, after))
        first, second = (np.append(0, one) for one in sums)
        # The least of first[leave] - second[enter], or little more, for every `enter` with the best `leave`
        # until then: so that stretches go on through silence.
        best, little = np.minimum.accumulate(first), (1 - NOWHERE) * SPAN
        lost = best - second
        enter = int(np.argmax(lost <= lost.min() + little)) if after else len(lost) - 1
        leave = int(np.flatnonzero(first[: enter + 1] <= best[enter] + little)[-1])
        return zone[0] + leave, zone[0] + enter

    def _strangeness(self, stretch: Stretch | None, zone: tuple[int, int]) -> Array:
        """Around each sample, the share of the reel's power that is not a stretch's; 1 where it cannot be."""
        begin, end = zone
        if stretch is None:
            return np.ones(end - begin)
        ours, theirs = self._reel[begin:end].astype(np.float64), stretch.heard(begin, end).astype(np.float64)
        product, power, other = (_around(one, SPAN) for one in (ours * theirs, ours * ours, theirs * theirs))
        share = 1 - np.maximum(product, 0) ** 2 / np.maximum(power * other, 1e-30)
        usual = self._gain(stretch, stretch.core) ** 2 * other
        share[(power < FADED * usual) | (power > DROWNED * usual)] = 1
        share[(power < self._faint) & (other < self._faint)] = NOWHERE
        at = np.arange(begin, end)
        share[(at < stretch.begin) | (at >= stretch.end)] = 1
        return share

    def _join(
        self, before: Stretch | None, after: Stretch | None, zone: tuple[int, int], about: int
    ) -> tuple[int, int]:
        """The samples of a zone between which one stretch gives way to the next, or to nothing: the sum of
        what is left of the reel after taking the one away before, and the other away after, is least."""
        ours = self._reel[slice(*zone)].astype(np.float64)
        lost = ours - self._part(before, zone, (about - SECOND, about))
        kept = ours - self._part(after, zone, (about, about + SECOND))
        weight = 1 / (_around(ours * ours, SPAN // 2) + self._faint + 1e-12)
        total = np.append(0, np.cumsum((lost**2 - kept**2) * weight))
        alike = np.flatnonzero(total <= total.min() + EQUAL)
        return zone[0] + int(alike[0]), zone[0] + int(alike[-1])

    def _part(self, stretch: Stretch | None, zone: tuple[int, int], known: tuple[int, int]) -> Array:
        """What a stretch gives to the reel in a zone, as loud as it is where it is known to be heard."""
        if stretch is None:
            return HALF * self._reel[slice(*zone)]
        known = max(known[0], stretch.core[0]), min(known[1], stretch.core[1])
        return self._gain(stretch, known) * stretch.heard(*zone).astype(np.float64)

    def _gain(self, stretch: Stretch, known: tuple[int, int]) -> float:
        """By how much the reel is louder than the film, mostly, where a stretch is known to be heard."""
        if known[1] - known[0] < SPAN:
            known = stretch.core
        ours, theirs = self._reel[slice(*known)].astype(np.float64), stretch.heard(*known).astype(np.float64)
        spans = np.arange(0, len(ours), SPAN)
        product, power = np.add.reduceat(ours * theirs, spans), np.add.reduceat(theirs * theirs, spans)
        loud = power >= LOUD * power.max()
        return float(np.median(product[loud] / np.maximum(power[loud], 1e-12)))


def _around(values: Array, samples: int) -> Array:
    return uniform_filter1d(values, samples, mode="nearest")


__all__ = ["SECOND", "Stretch", "band_limited", "lag_between", "settle"]
