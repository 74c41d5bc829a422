"""Output files: one small class per format and one registry.

For a film `match.mp4` the files are `match.highlights.json`, `.csv`, `.png`, `.mp4` (the reel), `.edl`,
`.otio`, `.chapters.txt` and the clips `match.highlight-01.mp4`, `-02` and so on. Each appears complete or not
at all.
"""

from __future__ import annotations

import csv
import glob
import json
import math
import os
import time
import unicodedata
import uuid
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import __version__
from ..highlights import Highlight, clip_highlights, find_highlights
from .spectrogram import abrupt_changes, averaged, brightness

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..media import DecodingLimits, MediaInfo

DEFAULT_FPS = 25.0  # of edit lists for films without a picture
CHAPTER_SECONDS = 10
LEFTOVER_SECONDS = 3600  # without a change: no writer is so slow
EDL_EVENTS = 999  # event numbers have three digits


class WriterError(ValueError):
    """An output cannot be written; the message is one sentence that says why."""


@dataclass(frozen=True, eq=False)
class HighlightResult:
    """What is known about one film, enough for every output format.

    source: the film's path. duration: its length in seconds. scores: (T,), one a second, T = ceil(duration).
    highlights: as found; on construction each is cut off at `duration`.
    model_id: which model made the scores. version: of this package.
    log_mel: (128, M) and velocity_attention: (L, F), both spanning the T seconds, bins from low to high up to
        8 kHz; for the picture only. fps: picture frames a second, None without a picture.
    limits: of decoding the film again for a reel; None: the usual ones.
    """

    source: Path
    duration: float
    scores: np.ndarray
    highlights: list[Highlight]
    model_id: str
    version: str
    log_mel: np.ndarray | None = field(default=None, repr=False)
    velocity_attention: np.ndarray | None = field(default=None, repr=False)
    fps: float | None = None
    limits: DecodingLimits | None = None

    def __post_init__(self) -> None:
        if np.ndim(self.scores) != 1 or len(self.scores) == 0:
            raise ValueError(f"scores has shape {np.shape(self.scores)}, but (T,) is needed, T at least 1.")
        if not (math.isfinite(self.duration) and self.duration > 0):
            raise ValueError(f"duration must be more than zero seconds, but is {self.duration}.")
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps >= 1):
            raise ValueError(f"fps must be None or at least 1 frame a second, but is {self.fps}.")
        for name in ("log_mel", "velocity_attention"):
            array = getattr(self, name)
            if array is not None and (np.ndim(array) != 2 or np.size(array) == 0):
                raise ValueError(f"{name} has shape {np.shape(array)}, but two dimensions are needed.")
        object.__setattr__(self, "source", Path(self.source))
        object.__setattr__(self, "highlights", clip_highlights(self.highlights, self.duration))

    @classmethod
    def of_film(
        cls, info: MediaInfo, found: dict, model_id: str, limits: DecodingLimits | None = None
    ) -> HighlightResult:
        """A film that a pipeline has scored, before any highlights are chosen.

        found: what the pipeline returned for it; `log_mel` and `velocity_attention` may be missing.
        """
        return cls(
            source=info.path,
            duration=found["duration"],
            scores=found["scores"],
            highlights=[],
            model_id=model_id,
            version=__version__,
            log_mel=found.get("log_mel"),
            velocity_attention=found.get("velocity_attention"),
            fps=info.fps if info.fps and info.fps >= 1 else None,
            limits=limits,
        )

    def with_highlights(self, **search: Any) -> HighlightResult:
        """The same film with the highlights that `find_highlights` chooses; `search`: its arguments."""
        return replace(self, highlights=find_highlights(self.scores, **search))

    @property
    def segments(self) -> list[tuple[float, float]]:
        """(start, end) of each highlight in seconds."""
        return [(highlight.start, highlight.end) for highlight in self.highlights]

    @property
    def source_name(self) -> str:
        """The film's file name as printable text."""
        name = os.fsencode(self.source.name).decode("utf-8", errors="replace")
        return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) == "Cc" else c for c in name)


class Writer(ABC):
    """One output format; `suffix` follows the film's name."""

    name: ClassVar[str]
    suffix: ClassVar[str]

    @abstractmethod
    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        """Write into an existing folder; return the files made. Raises WriterError if that cannot be done."""


class FileWriter(Writer):
    """A format that is one file."""

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        target = directory / f"{result.source.stem}{self.suffix}"
        with _replacing([target]) as [temporary]:
            self.save(result, temporary)
        return [target]

    @abstractmethod
    def save(self, result: HighlightResult, path: Path) -> None:
        """Write the whole file to exactly `path`."""


class JSONWriter(FileWriter):
    """Everything that a program may want; one line for each field."""

    name, suffix = "json", ".highlights.json"

    def save(self, result: HighlightResult, path: Path) -> None:
        fields = {
            "version": result.version,
            "model": result.model_id,
            "source": result.source_name,
            "duration": float(result.duration),
            "scores": [round(float(score), 6) for score in result.scores],
            "highlights": [_rounded(highlight) for highlight in result.highlights],
        }
        lines = (f"  {json.dumps(key)}: {_json(value)}" for key, value in fields.items())
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


class CSVWriter(FileWriter):
    """One row for each highlight, for spreadsheets."""

    name, suffix = "csv", ".highlights.csv"

    def save(self, result: HighlightResult, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, ["start", "end", "score", "peak"], lineterminator="\n")
            table.writeheader()
            table.writerows(_rounded(highlight) for highlight in result.highlights)


class PNGWriter(FileWriter):
    """The score curve over the sound, after Figure 1 of the paper."""

    name, suffix = "png", ".highlights.png"

    def save(self, result: HighlightResult, path: Path) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # of a film's name
            _draw(result).savefig(path, format="png")


class ReelWriter(Writer):
    """All highlights in a row, with sound; nothing if there are none."""

    name, suffix = "mp4", ".highlights.mp4"

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        if not result.highlights:
            return []
        from .. import media

        target = directory / f"{result.source.stem}{self.suffix}"
        limits = result.limits or media.DEFAULT_LIMITS
        media.cut_reel(result.source, result.segments, target, limits=limits)  # complete or not at all
        return [target]


class ClipsWriter(Writer):
    """One film for each highlight; nothing if there are none."""

    name, suffix = "clips", ".highlight-{:02d}.mp4"

    def write(self, result: HighlightResult, directory: Path) -> list[Path]:
        if not result.highlights:
            return []
        from .. import media

        numbers = range(1, len(result.highlights) + 1)
        targets = [directory / f"{result.source.stem}{self.suffix.format(number)}" for number in numbers]
        with _replacing(targets) as temporaries:
            limits = result.limits or media.DEFAULT_LIMITS
            media.cut_clips(result.source, result.segments, temporaries, limits=limits)
        return targets


class EDLWriter(FileWriter):
    """CMX 3600 edit decision list, non-drop-frame, picture and sound, recorded from 00:00:00:00.

    Timecodes count frames: at 29.97 frames a second the digits run on 30 to the second without dropping any,
    so that they fall behind the clock by 3.6 s an hour while every cut stays on its frame.
    """

    name, suffix = "edl", ".highlights.edl"

    def save(self, result: HighlightResult, path: Path) -> None:
        count = len(result.highlights)
        if count > EDL_EVENTS:
            raise WriterError(f"An EDL holds at most {EDL_EVENTS} events, but there are {count} highlights.")
        lines = [f"TITLE: {result.source_name} highlights", "FCM: NON-DROP FRAME", ""]
        lines += _edl_events(_frame_ranges(result), round(_rate(result)), result.source_name)
        path.write_text("\n".join(lines), encoding="utf-8")


class OTIOWriter(FileWriter):
    """OpenTimelineIO: a timeline of one video and one audio track that refer to the film itself."""

    name, suffix = "otio", ".highlights.otio"

    def save(self, result: HighlightResult, path: Path) -> None:
        timeline = {
            "OTIO_SCHEMA": "Timeline.1",
            "name": f"{result.source_name} highlights",
            "global_start_time": None,
            "tracks": {
                "OTIO_SCHEMA": "Stack.1",
                "name": "tracks",
                "children": [_otio_track(result, kind) for kind in ("Video", "Audio")],
            },
        }
        path.write_text(json.dumps(timeline, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


class ChaptersWriter(FileWriter):
    """A chapter list to paste under a video: from 0:00, three chapters or more, 10 s or longer each.

    Highlights less than 10 s apart share a chapter, and what lies between highlights is a chapter of its own
    where it is long enough. If only two come of that, the longer is halved; failing that, thirds of the film.
    """

    name, suffix = "chapters", ".highlights.chapters.txt"

    def save(self, result: HighlightResult, path: Path) -> None:
        if result.duration < 3 * CHAPTER_SECONDS:
            needed = f"a chapter list needs three chapters of {CHAPTER_SECONDS} s"
            raise WriterError(f"{result.source_name} is {result.duration:g} s long, but {needed}.")
        lines = (f"{_clock(second)} {title}\n" for second, title in _chapters(result))
        path.write_text("".join(lines), encoding="utf-8")


WRITERS: dict[str, type[Writer]] = {
    writer.name: writer
    for writer in (
        JSONWriter,
        CSVWriter,
        PNGWriter,
        ReelWriter,
        ClipsWriter,
        EDLWriter,
        OTIOWriter,
        ChaptersWriter,
    )
}


def write_outputs(
    result: HighlightResult, directory: str | os.PathLike, formats: Iterable[str]
) -> list[Path]:
    """Write the named formats into `directory`, which is made if need be; return the files in that order.

    Raises WriterError for an unknown format, before anything is written, and for what a format cannot hold,
    after the others are written.
    """
    formats = list(formats)
    for name in formats:
        if name not in WRITERS:
            raise WriterError(f"There is no output format {name!r}; the formats are {', '.join(WRITERS)}.")
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriterError(f"{folder}: cannot be made a folder ({error.strerror or error}).") from error
    _clear_leftovers(folder, result.source.stem)
    written, problems = [], []
    for name in formats:
        try:
            written += WRITERS[name]().write(result, folder)
        except WriterError as error:
            problems.append(str(error))
    if problems:
        raise WriterError(" ".join(problems))
    return written


def _clear_leftovers(folder: Path, stem: str) -> None:
    """Remove what runs that were killed left of this film's outputs; what is younger may still be written."""
    oldest = time.time() - LEFTOVER_SECONDS
    for path in folder.glob(f".{glob.escape(stem)}.highlight*.tmp"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


@contextmanager
def _replacing(targets: list[Path]) -> Iterator[list[Path]]:
    """Yield temporary names beside the targets; move them into place only if the body succeeds."""
    temporaries = [target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp") for target in targets]
    try:
        yield temporaries
        for temporary, target in zip(temporaries, targets, strict=True):
            os.replace(temporary, target)
    except OSError as error:
        raise WriterError(f"{targets[0]}: cannot be written ({error.strerror or error}).") from error
    finally:
        for temporary in temporaries:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _rounded(highlight: Highlight) -> dict[str, float]:
    return {name: round(value, 6) for name, value in highlight.as_dict().items()}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _clock(seconds: float) -> str:
    """65 -> 1:05, 3665 -> 1:01:05."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


# Edit lists


def _rate(result: HighlightResult) -> float:
    return DEFAULT_FPS if result.fps is None else result.fps


def _frame_ranges(result: HighlightResult) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of each highlight: edges go to the nearest frame."""
    rate = _rate(result)
    nearest = [(math.floor(a * rate + 0.5), math.floor(b * rate + 0.5)) for a, b in result.segments]
    return [(first, max(last, first + 1)) for first, last in nearest]


def _edl_events(ranges: list[tuple[int, int]], per_second: int, clip_name: str) -> list[str]:
    lines, recorded = [], 0
    for number, (first, last) in enumerate(ranges, start=1):
        frames = (first, last, recorded, recorded + last - first)
        codes = " ".join(_timecode(frame, per_second) for frame in frames)
        lines += [f"{number:03d}  AX       AA/V  C        {codes}", f"* FROM CLIP NAME: {clip_name}", ""]
        recorded += last - first
    return lines


def _timecode(frame: int, per_second: int) -> str:
    seconds, frames = divmod(frame, per_second)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"


def _otio_track(result: HighlightResult, kind: str) -> dict[str, Any]:
    clips = zip(result.highlights, _frame_ranges(result), strict=True)
    return {
        "OTIO_SCHEMA": "Track.1",
        "name": kind,
        "kind": kind,
        "children": [_otio_clip(result, i, h, frames) for i, (h, frames) in enumerate(clips, start=1)],
    }


def _otio_clip(
    result: HighlightResult, number: int, highlight: Highlight, frames: tuple[int, int]
) -> dict[str, Any]:
    rate = _rate(result)
    media = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "name": result.source_name,
        "target_url": result.source.absolute().as_uri(),
        "available_range": _otio_range(0, max(math.floor(result.duration * rate + 0.5), frames[1]), rate),
    }
    return {
        "OTIO_SCHEMA": "Clip.2",
        "name": f"Highlight {number}",
        "metadata": {"davihd": _rounded(highlight)},
        "source_range": _otio_range(*frames, rate),
        "media_references": {"DEFAULT_MEDIA": media},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }


def _otio_range(first: int, last: int, rate: float) -> dict[str, Any]:
    def time(frames: int) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(frames)}

    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(first), "duration": time(last - first)}


# Chapters


def _chapters(result: HighlightResult) -> list[tuple[int, str]]:
    """(second, title) of each chapter: three at least."""
    chapters = _chapters_by_highlight(result)
    if len(chapters) == 2:
        chapters = _halved(chapters, result.duration)
    return chapters if len(chapters) > 2 else _chapters_by_thirds(result)


def _halved(chapters: list[tuple[int, str]], duration: float) -> list[tuple[int, str]]:
    """Divide the longest chapter in two, if its halves are long enough."""
    ends = [*(second for second, _ in chapters[1:]), math.floor(duration)]
    lengths = [end - second for (second, _), end in zip(chapters, ends, strict=True)]
    longest = lengths.index(max(lengths))
    if lengths[longest] < 2 * CHAPTER_SECONDS:
        return chapters
    second, title = chapters[longest]
    half = (second + lengths[longest] // 2, f"{title}, continued")
    return [*chapters[: longest + 1], half, *chapters[longest + 1 :]]


def _chapters_by_highlight(result: HighlightResult) -> list[tuple[int, str]]:
    """The highlights, and what is before, between and after them where that is long enough."""
    chapters: list[tuple[int, str]] = []
    free, last = 0, "Intro"  # where the chapter before ends, and what to call what follows it
    for start, end, label in _grouped(result):
        if start - free >= CHAPTER_SECONDS:
            chapters.append((free, last))
        chapters.append((start, label))
        free, last = max(math.ceil(end), start + CHAPTER_SECONDS), f"After {label.lower()}"
    if result.duration - free >= CHAPTER_SECONDS:
        chapters.append((free, last))
    return chapters


def _grouped(result: HighlightResult) -> list[tuple[int, float, str]]:
    """(start, end, label) of each chapter of highlights; they start 10 s or more apart and from the end."""
    latest = math.floor(result.duration) - CHAPTER_SECONDS
    groups: list[tuple[int, float, list[int]]] = []
    for number, (start, end) in enumerate(result.segments, start=1):
        second = min(math.floor(start), latest)
        second = 0 if second < CHAPTER_SECONDS else second
        if groups and second - groups[-1][0] < CHAPTER_SECONDS:
            groups[-1] = (groups[-1][0], end, [*groups[-1][2], number])
        else:
            groups.append((second, end, [number]))
    return [(start, end, _label(numbers)) for start, end, numbers in groups]


def _label(numbers: list[int]) -> str:
    return f"Highlight {numbers[0]}" if len(numbers) == 1 else f"Highlights {numbers[0]}-{numbers[-1]}"


def _chapters_by_thirds(result: HighlightResult) -> list[tuple[int, str]]:
    seconds = [math.floor(result.duration) * third // 3 for third in range(3)]
    ends = [*seconds[1:], math.inf]
    chapters = []
    for part, (low, high) in enumerate(zip(seconds, ends, strict=True), start=1):
        inside = [n for n, (start, _) in enumerate(result.segments, start=1) if low <= start < high]
        running = [n for n, (start, end) in enumerate(result.segments, start=1) if start < low < end]
        title = (
            _label(inside) if inside else f"Highlight {running[0]}, continued" if running else f"Part {part}"
        )
        chapters.append((low, title))
    return chapters


# The picture

CURVE, CHOSEN, CHANGE = "#0B5394", "#E66100", "#FFD92F"  # told apart by the colour-blind, on light and dark
OPACITY = 0.7  # of the marks on the changes that the model attends to most
COLUMNS = 2000  # of the spectrogram: more than the picture has pixels
HIGHEST_HZ = 8000
TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000)
TICK_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


def _draw(result: HighlightResult) -> Figure:
    """The whole picture: 1400 x 700 pixels, or 1400 x 420 without a spectrogram."""
    from matplotlib.figure import Figure

    panels = 1 if result.log_mel is None else 2
    figure = Figure(figsize=(14, 7 if panels == 2 else 4.2), dpi=100, layout="constrained")
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False, height_ratios=(1, 1.1)[:panels])[:, 0]
    _draw_curve(axes[0], result)
    if result.log_mel is not None:
        _draw_sound(axes[1], result)
    _mark_time(axes[-1], result.duration)
    return figure


def _draw_curve(axes: Axes, result: HighlightResult) -> None:
    scores = np.asarray(result.scores, dtype=np.float64)
    edges, levels = np.repeat(np.arange(len(scores) + 1), 2)[1:-1], np.repeat(scores, 2)  # one step a second
    axes.fill_between(edges, levels, color=CURVE, alpha=0.12, linewidth=0)
    axes.plot(edges, levels, color=CURVE, linewidth=1.4 if len(scores) < 1500 else 0.7)
    low, high = min(0.0, scores.min()), max(1.0, scores.max())
    axes.set_ylim(low, low + 1.12 * (high - low))  # room for the numbers
    axes.set_ylabel("highlight score")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(result.source_name, loc="left", weight="bold", parse_math=False)
    axes.set_title(_summary(result), loc="right", color="0.35", fontsize="medium")
    _number_highlights(axes, result)


def _summary(result: HighlightResult) -> str:
    count = len(result.highlights)
    kept = sum(end - start for start, end in result.segments)
    noun = "highlight" if count == 1 else "highlights"
    return f"{count} {noun}, {_clock(kept)} of {_clock(result.duration)}"


def _number_highlights(axes: Axes, result: HighlightResult) -> None:
    label: dict = {"color": "white", "weight": "bold", "fontsize": "small", "ha": "center", "va": "top"}
    box = {"boxstyle": "round,pad=0.2", "facecolor": CHOSEN, "edgecolor": "none"}
    free = -math.inf
    for number, (start, end) in enumerate(result.segments, start=1):
        axes.axvspan(start, end, facecolor=CHOSEN, edgecolor=CHOSEN, alpha=0.3, linewidth=1, zorder=0.6)
        middle = (start + end) / 2
        if middle >= free:  # numbers that would run into each other are left out
            axes.text(middle, 0.98, str(number), transform=axes.get_xaxis_transform(), bbox=box, **label)
            free = middle + 0.02 * result.duration


def _draw_sound(axes: Axes, result: HighlightResult) -> None:
    log_mel = np.asarray(result.log_mel)
    bins, span = len(log_mel), (0, len(result.scores), 0, len(log_mel))
    picture = brightness(averaged(log_mel, COLUMNS))
    axes.imshow(picture, cmap="bone", vmin=0, vmax=1, extent=span, origin="lower", aspect="auto")
    title = "log-Mel spectrogram"
    if result.velocity_attention is not None:
        overlay = _change_overlay(np.asarray(result.velocity_attention))
        axes.imshow(overlay, extent=span, origin="lower", aspect="auto", interpolation="nearest")
        title += "; yellow: the abrupt changes the model attends to most"
    axes.set_title(title, loc="left", fontsize="medium", color="0.35")
    axes.set_ylabel("frequency (Hz)")
    axes.set_yticks([bins * _mel(hertz) / _mel(HIGHEST_HZ) for hertz in TICKS_HZ], map(str, TICKS_HZ))
    for start, end in result.segments:
        axes.axvspan(start, end, facecolor="none", edgecolor=CHOSEN, linewidth=1.2)


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _change_overlay(attention: np.ndarray) -> np.ndarray:
    """(L, F) -> RGBA picture, transparent where the attention is ordinary."""
    from matplotlib.colors import to_rgb

    strength = abrupt_changes(attention)
    colour = np.broadcast_to(to_rgb(CHANGE), (*strength.shape, 3))
    return np.dstack([colour, OPACITY * strength])


def _mark_time(axes: Axes, duration: float) -> None:
    step = next((step for step in TICK_SECONDS if duration / step <= 14), TICK_SECONDS[-1])
    ticks = np.arange(0, duration + 1e-6, step)
    axes.set_xticks(ticks, [_clock(tick) for tick in ticks])
    axes.set_xlim(0, duration)
    axes.set_xlabel("time")
