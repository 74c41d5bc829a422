"""Which of a film's sound tracks are heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import av
from av.stream import Disposition

from .media_limits import MediaError

LONGEST_NAME = 80  # characters of a name that messages quote
MOST_HEARD = 16  # tracks; each takes a decoder
# What is beside the film's own sound: somebody's remarks, a translation, descriptions of what is to be seen.
BESIDE = (
    Disposition.comment
    | Disposition.dub
    | Disposition.karaoke
    | Disposition.lyrics
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
)
NO_LANGUAGE = ("", "und", "mul", "mis", "zxx", "qaa")


@dataclass(frozen=True)
class SoundTrack:
    """One sound track: its number, from 1, the index of its stream, and what its container says of it.

    beside: whether it is beside the film's own sound. channels: how many, one at least.
    """

    number: int
    index: int
    name: str | None
    language: str | None
    beside: bool
    channels: int
    heard: bool = True

    def __str__(self) -> str:
        name = f" {self.name[:LONGEST_NAME]!r}" if self.name else ""
        return f"{self.number}{name}" + (f" ({self.language[:LONGEST_NAME]})" if self.language else "")

    def answers(self, wanted: str) -> bool:
        """Whether that is its number, its name or its language, in two letters or three."""
        if wanted.isdecimal():
            return int(wanted) == self.number
        wanted, language = wanted.casefold(), (self.language or "").casefold()
        if self.name and wanted == self.name.casefold():
            return True
        return wanted == language or (len(wanted) == 2 and language[:2] == wanted)


def sound_tracks(
    container: av.container.InputContainer, path: object, wanted: str | None
) -> tuple[SoundTrack, ...]:
    """All tracks that can be decoded, and which are heard: those of one language that are not beside it, nor
    the same once more.

    wanted: number, name or language of what is to be heard instead; raises MediaError if there is none such.
    """
    streams = [stream for stream in container.streams.audio if stream.codec_context]
    tracks = [_described(number, stream) for number, stream in enumerate(streams, start=1)]
    heard = _usual(tracks, container) if wanted is None else _wanted(tracks, wanted, path)
    return tuple(replace(one, heard=one in heard[:MOST_HEARD]) for one in tracks)


def _described(number: int, stream: Any) -> SoundTrack:
    tags = stream.metadata
    name, handler = tags.get("title") or tags.get("name"), tags.get("handler_name", "")
    if not name and "handler" not in handler.casefold():  # as "SoundHandler", which most programs write
        name = handler or None
    language = tags.get("language", "").casefold()
    beside = bool(stream.disposition & BESIDE) or "commentary" in (name or "").casefold()
    language = None if language in NO_LANGUAGE else language
    return SoundTrack(number, stream.index, name, language, beside, max(stream.channels, 1))


def _wanted(tracks: Sequence[SoundTrack], wanted: str, path: object) -> list[SoundTrack]:
    heard = [one for one in tracks if one.answers(wanted)]
    if not heard:
        known = f"it has {', '.join(map(str, tracks))}" if tracks else "it has none"
        raise MediaError(f"{path}: has no sound track {wanted!r}; {known}.")
    return [one for one in heard if not one.beside] or heard


def _usual(tracks: Sequence[SoundTrack], container: av.container.InputContainer) -> list[SoundTrack]:
    best = container.streams.best("audio")
    first = sorted(tracks, key=lambda one: (one.beside, best is None or one.index != best.index))
    language = next((one.language for one in first if one.language and not one.beside), None)
    own = [one for one in tracks if not one.beside and one.language in (None, language)]
    return [one for one in own if not _repeats(container, one, first[0])] or first[:1]


def _repeats(container: av.container.InputContainer, track: SoundTrack, best: SoundTrack) -> bool:
    """Whether a track is likely to be the best one's sound once more, for other players or other bandwidths:
    in another codec, or in a file that has the picture several times, too."""
    pictures = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    codecs = {container.streams[one.index].codec_context.name for one in (track, best)}
    return track.index != best.index and (len(codecs) > 1 or len(pictures) > 1)


__all__ = ["SoundTrack", "sound_tracks"]
