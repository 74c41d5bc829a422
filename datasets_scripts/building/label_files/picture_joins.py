"""Where in a reel one film gives way to another by what is seen, for cuts that cannot be heard."""

from __future__ import annotations

from contextlib import closing

import numpy as np
from av.video.reformatter import VideoReformatter

from modeling_davihd.media_reading import upright
from modeling_davihd.media_tracks import MediaInfo, Track

WIDTH, HEIGHT = 64, 36  # points at which pictures are compared
TICK = 0.002  # seconds by which the times of the same picture may differ
EQUAL = 0.01  # grey levels by which pictures differ that are the same, besides what a codec does

Array = np.ndarray


def join_seen(
    reel: MediaInfo,
    before: tuple[MediaInfo, float],
    after: tuple[MediaInfo, float],
    span: tuple[float, float],
) -> float:
    """The second of a reel within `span` at which its pictures are no longer those before, but those after.

    before, after: films, and by how many seconds what is from them lies later there. The middle, where that
    cannot be told.
    """
    middle = sum(span) / 2
    if not all(info.has_video for info in (reel, before[0], after[0])):
        return middle
    times, pictures = _pictures(reel, *span)
    within = times > span[0]
    times, pictures = times[within], pictures[within]
    left, kept = _unlike(times, pictures, *before), _unlike(times, pictures, *after)
    total = np.append(0, np.cumsum(left - kept))
    little = EQUAL + np.minimum(left, kept).sum() / max(len(times), 1)
    ends = np.append(times, span[1])[total <= total.min() + little]
    return float(ends[0] if len(ends) == 1 else np.clip(middle, ends[0], ends[-1]))


def _unlike(times: Array, pictures: Array, film: MediaInfo, lag: float) -> Array:
    """By how many grey levels, in the mean, pictures of a reel differ from those of a film."""
    if not len(times):
        return np.zeros(0)
    at, theirs = _pictures(film, times[0] + lag, times[-1] + lag + 2 * TICK)
    if not len(at):
        return np.full(len(times), 255.0)
    shown = np.searchsorted(at, times + lag + TICK, side="right") - 1
    return np.abs(pictures - theirs[shown.clip(min=0)]).mean(axis=(1, 2, 3))


def _pictures(info: MediaInfo, start: float, end: float) -> tuple[Array, Array]:
    """Times (n,) in seconds, and small pictures (n, HEIGHT, WIDTH, 3), from that at `start` until `end`."""
    scaler, times, pictures = VideoReformatter(), [], []
    with closing(Track(info, "video")) as track:
        for item in track.frames(max(start, 0.0)):
            if item.time >= end:
                break
            times.append(item.time)
            pictures.append(upright(scaler, item.frame, WIDTH, HEIGHT).astype(np.float32))
    return np.array(times), np.array(pictures)


__all__ = ["join_seen"]
