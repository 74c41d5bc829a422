"""The picture of a synthetic film: dusk over rolling hills and a ball that leaps when something happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

WIDTH, HEIGHT = 640, 360
GROUND = 285.0
EVENING = np.float32([[24, 32, 74], [70, 62, 122], [238, 150, 110]])
MORNING = np.float32([[38, 84, 140], [120, 168, 200], [250, 222, 170]])
HILLS = (
    (215.0, 26.0, 0.008, 6.0, (58, 62, 104)),
    (250.0, 20.0, 0.013, 14.0, (40, 46, 82)),
    (GROUND, 9.0, 0.02, 30.0, (22, 30, 54)),
)
PIXEL_ROWS = np.arange(HEIGHT, dtype=np.float32)[:, None]
PIXEL_COLUMNS = np.arange(WIDTH, dtype=np.float32)[None, :]


def pictures(
    moments: Sequence[tuple[float, float, float]], duration: float, fps: int
) -> Iterator[np.ndarray]:
    """Frames (360, 640, 3) uint8, `fps` a second; moments are (start, end, prominence), times in seconds."""
    total = round(duration * fps)
    for number in range(total):
        yield picture(moments, number / fps, number / total)


def picture(moments: Sequence[tuple[float, float, float]], time: float, progress: float) -> np.ndarray:
    """The frame (360, 640, 3) uint8 at a time in seconds; progress from 0 to 1 turns dusk into morning."""
    glow = excitement(moments, time)
    frame = sky(progress, glow)
    disc(
        frame, 120 + 400 * progress, 170 - 90 * np.sin(np.pi * progress), 30 + 8 * glow, (255, 236, 190), 1.0
    )
    for height, swing, frequency, speed, colour in HILLS:
        hill(frame, height, swing, frequency, time * speed, colour)
    rings(frame, moments, time)
    leap = 10 + 170 * glow
    centre = GROUND - 22 - leap * abs(np.sin(np.pi * time * 1.25))
    disc(frame, 320, centre, 22, (246, 92, 70), 1.0)
    disc(frame, 313, centre - 7, 7, (255, 190, 170), 0.7)
    return np.clip(frame, 0, 255).astype(np.uint8)


def excitement(moments: Sequence[tuple[float, float, float]], time: float) -> float:
    """0 to 1: quick rise when a moment begins, slow fall after it."""
    levels = [0.0]
    for start, end, prominence in moments:
        rise = np.clip((time - start) / 0.15, 0, 1)
        levels.append(float(prominence * rise * np.exp(-max(0.0, time - end) / 0.5)))
    return max(levels)


def sky(progress: float, glow: float) -> np.ndarray:
    """A vertical gradient (360, 640, 3), warmer the more there is going on."""
    stops = EVENING + (MORNING - EVENING) * np.float32(0.5 - 0.5 * np.cos(np.pi * progress))
    stops = stops + glow * np.float32([[26, 4, 0], [44, 14, 0], [20, 20, 10]])
    column = np.stack(
        [np.interp(PIXEL_ROWS[:, 0], [0, 130, 270], stops[:, channel]) for channel in range(3)], axis=1
    )
    return np.repeat(column[:, None, :].astype(np.float32), WIDTH, axis=1)


def hill(
    frame: np.ndarray, height: float, swing: float, frequency: float, shift: float, colour: tuple
) -> None:
    """Paints a wavy silhouette that reaches up to about `height`."""
    across = (PIXEL_COLUMNS + shift) * frequency
    edge = height - swing * (0.6 * np.sin(across) + 0.4 * np.sin(2.3 * across + 1.0))
    blend(frame, np.clip(PIXEL_ROWS - edge + 0.5, 0, 1), colour)


def disc(frame: np.ndarray, x: float, y: float, radius: float, colour: tuple, strength: float) -> None:
    """Paints a smooth-edged disc."""
    top, left = max(0, int(y - radius) - 1), max(0, int(x - radius) - 1)
    window = (slice(top, int(y + radius) + 2), slice(left, int(x + radius) + 2))
    distance = np.hypot(PIXEL_COLUMNS[:, window[1]] - x, PIXEL_ROWS[window[0]] - y)
    blend(frame[window], strength * np.clip(radius - distance + 0.5, 0, 1), colour)


def rings(frame: np.ndarray, moments: Sequence[tuple[float, float, float]], time: float) -> None:
    """Paints a ring that widens and fades for 1.5 s from the beginning of each moment."""
    for start, _, prominence in moments:
        age = (time - start) / 1.5
        if 0 <= age < 1:
            distance = np.abs(np.hypot(PIXEL_COLUMNS - 320, PIXEL_ROWS - (GROUND - 40)) - 30 - 260 * age)
            blend(frame, np.clip(3.5 - distance, 0, 1) * (0.8 * prominence * (1 - age)), (255, 240, 210))


def blend(frame: np.ndarray, mask: np.ndarray, colour: tuple) -> None:
    """Mixes a colour into the frame where the mask (0 to 1) says."""
    rows = np.flatnonzero(mask.max(axis=1) > 0)
    if len(rows):
        part = slice(rows[0], rows[-1] + 1)
        frame[part] += (np.float32(colour) - frame[part]) * mask[part, :, None].astype(np.float32)
