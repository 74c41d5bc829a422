"""Small films and sounds made on the fly for the tests; every frame carries its number in its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

GRID = 4  # cells to a side of a numbered frame: 16 bits
AUDIO_CODECS = {".mp3": "libmp3lame", ".wav": "pcm_s16le", ".flac": "flac"}


def numbered_frame(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Frame uint8 (height, width, 3) whose GRID x GRID cells are the bits of `number`, white or black."""
    bits = (number >> np.arange(GRID * GRID)).astype(np.uint8).reshape(GRID, GRID) & 1
    rows, columns = np.arange(height) * GRID // height, np.arange(width) * GRID // width
    return np.repeat(bits[rows][:, columns, None] * np.uint8(255), 3, axis=2)


def number_of(frame: np.ndarray) -> int:
    """The number written in a frame (H, W, 3) of any size by `numbered_frame`."""
    height, width = frame.shape[:2]
    centres = (np.arange(GRID) * 2 + 1) / (2 * GRID)
    cells = frame[(centres * height).astype(int)][:, (centres * width).astype(int)].mean(axis=2) > 127
    return int((cells.ravel() << np.arange(GRID * GRID)).sum())


def tone(seconds: float, rate: int, *, hertz: float = 440.0, amplitude: float = 0.5) -> np.ndarray:
    """Sine, float32 (n,)."""
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def clicks(seconds: float, rate: int, times: Iterable[float]) -> np.ndarray:
    """Silence float32 (n,) with a 5 ms burst of 1 kHz, amplitude 0.8, from each of `times` on."""
    samples = np.zeros(round(seconds * rate), np.float32)
    burst = (0.8 * np.cos(2 * np.pi * 1000 * np.arange(rate // 200) / rate)).astype(np.float32)
    for time in times:
        begin = round(time * rate)
        samples[begin : begin + len(burst)] = burst[: len(samples) - begin]
    return samples


def click_times(samples: np.ndarray, rate: int) -> list[float]:
    """When the bursts of `clicks` begin in samples (n,), in seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.25)
    begins = loud[np.diff(loud, prepend=-rate) > rate // 20]
    return [float(begin / rate) for begin in begins]


def make_film(
    path: str | Path,
    *,
    times: Sequence[float] | None = None,
    fps: float = 25.0,
    size: tuple[int, int] = (64, 48),
    rotation: int = 0,
    mirrored: bool = False,
    keyframe_every: int = 12,
    sounds: Sequence[tuple[float, np.ndarray]] = (),
    rate: int = 48000,
    layout: str | None = None,
    video_codec: str = "libx264",
    audio_codec: str | None = None,
    cover: bool = False,
    pixel_format: str = "yuv420p",
    timecode: str | None = None,
) -> Path:
    """Write a film in the container that the suffix of `path` names: the same bytes each time.

    times: when each frame is presented; frame i shows the number i. None: no picture.
    fps: nominal rate, which gives the last frame its length.
    size: (width, height). rotation: degrees counter-clockwise that players turn the picture by; mirrored:
    whether left and right then change places.
    sounds: (start, samples (n,) or (n, channels)), in order; what lies between them has no packets.
    cover: add a still picture, as music files have. timecode: of the first frame, in .mov and .mp4.
    """
    path = Path(path)
    options = {"fflags": "+bitexact"}
    if path.suffix in (".mp4", ".mov", ".m4a"):
        options["movflags"] = "+faststart"
    with av.open(str(path), "w", options=options) as container:
        video = audio = None
        if timecode:
            container.metadata["timecode"] = timecode
        if times is not None:
            video = _add_video(container, video_codec, fps, size, keyframe_every)
            if rotation or mirrored:
                video.set_display_rotation(rotation, mirrored)
            video.pix_fmt = pixel_format
        if sounds:
            channels = 1 if sounds[0][1].ndim == 1 else sounds[0][1].shape[1]
            audio = container.add_stream(audio_codec or AUDIO_CODECS.get(path.suffix, "aac"), rate=rate)
            audio.layout = layout or {1: "mono", 2: "stereo"}[channels]
        if cover:
            _add_cover(container)
        packets = [*_picture_packets(video, times, fps), *_sound_packets(audio, sounds, rate)]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def make_tracks(
    path: Path, tracks: Sequence[tuple[np.ndarray, dict, bool]], rate: int, codecs: Sequence[str] = ()
) -> Path:
    """Write sound tracks of samples (n,), each with tags and whether it is a commentary; no picture."""
    with av.open(str(path), "w") as container:
        codecs = codecs or ["pcm_s16le"] * len(tracks)
        streams = [container.add_stream(codec, rate=rate) for codec in codecs]
        for stream, (_, tags, comment) in zip(streams, tracks, strict=True):
            stream.layout = "mono"
            stream.metadata.update(tags)
            stream.disposition = Disposition.comment if comment else Disposition.default
        for stream, (samples, *_) in zip(streams, tracks, strict=True):
            for packet in _sound_packets(stream, [(0.0, samples)], rate):
                container.mux(packet)
    return path


def damage(path: Path, kind: str, start: float, end: float) -> Path:
    """Overwrite with noise what an mp4 holds of its "video" or "audio" from `start` to `end` seconds."""
    noise = np.random.default_rng(0)
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(**{kind: 0}):
            if packet.size and start <= packet.pts * packet.time_base < end:
                content[packet.pos : packet.pos + packet.size] = noise.bytes(packet.size)
    path.write_bytes(content)
    return path


def truncate(path: Path, fraction: float) -> Path:
    """Keep only the beginning of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    return path


def _add_video(container, codec: str, fps: float, size: tuple[int, int], keyframe_every: int):
    rate = Fraction(fps).limit_denominator(1001)
    options = {"g": str(keyframe_every)} | ({"preset": "veryfast"} if codec == "libx264" else {})
    video = container.add_stream(codec, rate=rate, options=options)
    video.width, video.height = size
    video.codec_context.thread_count = 1  # x264 writes the number into the film
    video.codec_context.time_base = Fraction(1, 90000) if codec == "libx264" else 1 / rate
    video.codec_context.flags |= av.codec.context.Flags.frame_duration
    return video


def _add_cover(container) -> None:
    cover = container.add_stream("mjpeg", rate=1)
    cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
    cover.disposition = Disposition.attached_pic
    frame = av.VideoFrame.from_ndarray(numbered_frame(1), format="rgb24").reformat(format="yuvj420p")
    container.mux(cover.encode(frame) + cover.encode(None))


def _picture_packets(video, times: Sequence[float] | None, fps: float) -> Iterable[av.Packet]:
    if video is None:
        return
    base = video.codec_context.time_base
    for number, time in enumerate(times):
        frame = av.VideoFrame.from_ndarray(numbered_frame(number, video.width, video.height), format="rgb24")
        following = times[number + 1] if number + 1 < len(times) else time + 1 / fps
        frame.time_base, frame.pts = base, round(time / base)
        frame.duration = round(following / base) - frame.pts
        yield from video.encode(frame)
    yield from video.encode(None)


def _sound_packets(audio, sounds: Sequence[tuple[float, np.ndarray]], rate: int) -> Iterable[av.Packet]:
    if audio is None:
        return
    for start, samples in sounds:
        columns = np.atleast_2d(np.asarray(samples, np.float32).T)
        for begin in range(0, columns.shape[1], 1024):
            block = np.ascontiguousarray(columns[:, begin : begin + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=audio.layout.name)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(start * rate) + begin
            yield from audio.encode(frame)
    yield from audio.encode(None)


def film_with_sound(path: Path, sound: np.ndarray | None, seconds: float) -> Path:
    """An ordinary film of 10 frames a second with 16 kHz sound, or none, from the first frame on."""
    times = np.arange(round(seconds * 10)) / 10
    return make_film(path, times=times, fps=10, sounds=[] if sound is None else [(0.0, sound)], rate=16000)


def noise_within(before: int, seconds: int, after: int) -> np.ndarray:
    """Loud noise between whole seconds of a soft tone, at 16 kHz: a highlight to the embedded model."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, seconds * 16000).astype(np.float32)
    quiet = [tone(length, 16000, amplitude=0.005) for length in (before, after)]
    return np.concatenate([quiet[0], noise, quiet[1]])


BURST = noise_within(8, 4, 8)
