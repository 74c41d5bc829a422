"""Where the stretches of one sound lie in others, to some hundredths of a second, by their log spectra."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.signal import get_window

from modeling_davihd.media import SAMPLING_RATE

HOP, FRAME = 640, 2048  # samples: 40 ms and 128 ms
BANDS = 700 * np.expm1(np.linspace(*np.log1p(np.array([100, 6000]) / 700), 25))  # Hz, even in mel
MASKED, SILENT = 1e-4, 1e-10  # share of a frame's power, and power, below which what there is does not count
PATCH, STEP = 25, 10  # frames: a second is compared at once, every 0.4 s
QUIET = 2.0  # least norm of a patch that can be told from others
BLOCK = 2048  # patches of a film that are in memory together
LIKELY = 0.5  # correlation from which a place is considered
NOTHING = 0.45  # correlation at which a patch is as likely from nowhere
SWITCH, LEAVE = 0.3, 0.15  # what it costs to go on elsewhere, and to go nowhere or come from there
NEAR = 2  # frames by which places of the same stretch may differ

Array = np.ndarray


class Place(NamedTuple):
    """A film, and by how many frames a stretch lies later in it than in the reel."""

    film: int
    offset: int


class Run(NamedTuple):
    """A stretch of a reel from one place: its windows [first, last], those that tell so, and (begin, end) of
    all that may belong to it, in samples."""

    place: Place
    first: int
    last: int
    begin: int
    end: int


def log_spectrum(blocks: Iterable[Array]) -> Array:
    """Blocks (n,) of a sound at 16 kHz -> the logarithm of its power in bands, float32 (frames, 24).

    A sound of less than a patch is made longer by silence.
    """
    bins = np.fft.rfftfreq(FRAME, 1 / SAMPLING_RATE)
    member = ((bins >= BANDS[:-1, None]) & (bins < BANDS[1:, None])).astype(np.float32).T
    window = get_window("hann", FRAME).astype(np.float32) / FRAME
    found = [np.zeros((0, len(BANDS) - 1), np.float32)]
    for frames in _frames(blocks):
        power = np.abs(rfft(frames * window)) ** 2 @ member
        found.append(np.log(power + MASKED * power.sum(1, keepdims=True) + SILENT))
    spectrum = np.concatenate(found)
    missing = max(PATCH - len(spectrum), 0)
    return np.pad(spectrum, ((0, missing), (0, 0)), constant_values=np.log(SILENT))


def _frames(blocks: Iterable[Array]) -> Iterator[Array]:
    rest = np.zeros(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        if len(rest) >= FRAME:
            frames = sliding_window_view(rest, FRAME)[::HOP]
            yield frames
            rest = rest[len(frames) * HOP :]


class Windows:
    """Patches of a reel: unit vectors (W, D), and whether each can be told from others, (W,).

    spectrum: as `log_spectrum` gives it, of at least a second.
    """

    def __init__(self, spectrum: Array) -> None:
        self.patches, norms = _unit(sliding_window_view(spectrum, PATCH, axis=0)[::STEP])
        self.telling = norms >= QUIET

    def correlations(self, film: Array, offset: int) -> Array:
        """How alike each window, and the film at an offset in frames, are: (W,) in [-1, 1]."""
        at = np.arange(len(self.patches)) * STEP + offset
        inside = (at >= 0) & (at <= len(film) - PATCH)
        found = np.full(len(at), -1.0, np.float32)
        there, _ = _unit(sliding_window_view(film, PATCH, axis=0)[at[inside]])
        found[inside] = np.einsum("wd,wd->w", self.patches[inside], there)
        return found

    def likely(self, film: Array) -> list[int]:
        """The offsets in a film at which some window is most like it, those of the most windows first."""
        best, places = np.full(len(self.patches), LIKELY), np.zeros(len(self.patches), int)
        views = sliding_window_view(film, PATCH, axis=0)
        for begin in range(0, len(views), BLOCK):
            alike = self.patches @ _unit(views[begin : begin + BLOCK])[0].T
            top = alike.argmax(1)
            better = alike[np.arange(len(top)), top] > best
            best[better] = alike[np.arange(len(top)), top][better]
            places[better] = begin + top[better]
        found = (best > LIKELY) & self.telling
        offsets, votes = np.unique((places - np.arange(len(places)) * STEP)[found], return_counts=True)
        return [int(offset) for offset in offsets[np.argsort(-votes, kind="stable")]]


def _unit(views: Array) -> tuple[Array, Array]:
    """Patches (n, bands, PATCH) -> how their bands change against each other as vectors (n, D) of length 1,
    or less where hardly anything does; and their norms (n,).

    Changes of loudness are left out: they are much the same wherever something begins or ends.
    """
    changes = views - views.mean(1, keepdims=True)
    changes = (changes - changes.mean(2, keepdims=True)).reshape(len(views), -1)
    norms = np.linalg.norm(changes, axis=1)
    return changes / np.maximum(norms, QUIET)[:, None], norms


class Search:
    """For the stretches of a reel that are from films.

    spectrum, films: as `log_spectrum` gives them.
    """

    def __init__(self, spectrum: Array, films: Sequence[Array]) -> None:
        self._frames, self._places = len(spectrum), []
        self._windows = Windows(spectrum)
        rewards = [np.zeros(len(self._windows.patches))]
        for number, film in enumerate(films):
            for offset in _apart(self._windows.likely(film)):
                near = [self._windows.correlations(film, offset + by) for by in range(-NEAR, NEAR + 1)]
                rewards.append(np.where(self._windows.telling, np.max(near, axis=0) - NOTHING, 0))
                self._places.append(Place(number, offset))
        self._rewards = np.stack(rewards)

    def runs(self) -> list[Run]:
        """The stretches in the reel's order; what is in between is from nowhere."""
        path = _best_path(self._rewards)
        return _runs(path, self._places, self._windows.telling, self._frames)

    def refuse(self, run: Run) -> None:
        """Look elsewhere for this stretch."""
        self._rewards[self._places.index(run.place) + 1, run.first : run.last + 1] = -1


def _apart(offsets: Iterable[int]) -> list[int]:
    """The offsets without those near one before."""
    kept: list[int] = []
    for offset in offsets:
        if all(abs(offset - other) > NEAR for other in kept):
            kept.append(offset)
    return kept


def _best_path(rewards: Array) -> Array:
    """Rewards (1 + places, W), the first those of nowhere -> the best of these for each window, (W,)."""
    value, before = rewards[:, 0], []
    for reward in rewards.T[1:]:
        come_from = np.arange(len(value))
        best = int(value[1:].argmax()) + 1 if len(value) > 1 else 0
        stay = value.copy()
        for other, cost in ((best, SWITCH), (0, LEAVE)):
            moved = np.full(len(value), value[other] - cost)
            moved[0] = value[other] - LEAVE
            better = moved > stay
            stay[better], come_from[better] = moved[better], other
        before.append(come_from)
        value = stay + reward
    path = [int(value.argmax())]
    for come_from in reversed(before):
        path.append(int(come_from[path[-1]]))
    return np.array(path[::-1])


def _runs(path: Array, places: Sequence[Place], telling: Array, frames: int) -> list[Run]:
    runs = []
    for state, group in groupby(range(len(path)), key=path.__getitem__):
        numbers = list(group)
        own = [number for number in numbers if telling[number]]
        if state and own:
            ends_there = numbers[-1] == len(path) - 1
            last = frames + FRAME // HOP if ends_there else numbers[-1] * STEP + 2 * PATCH
            begin = max(numbers[0] * STEP - PATCH, 0)
            runs.append(Run(places[state - 1], own[0], own[-1], begin * HOP, last * HOP))
    return runs


__all__ = ["HOP", "PATCH", "STEP", "Place", "Run", "Search", "log_spectrum"]
