"""What is said in a film, as a text track of it or a file beside it has it."""

from __future__ import annotations

import codecs
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.stream import Discard, Disposition

from .media_limits import DecodingLimits, MediaWarning
from .media_tracks import MediaInfo, open_media

BESIDE = {".srt": "srt", ".vtt": "webvtt"}  # FFmpeg's names of formats, by the suffix
TEXTS = ("ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt")  # others are pictures
MOST_BYTES = 10_000_000  # of a file beside the film
MOST_LINES = 100_000
BRIEFEST = 0.04  # seconds; what is left of a line for less time could not be read


class SubtitleLine(NamedTuple):
    """A line of subtitles, or several at once, and from when to when it is shown, in seconds."""

    start: float
    end: float
    text: str


def subtitles_of(info: MediaInfo, limits: DecodingLimits) -> list[SubtitleLine]:
    """A film's subtitles in order of time: those of a .srt or .vtt of its name beside it, else of a track.

    Of several tracks the one in the language of the sound, and none that is for foreign words only if there
    is another. A MediaWarning says where a file beside the film cannot be read.
    """
    for suffix, kind in BESIDE.items():
        path = info.path.with_name(info.path.stem + suffix)
        if path.is_file():
            return _of_file(path, kind)
    with open_media(info.path, limits) as container:
        stream = _picked(container, info)
        if stream is None or info.restarts:  # whose subtitles are pictures
            return []
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        with suppress(av.FFmpegError):
            return _sorted(_lines(container, stream, info.start))
    return []


def cut_subtitles(
    lines: Sequence[SubtitleLine], pieces: Sequence[tuple[float, float]]
) -> Iterator[SubtitleLine]:
    """Yield what is shown of lines while pieces [start, end) of the film are, one after the other."""
    joined = 0.0
    for start, end in pieces:
        for line in lines:
            begin, until = max(line.start, start), min(line.end, end)
            if until - begin >= BRIEFEST:
                yield SubtitleLine(joined + begin - start, joined + until - start, line.text)
        joined += end - start


def _of_file(path: Path, kind: str) -> list[SubtitleLine]:
    lines, problem = [], "holds no subtitles that can be read"
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            problem = f"is larger than the {MOST_BYTES / 1e6:g} MB that are read"
        else:
            with av.open(io.BytesIO(decoded(content, "replace").encode()), format=kind) as container:
                lines = _sorted(_lines(container, container.streams[0], 0.0))
    except av.FFmpegError:
        pass
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    if not lines:
        warnings.warn(f"{path}: {problem}; the reel has no subtitles.", MediaWarning, stacklevel=2)
    return lines


def decoded(content: bytes, errors: str = "strict") -> str:
    """Text in UTF-8, in UTF-16 with its mark, or as Windows has it in Western Europe (Windows-1252).

    errors: what becomes of bytes that are none of these, as in `bytes.decode`.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors)


def _picked(container: av.container.InputContainer, info: MediaInfo) -> Any:
    """The text track that goes with the film, or None."""
    heard = next((one.language for one in info.sounds if one.heard), None)

    def unfit(stream: Any) -> tuple[bool, ...]:
        said, kind = stream.metadata.get("language", "").casefold(), stream.disposition
        return bool(kind & Disposition.forced), said != heard, not kind & Disposition.default

    known = [one for one in container.streams.subtitles if one.codec_context]
    texts = [one for one in known if one.codec_context.name in TEXTS]
    return min(texts, key=unfit, default=None)


def _sorted(lines: Iterator[SubtitleLine]) -> list[SubtitleLine]:
    return sorted(islice(lines, MOST_LINES))


def _lines(container: av.container.InputContainer, stream: Any, zero: float) -> Iterator[SubtitleLine]:
    """Yield what a stream of text holds; zero: the time stamp at which its film begins."""
    for packet in container.demux(stream):
        if packet.size and packet.pts is not None and packet.duration:
            start = float(packet.pts * packet.time_base) - zero
            with suppress(av.FFmpegError):
                text = "\n".join(_text(one.ass) for one in stream.decode(packet) if one.type == b"ass")
                if text:
                    yield SubtitleLine(start, start + float(packet.duration * packet.time_base), text)


def _text(dialogue: bytes) -> str:
    """What is to be read of a dialogue as FFmpeg has it, after eight fields, without its looks."""
    text = dialogue.decode("utf-8", errors="replace").split(",", 8)[-1]
    text = re.sub(r"\{\\[^}]*\}", "", text).replace("\\{{}", "{")  # as FFmpeg writes what is no tag
    text = text.replace("\\h", " ").replace("-->", "->")
    return "\n".join(line.strip() for line in re.split(r"\\N|\\n|\n", text) if line.strip())


__all__ = ["SubtitleLine", "cut_subtitles", "decoded", "subtitles_of"]
