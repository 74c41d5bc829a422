"""Changes of shots in a stretch of film, by PySceneDetect's detectors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise, repeat

import numpy as np

SIZE = (54, 96)  # pixels, high and wide, of the pictures that are compared
STILL = 0.2  # seconds; a picture that stands longer is one of its own, whatever changes after it
REPEATS = 4  # how often the detectors then see it; they compare a change with two pictures on either side
TOGETHER = 0.15  # seconds; changes closer than that are one: a flash, or a picture mixed of two shots
DARK_PICTURES = 3  # that make a fade

Picture = tuple[float, np.ndarray]


def shot_changes(pictures: Iterable[Picture]) -> list[tuple[float, float]]:
    """Of each change of shots, when the old one is over and when the new one begins, in seconds.

    pictures: (time, uint8 RGB (H, W, 3)) in order. The first one stands for what was there before, too.
    """
    from scenedetect import AdaptiveDetector, FrameTimecode, ThresholdDetector

    cuts = AdaptiveDetector(min_scene_len=0)
    fades = ThresholdDetector(min_scene_len=0, min_out_length=DARK_PICTURES)
    times: list[float] = []
    found: set[float] = set()
    for number, (time, picture) in enumerate(_with_stills(pictures)):
        times.append(time)
        code, colours = FrameTimecode(number, fps=25.0), np.ascontiguousarray(picture[:, :, ::-1])
        changes = cuts.process_frame(code, colours) + fades.process_frame(code, colours)
        found.update(times[change.frame_num] for change in changes)
    return _joined(sorted(found))


def _with_stills(pictures: Iterable[Picture]) -> Iterator[Picture]:
    """Pictures as often as the detectors have to see them: the first, the last and still ones again."""
    often, end = True, (math.inf, np.zeros(0))
    for one, following in pairwise(chain(pictures, [end])):
        often |= following[0] - one[0] > STILL
        yield from repeat(one, REPEATS if often else 1)
        often = False


def _joined(changes: list[float]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for change in changes:
        if joined and change - joined[-1][1] < TOGETHER:
            joined[-1] = (joined[-1][0], change)
        else:
            joined.append((change, change))
    return joined
