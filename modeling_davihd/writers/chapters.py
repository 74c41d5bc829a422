"""Chapter lists."""

from __future__ import annotations

import math
import re
from pathlib import Path

from .base import FileWriter, HighlightResult, UnsuitableError, clock, heard

CHAPTER_SECONDS = 10


class ChaptersWriter(FileWriter):
    """A chapter list to paste under a video: from 0:00, three chapters or more, 10 s or longer each.

    A chapter is called what is heard in its highlights, where that is known, or else by their numbers. Those
    less than 10 s apart share a chapter, and what lies between highlights is a chapter of its own where it is
    long enough. If only two come of that, the longer is halved; failing that, thirds of the film.
    """

    name, suffix = "chapters", ".highlights.chapters.txt"

    def save(self, result: HighlightResult, path: Path) -> None:
        if result.duration < 3 * CHAPTER_SECONDS:
            needed = f"a chapter list needs three chapters of {CHAPTER_SECONDS} s"
            raise UnsuitableError(f"{result.source_name} is {result.duration:g} s long, but {needed}.")
        lines = (f"{clock(second)} {title}\n" for second, title in _chapters(result))
        path.write_text("".join(lines), encoding="utf-8")


class FFMetadataWriter(FileWriter):
    """Chapters in FFmpeg's text for metadata, to be put into the film itself, undecoded.

    They are the highlights, to the millisecond, and what lies before, between and after them.
    """

    name, suffix = "ffmetadata", ".highlights.ffmetadata"

    def save(self, result: HighlightResult, path: Path) -> None:
        lines = [";FFMETADATA1"]
        for start, end, title in _exact_chapters(result):
            escaped = re.sub(r"([=;#\\\n])", r"\\\1", title)
            lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={escaped}"]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _exact_chapters(result: HighlightResult) -> list[tuple[int, int, str]]:
    """(start, end, title) of each chapter in milliseconds, from the film's beginning to its end."""
    chapters: list[tuple[int, int, str]] = []
    free, last = 0, "Intro"  # as in a list of chapters
    for number, segment in enumerate(result.segments, start=1):
        start, end = (round(1000 * edge) for edge in segment)
        label = _label(result, [number])
        chapters += [(free, start, last), (start, end, label)]
        free, last = end, f"After {label.lower()}"
    chapters.append((free, round(1000 * result.duration), last))
    return [chapter for chapter in chapters if chapter[0] < chapter[1]]


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
    return [(start, end, _label(result, numbers)) for start, end, numbers in groups]


def _label(result: HighlightResult, numbers: list[int]) -> str:
    """What is heard in the highlights of these numbers, or else the numbers."""
    if names := heard(*(result.highlights[number - 1] for number in numbers)):
        return names.capitalize()
    return f"Highlight {numbers[0]}" if len(numbers) == 1 else f"Highlights {numbers[0]}-{numbers[-1]}"


def _chapters_by_thirds(result: HighlightResult) -> list[tuple[int, str]]:
    seconds = [math.floor(result.duration) * third // 3 for third in range(3)]
    ends = [*seconds[1:], math.inf]
    chapters = []
    for part, (low, high) in enumerate(zip(seconds, ends, strict=True), start=1):
        inside = [n for n, (start, _) in enumerate(result.segments, start=1) if low <= start < high]
        running = [n for n, (start, end) in enumerate(result.segments, start=1) if start < low < end]
        title = f"{_label(result, running[:1])}, continued" if running else f"Part {part}"
        title = _label(result, inside) if inside else title
        chapters.append((low, title))
    return chapters
