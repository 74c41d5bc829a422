"""Encoding of films and sound: reels, clips and whole films, each complete or not there at all."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from .files import all_whole
from .media_canvas import Canvas, FilmError, of_film
from .media_encoders import Encoding
from .media_joins import SILENT, Joiner, aac_rate, gain_to, loudness, set_quality
from .media_limits import DEFAULT_LIMITS, DecodingLimits, MediaError, MediaWarning
from .media_options import AS_THE_FILM, ReelOptions
from .media_pictures import Fitter
from .media_plans import USUAL_RATE, Piece, Plan, Shot
from .media_playing import Player
from .media_reading import Array
from .media_tracks import AnyPath, MediaInfo, probe

TIME_BASE = Fraction(1, 360_000)  # of a reel's picture; all common rates have whole ticks, 23.976 as well
USUAL_SAMPLING_RATE = 48000  # Hz, of the sound of several films
MOST_PIXELS = 16384  # of a side: as many as H.264 can have
TOLERANCE = 0.5  # LU; what is farther from the loudness that was asked for is said


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
    ended. With a fade in the options each piece dissolves into the next one instead, which makes the reel
    shorter and its rate constant. A loudness that is asked for is met within 0.5 LU, or a MediaWarning says
    why not. Pieces are cut off at the film's end. A source without picture gives an mp4 with sound only, one
    without sound a silent film. A film that has been probed can be given as its MediaInfo.
    Raises MediaError for impossible pieces, for one after the film's end, and for a film beyond the limits.
    """
    info = probe(path, limits)
    shots = _shots(info, segments, destination)
    with _of_one_film(), _whole_films([destination]) as [film]:
        _join(shots, *film, options, limits)


def cut_films(
    shots: Sequence[Shot],
    destination: AnyPath,
    *,
    options: ReelOptions = AS_THE_FILM,
    limits: DecodingLimits = DEFAULT_LIMITS,
    progress: Callable[[float], object] | None = None,
) -> None:
    """Join shots of several films into one mp4, as `cut_reel` does those of one.

    The picture has the shape that most seconds have and the size of the largest film of that shape; others
    are scaled to it, in bars if need be, and what has no picture is black. It has the highest rate of all
    films, up to 60 frames a second, and the sound is stereo at 48 kHz. With a loudness that is asked for,
    each film is made as loud. progress: is told again and again how many seconds there are. Raises FilmError,
    which says of which film it is, and MediaError.
    """
    for film in {shot.film.path: shot.film for shot in shots}.values():
        own = [(start, end) for other, start, end in shots if other.path == film.path]
        with of_film(film.path):
            _checked_pieces(film.path, own, destination)
    with _whole_films([destination]) as [place]:
        _join(shots, *place, options, limits, progress)


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
    with _of_one_film(), _whole_films(destinations) as films:
        for segment, film in zip(segments, films, strict=True):
            _join(_shots(info, [segment], film[0]), *film, options, limits)


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
        encoding = Encoding.of("h264", (fitter.width, fitter.height), deep=False, light=None)
        film.add_video(encoding, fitter, rate, 1 / rate)
        if waveform is not None:
            film.add_audio(Joiner(sampling_rate, len(sound)))
        for frame in chain([first], pictures):
            film.append(1 / rate, fitter.fit(frame), sound[:, film.samples :])
        rest = sound[:, film.samples :]
        film.append(Fraction(rest.shape[1], sampling_rate), sound=rest)


def _even(picture: Array) -> av.VideoFrame:
    height, width = (size - size % 2 for size in picture.shape[:2])
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")


@contextmanager
def _of_one_film() -> Iterator[None]:
    """Raise what went wrong as it is: which film it is of needs no saying."""
    try:
        yield
    except FilmError as error:
        raise error.__cause__ or error from None


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
    shots: Sequence[Shot],
    target: Path,
    partial: Path,
    options: ReelOptions,
    limits: DecodingLimits,
    progress: Callable[[float], object] | None = None,
) -> None:
    """Write the pieces of films that are to become `target` to `partial`."""
    plan = Plan.of(shots, options.fade)
    canvas = Canvas.of(plan, options, limits)
    player = Player(plan, canvas, _sound(plan.films), limits)
    with _FilmWriter.open(target, partial) as film:
        if canvas:
            rate = plan.rate or _average_rate(plan.films[0])
            film.add_video(canvas.encoding, canvas, rate, threads=limits.thread_count)
        if player.sound[1]:
            joiner = Joiner(*player.sound)
            if options.loudness is not None:
                joiner, player.gains = _levelled(joiner, options.loudness, target, player.of_sound())
            film.add_audio(joiner)
        with closing(player.moments()) as moments:
            for moment in moments:
                if moment.begins is not None:
                    film.begin_piece(moment.begins)
                film.append(moment.seconds, moment.picture, moment.sound)
                if progress:
                    progress(float(film.length))
        film.begin_piece(fade=True)


def _sound(films: Sequence[MediaInfo]) -> tuple[int, int]:
    """The rate in Hz and the channels of a reel's sound: a film's own, or one for all films."""
    heard = [film for film in films if film.has_audio]
    if not heard:
        return USUAL_SAMPLING_RATE, 0
    if len(films) > 1:
        return USUAL_SAMPLING_RATE, 2
    return heard[0].sampling_rate, min(heard[0].channels, 2)  # type: ignore[return-value, type-var]


def _average_rate(film: MediaInfo) -> Fraction:
    return Fraction(film.fps).limit_denominator(1_000_000) if film.fps else USUAL_RATE


def _levelled(
    joiner: Joiner, wanted: float, target: Path, player: Player
) -> tuple[Joiner, dict[Path, float]]:
    """A joiner, and gains of films, which give a reel a loudness in LUFS; a MediaWarning where none do.

    Of several films each becomes as loud as that, and then the reel as a whole.
    """
    films = player.plan.films
    if len(films) > 1:
        own = {film.path: loudness(_joined(player.of_sound(film), joiner.with_gain(None))) for film in films}
        player.gains = {path: 10 ** ((wanted - found) / 20) for path, found in own.items() if found > SILENT}
    gain, found = gain_to(wanted, lambda gain: loudness(_joined(player, joiner.with_gain(gain))))
    if found <= SILENT:
        too = "too quiet or too short for its loudness to be measured; it stays as it is"
        warnings.warn(f"{target}: is {too}.", MediaWarning, stacklevel=2)
    elif abs(wanted - found) > TOLERANCE:
        limit = f"has {found:.1f} LUFS, not {wanted:g}: its peaks would be too loud"
        warnings.warn(f"{target}: {limit}.", MediaWarning, stacklevel=2)
    return joiner.with_gain(gain), dict(player.gains)


def _joined(player: Player, joiner: Joiner) -> Iterator[av.AudioFrame]:
    """Yield the sound that is played as it is to be encoded."""
    with closing(player.moments()) as moments:
        for moment in moments:
            if moment.begins is not None:
                yield from joiner.join(moment.begins)
            if moment.sound is not None and moment.sound.shape[1]:
                yield from joiner.add(moment.sound)
    yield from joiner.join(fade=True)
    yield from joiner.finish()


class _FilmWriter:
    """An mp4 being written: picture and AAC with explicit times."""

    def __init__(self, container: av.container.OutputContainer) -> None:
        self._container = container
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
        self,
        encoding: Encoding,
        like: Canvas | Fitter,
        rate: Fraction,
        time_base: Fraction = TIME_BASE,
        threads: int | None = None,
    ) -> None:
        """Add the picture, of size and colours like those; times are counted in `time_base`.

        threads: that encode, on which the bytes depend; None for one for each core.
        """
        shape: dict[str, Any] = {"width": like.width, "height": like.height, "time_base": time_base}
        self._video = self._container.add_stream(encoding.encoder, rate, encoding.options, **shape)
        context, colours = self._video.codec_context, like.colours
        context.thread_count = threads or 0
        context.pix_fmt = encoding.pixel_format
        if encoding.tag:
            context.codec_tag = encoding.tag
        context.flags |= av.codec.context.Flags.frame_duration
        context.colorspace, context.color_range = colours.matrix, colours.range
        context.color_primaries, context.color_trc = colours.primaries, colours.transfer

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
        self, seconds: Fraction | float, picture: av.VideoFrame | None = None, sound: Array | None = None
    ) -> None:
        """Lengthen the film by a picture, as `add_video` has it, and float32 sound (channels, n).

        Sound is cut off or filled with zeros to fit.
        """
        if picture is not None:
            context = self._video.codec_context
            base = context.time_base
            if picture.format.name != context.pix_fmt:
                picture = picture.reformat(format=context.pix_fmt)
            picture.time_base, picture.pts, picture.pict_type = base, round(self.length / base), 0
            picture.duration = round((self.length + seconds) / base) - picture.pts
            self._container.mux(self._video.encode(picture))
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


def _shots(film: MediaInfo, segments: Sequence[Piece], destination: AnyPath) -> list[Shot]:
    return [Shot(film, *piece) for piece in _checked_pieces(film.path, segments, destination)]


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
