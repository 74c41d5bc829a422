"""Encoding of films and sound: reels, clips and whole films, each complete or not there at all."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from .files import all_whole
from .media_encoders import Encoding
from .media_joins import SILENT, Joiner, aac_rate, gain_to, loudness, set_quality
from .media_limits import DEFAULT_LIMITS, FASTEST, DecodingLimits, MediaError, MediaWarning
from .media_options import AS_THE_FILM, ReelOptions
from .media_pictures import Fitter, progressive
from .media_reading import Array, Mix
from .media_tracks import AnyPath, MediaInfo, Track, probe

TIME_BASE = Fraction(1, 360_000)  # of a reel's picture; all common rates have whole ticks, 23.976 as well
CONSTANT = 1e-4  # of a rate: it is constant if its average differs by less from what its time stamps fit
SHORTEST = 0.001  # seconds: frames seen for less time do not get into a reel
MOST_PIXELS = 16384  # of a side: as many as H.264 can have
TOLERANCE = 0.5  # LU; what is farther from the loudness that was asked for is said

Piece = tuple[float, float]


def cut_reel(
    path: AnyPath | MediaInfo,
    segments: Sequence[Piece],
    destination: AnyPath,
    *,
    options: ReelOptions = AS_THE_FILM,
    limits: DecodingLimits = DEFAULT_LIMITS,
) -> None:
    """Join the pieces [start, end) of a film, with their sound, into one mp4, for browsers.

    Cuts are exact to the frame and the sample; frames keep their times, those of a constant rate to the tick,
    joins included. They stand upright and keep their size up to 4K, or to the height in the options, and the
    tags of their colours; those of 8 bits become H.264, those of more HEVC of 10, unless the options have a
    codec. The sound of a piece fades in and out within 20 ms, save where one goes on where the last one
    ended. A loudness that is asked for is met within 0.5 LU, or a MediaWarning says why not. Pieces are cut
    off at the film's end. A source without picture gives an mp4 with sound only, one without sound a silent
    film. A film that has been probed can be given as its MediaInfo.
    Raises MediaError for impossible pieces, for one after the film's end, and for a film beyond the limits.
    """
    info = probe(path, limits)
    with _whole_films([destination]) as [film]:
        _join(info, segments, *film, options, limits)


def pieces_in_reel(info: MediaInfo, segments: Sequence[Piece]) -> list[Piece]:
    """What a reel shows of pieces [start, end) that are within the film: whole frames of a constant rate."""
    grid = Grid.of(info)
    return [grid.fitted(*piece) for piece in segments] if grid else list(segments)


def cut_clips(
    path: AnyPath | MediaInfo,
    segments: Sequence[Piece],
    destinations: Sequence[AnyPath],
    *,
    options: ReelOptions = AS_THE_FILM,
    limits: DecodingLimits = DEFAULT_LIMITS,
) -> None:
    """Write each piece [start, end) of a film to an mp4 of its own, as `cut_reel` would; all or none."""
    info = probe(path, limits)
    with _whole_films(destinations) as films:
        for segment, film in zip(segments, films, strict=True):
            _join(info, [segment], *film, options, limits)


def write_film(
    path: AnyPath, frames: Iterable[Array], waveform: Array | None, *, fps: float, sampling_rate: int
) -> None:
    """Write frames and sound as an mp4 that plays in browsers (H.264 yuv420p, AAC, index first).

    frames: uint8 arrays (H, W, 3), all of one size; an odd last row or column is dropped.
    waveform: float32 (n,) or (n, 2) in [-1, 1], or None. The film lasts as long as the longer of the two.
    """
    pictures = map(_even, frames)
    first = next(pictures, None)
    if first is None:
        raise MediaError(f"{path}: no frames were given and a film needs at least one.")
    rate, fitter = Fraction(fps).limit_denominator(1001), Fitter(path, limits=(MOST_PIXELS, MOST_PIXELS))
    fitter.begin(first)
    sound = np.zeros((1, 0)) if waveform is None else np.atleast_2d(np.asarray(waveform, np.float32).T)
    with _whole_films([path]) as [place], _FilmWriter.open(*place) as film:
        encoding = Encoding.of("h264", first, fitter.width, fitter.height)
        film.add_video(fitter, encoding, rate, 1 / rate)
        if waveform is not None:
            film.add_audio(Joiner(sampling_rate, len(sound)))
        for frame in chain([first], pictures):
            film.append(1 / rate, frame, sound[:, film.samples :])
        rest = sound[:, film.samples :]
        film.append(Fraction(rest.shape[1], sampling_rate), sound=rest)


def _even(picture: Array) -> av.VideoFrame:
    height, width = (size - size % 2 for size in picture.shape[:2])
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")


@contextmanager
def _whole_films(paths: Iterable[AnyPath]) -> Iterator[list[tuple[Path, Path]]]:
    """Yield each film's path and where to write it meanwhile; none appears before all are complete."""
    targets = [Path(path) for path in paths]
    for target in targets:
        if not target.parent.is_dir():
            raise MediaError(f"{target}: cannot be written because the folder {target.parent} is not there.")
    try:
        with all_whole(targets) as partials:
            yield list(zip(targets, partials, strict=True))
    except OSError as error:
        refused = next((target for target in targets if str(target) == error.filename), targets[0])
        raise MediaError(f"{refused}: cannot be written ({error.strerror}).") from error


def _join(
    info: MediaInfo,
    segments: Sequence[Piece],
    target: Path,
    partial: Path,
    options: ReelOptions,
    limits: DecodingLimits,
) -> None:
    """Write the pieces of a film that is to become `target` to `partial`."""
    pieces, grid = pieces_in_reel(info, _checked_pieces(info.path, segments, target)), Grid.of(info)
    with ExitStack() as stack:
        picture = stack.enter_context(closing(Track(info, "video", limits))) if info.has_video else None
        sounds = [stack.enter_context(closing(one)) for one in Track.all_of(info, "audio", limits)]
        film = stack.enter_context(_FilmWriter.open(target, partial))
        if picture:
            _add_picture(film, info, picture, pieces[0], options)
        if sounds:
            # Of a film with sound, both are known.
            plain = Joiner(info.sampling_rate, min(info.channels, 2))  # type: ignore[arg-type, type-var]
            film.add_audio(_levelled(plain, options.loudness, target, sounds, pieces))
        for fade, (start, end) in _with_fades(pieces):
            film.begin_piece(fade)
            before = film.length
            _write_piece(film, picture, sounds, (start, end), grid)
            if film.length == before:
                raise MediaError(
                    f"{info.path}: the piece from {start:g} s to {end:g} s is after the film's end."
                )
        film.begin_piece(fade=True)


def _add_picture(
    film: _FilmWriter, info: MediaInfo, picture: Track, piece: Piece, options: ReelOptions
) -> None:
    """Let a film have a picture like that which a piece begins with."""
    threads = picture.budget.limits.thread_count
    fitter = Fitter(info.path, picture.stream, height=options.height, threads=threads)
    first = _first_shown(picture, piece)
    fitter.begin(first)
    stream = picture.stream  # by now, the film may have been opened anew
    encoding = Encoding.of(options.codec, first, fitter.width, fitter.height)
    film.add_video(fitter, encoding, stream.average_rate or stream.guessed_rate or Fraction(25))


def _with_fades(pieces: Sequence[Piece]) -> Iterator[tuple[bool, Piece]]:
    """Yield each piece, and whether it begins softly: it does unless it goes on where the last one ended."""
    for (_, ended), (start, end) in pairwise([(-math.inf, -math.inf), *pieces]):
        yield abs(start - ended) > SHORTEST, (start, end)


def _levelled(
    joiner: Joiner, wanted: float | None, target: Path, sounds: Sequence[Track], pieces: Sequence[Piece]
) -> Joiner:
    """One with the gain that gives the pieces' sound a loudness in LUFS; a MediaWarning where none does."""
    if wanted is None:
        return joiner
    gain, found = gain_to(wanted, lambda gain: loudness(_joined(sounds, pieces, joiner.with_gain(gain))))
    if found <= SILENT:
        too = "too quiet or too short for its loudness to be measured; it stays as it is"
        warnings.warn(f"{target}: is {too}.", MediaWarning, stacklevel=2)
    elif abs(wanted - found) > TOLERANCE:
        limit = f"has {found:.1f} LUFS, not {wanted:g}: its peaks would be too loud"
        warnings.warn(f"{target}: {limit}.", MediaWarning, stacklevel=2)
    return joiner.with_gain(gain)


def _joined(sounds: Sequence[Track], pieces: Sequence[Piece], joiner: Joiner) -> Iterator[av.AudioFrame]:
    """Yield the pieces' sound as it is to be encoded, without their picture."""
    for fade, (start, end) in _with_fades(pieces):
        yield from joiner.join(fade)
        with closing(_mix(sounds, start, joiner)) as samples:
            for begin, until, _ in _steps(start, end):
                block = samples.take(due := round((until - begin) * joiner.rate))
                yield from joiner.add(block)
                if block.shape[1] < due:
                    break
    yield from joiner.join(fade=True)
    yield from joiner.finish()


def _mix(sounds: Sequence[Track], start: float, joiner: Joiner) -> Mix:
    return Mix(sounds, start, joiner.rate, joiner.channels)


def _write_piece(
    film: _FilmWriter, picture: Track | None, sounds: Sequence[Track], piece: Piece, grid: Grid | None
) -> None:
    start, end = piece
    heard = closing(_mix(sounds, start, film.joiner)) if sounds else nullcontext()
    with heard as samples:
        for begin, until, frame in _shown(picture, start, end) if picture else _steps(start, end):
            if grid:
                begin, until = grid.nearest(begin), grid.nearest(until)
            if until <= begin:
                continue
            block = samples.take(film.due(until - begin)) if samples else None
            if picture is None or begin >= picture.end:  # only the sound can tell how far the film still goes
                until = min(until, begin + (0 if block is None else block.shape[1] / film.joiner.rate))
            if until > begin:
                film.append(until - begin, frame, block)


@dataclass(frozen=True)
class Grid:
    """When the frames of a film of constant rate are shown: the first one in seconds, and frames a second."""

    first: float
    rate: Fraction

    @classmethod
    def of(cls, info: MediaInfo) -> Grid | None:
        """None where the rate is not constant, by what the headers say of it."""
        if not (info.has_video and info.fps and info.nominal_fps):
            return None
        if abs(info.fps / info.nominal_fps - 1) > CONSTANT or not 1 <= info.fps <= FASTEST:
            return None
        usual = (Fraction(round(info.fps)), Fraction(round(info.fps * 1.001) * 1000, 1001))
        near = (rate for rate in usual if abs(info.fps / rate - 1) < CONSTANT)
        return cls(info.picture_start, next(near, Fraction(info.fps).limit_denominator(1001)))

    def nearest(self, time: float) -> float:
        """The time of the frame nearest to a time; between two, that of the later one."""
        return self.first + float(math.floor((time - self.first) * self.rate + 0.5) / self.rate)

    def fitted(self, start: float, end: float) -> Piece:
        """A piece of whole frames, of one at least, that begins no earlier than the film."""
        begin = self.nearest(start)
        begin += float(max(math.ceil(-begin * self.rate - CONSTANT), 0) / self.rate)
        return begin, max(self.nearest(end), begin + float(1 / self.rate))


def _first_shown(track: Track, piece: Piece) -> av.VideoFrame:
    with closing(_shown(track, *piece)) as steps:
        for _, _, frame in steps:
            return frame
    raise MediaError(f"{track.path}: nothing of its video can be decoded.")


def _shown(
    track: Track, start: float, end: float
) -> Generator[tuple[float, float, av.VideoFrame], None, None]:
    """Yield (begin, until, frame) for what is seen from `start` to `end`; the last frame stays on."""
    held, since = None, start
    for item in progressive(track.frames(start), track.budget.limits.thread_count):
        if held is not None and item.time - since >= SHORTEST:
            until = item.time if item.time <= end - SHORTEST else end
            yield from _steps(since, until, held)
            if until == end:
                return
            since = item.time
        held = item.frame
    if held is not None:
        own_end = min(max(track.end, since), end)
        yield from chain(_steps(since, own_end, held), _steps(own_end, end, held))


def _steps(begin: float, end: float, frame: av.VideoFrame | None = None) -> Iterator[tuple]:
    """Cut [begin, end) into steps of ten seconds at most, to bound the sound that goes with each."""
    while end - begin > SHORTEST / 10:
        yield begin, min(begin + 10.0, end), frame
        begin += 10.0


class _FilmWriter:
    """An mp4 being written: picture and AAC with explicit times."""

    def __init__(self, container: av.container.OutputContainer) -> None:
        self._container = container
        self._fitter: Any = None  # a Fitter
        self._video: Any = None  # an av.VideoStream and an av.AudioStream, once they have been added
        self._audio: Any = None
        self.joiner: Any = None  # a Joiner
        self.length: Fraction | float = Fraction(0)
        self.samples = 0

    @classmethod
    @contextmanager
    def open(cls, target: Path, partial: Path) -> Iterator[_FilmWriter]:
        """Yield a writer to the file `partial`; errors name `target`, whose place it is to take."""
        try:
            with av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container:
                writer = cls(container)
                yield writer
                writer.end_sound()
                for stream in container.streams:
                    container.mux(stream.encode(None))
        except (av.FFmpegError, OSError) as error:
            raise MediaError(f"{target}: cannot be written ({error.strerror}).") from error
        if not partial.exists():  # no encoder had enough for a packet
            raise MediaError(f"{target}: cannot be written because nothing long enough was to go into it.")

    def add_video(
        self, fitter: Fitter, encoding: Encoding, rate: Fraction, time_base: Fraction = TIME_BASE
    ) -> None:
        """Add the picture, of frames that `fitter` makes alike; times are counted in `time_base`."""
        shape: dict[str, Any] = {"width": fitter.width, "height": fitter.height, "time_base": time_base}
        self._video = self._container.add_stream(encoding.encoder, rate, encoding.options, **shape)
        context, colours = self._video.codec_context, fitter.colours
        context.pix_fmt = fitter.pixel_format = encoding.pixel_format
        if encoding.tag:
            context.codec_tag = encoding.tag
        context.flags |= av.codec.context.Flags.frame_duration
        context.colorspace, context.color_range = colours.matrix, colours.range
        context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        self._fitter = fitter

    def add_audio(self, joiner: Joiner) -> None:
        """Add AAC sound, mono or stereo, that `joiner` joins; a rate that AAC lacks is played at 48 kHz."""
        self.joiner = joiner
        self._audio = self._container.add_stream("aac", rate=aac_rate(joiner.rate))
        set_quality(self._audio, joiner.channels)

    def due(self, seconds: Fraction | float) -> int:
        """How many samples there are from the last one written to `seconds` after the film's present end."""
        return round((self.length + seconds) * self.joiner.rate) - self.samples

    def begin_piece(self, fade: bool) -> None:
        """Let the sound so far end, and what comes now begin, softly or as it is."""
        if self._audio is not None:
            self._encode(self.joiner.join(fade))

    def end_sound(self) -> None:
        """Encode what was held back of the sound."""
        if self._audio is not None:
            self._encode(self.joiner.finish())

    def append(
        self, seconds: Fraction | float, frame: av.VideoFrame | None = None, sound: Array | None = None
    ) -> None:
        """Lengthen the film by a frame and float32 sound (channels, n), cut or filled with zeros to fit."""
        if frame is not None:
            fitted, base = self._fitter.fit(frame), self._video.codec_context.time_base
            fitted.time_base, fitted.pts, fitted.pict_type = base, round(self.length / base), 0
            fitted.duration = round((self.length + seconds) / base) - fitted.pts
            self._container.mux(self._video.encode(fitted))
        if self._audio is not None and (due := self.due(seconds)) > 0:
            samples = np.zeros((self.joiner.channels, due), np.float32)
            if sound is not None:
                samples[:, : sound.shape[1]] = sound[:, :due]
            self.samples += due
            self._encode(self.joiner.add(samples))
        self.length += seconds

    def _encode(self, blocks: Iterable[av.AudioFrame]) -> None:
        for block in blocks:
            self._container.mux(self._audio.encode(block))


def _checked_pieces(path: AnyPath, segments: Sequence[Piece], destination: AnyPath) -> list[Piece]:
    pieces = [(float(start), float(end)) for start, end in segments]
    if not pieces:
        raise MediaError(f"{path}: no pieces to cut were given, and at least one is needed.")
    for start, end in pieces:
        if not 0 <= start < end < math.inf:
            raise MediaError(f"{path}: cannot cut from {start:g} s to {end:g} s; 0 <= start < end is needed.")
    if os.path.exists(destination) and os.path.samefile(path, destination):
        raise MediaError(f"{destination}: is the film itself; what is cut from it needs a different name.")
    return pieces
