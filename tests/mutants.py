"""Hostile media for `tests/fuzz.py`: each kind of mutant is a function of a random generator and base files.

A mutant is named by seed, kind and index alone, so that any one of them can be rebuilt without the others.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from films import make_film, tone

SECONDS = 3
RATE = 16000
FILMS = ("film.mp4", "film.mov", "film.mkv", "film.webm", "film.avi", "film.ts")
SOUNDS = ("tape.wav", "tape.mp3", "tape.ogg", "tape.m4a")
OTHERS = ("moving.gif", "still.jpg", "notes.txt")
BASES = FILMS + SOUNDS + OTHERS
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
# Numbers that break arithmetic: signs, powers of two and what is next to them.
NASTY = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)

Maker = Callable[[np.random.Generator, "Bases", Path], Path]
KINDS: dict[str, Maker] = {}
WEIGHTS: dict[str, int] = {}  # how many of a round of mutants are of a kind


class Bases:
    """The small sound files from which mutants are made, each built when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        path = self._folder / name
        if not path.exists():
            _build(path)
        return path

    def bytes(self, name: str) -> bytearray:
        return bytearray(self.path(name).read_bytes())

    @cached_property
    def large_picture(self) -> bytes:
        """A JPEG of 7680 x 4320."""
        return _encoded("mjpeg", 7680, 4320)


def make(kind: str, index: int, seed: int, bases: Bases, folder: Path) -> Path:
    """Write one mutant into an empty `folder` and return its path."""
    return KINDS[kind](generator(kind, index, seed), bases, folder)


def generator(kind: str, index: int, seed: int) -> np.random.Generator:
    """The source of everything random in one mutant."""
    return np.random.default_rng([seed, index, *kind.encode()])


def names(count: int) -> list[tuple[str, int]]:
    """(kind, index) of the first `count` mutants; every kind has its turn in each round."""
    turns = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
    counted, result = dict.fromkeys(KINDS, 0), []
    for number in range(count):
        kind = turns[number % len(turns)]
        result.append((kind, counted[kind]))
        counted[kind] += 1
    return result


def mutation(weight: int) -> Callable[[Maker], Maker]:
    def register(maker: Maker) -> Maker:
        KINDS[maker.__name__], WEIGHTS[maker.__name__] = maker, weight
        return maker

    return register


def _build(path: Path) -> None:
    picture = {"times": [i / 10 for i in range(10 * SECONDS)], "fps": 10}
    sound = {"sounds": [(0, tone(SECONDS, RATE))], "rate": RATE}
    if path.name in FILMS:
        codecs = {".webm": ("libvpx", "libopus"), ".avi": ("mpeg4", "libmp3lame")}
        video, audio = codecs.get(path.suffix, ("libx264", "aac"))
        make_film(path, **picture, **sound, video_codec=video, audio_codec=audio)
    elif path.name in SOUNDS:
        make_film(path, **sound, audio_codec="libopus" if path.suffix == ".ogg" else None)
    elif path.suffix == ".gif":
        make_film(path, **picture, video_codec="gif", pixel_format="rgb8")
    else:
        path.write_bytes(_encoded("mjpeg", 64, 48) if path.suffix == ".jpg" else b"What a match. " * 200)


def _encoded(codec: str, width: int, height: int) -> bytes:
    """One grey picture as the codec stores it."""
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.time_base = width, height, 1
    context.pix_fmt = {"mjpeg": "yuvj420p", "png": "gray"}.get(codec, "yuv420p")
    context.thread_count = 1
    frame = av.VideoFrame(width, height, context.pix_fmt)
    for plane in frame.planes:
        plane.update(b"\x80" * plane.buffer_size)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in context.encode(frame) + context.encode(None))


def _pick(rng: np.random.Generator, choices):
    return choices[int(rng.integers(len(choices)))]


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# Damage to the bytes of a file


@mutation(4)
def flipped(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Bits turned over, in half of the cases only where headers are."""
    name = _pick(rng, BASES)
    content = bases.bytes(name)
    size = len(content)
    place = _pick(rng, ((0, size), (0, size), (0, min(1000, size)), (max(0, size - 1000), size)))
    for position in rng.integers(*place, size=int(2 ** rng.uniform(0, 8))):
        content[position] ^= 1 << int(rng.integers(8))
    return _written(folder / name, content)


@mutation(2)
def truncated(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Only the beginning, down to a single byte or none."""
    name = _pick(rng, BASES)
    content = bases.bytes(name)
    keep = rng.integers(len(content)) if rng.random() < 0.7 else rng.integers(min(200, len(content)))
    return _written(folder / name, content[:keep])


@mutation(2)
def spliced(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """The first half of one file and the second of another, or two files one after the other."""
    first, second = _pick(rng, BASES), _pick(rng, BASES)
    head, tail = bases.bytes(first), bases.bytes(second)
    cut, join = (rng.integers(len(head)), rng.integers(len(tail))) if rng.random() < 0.8 else (len(head), 0)
    return _written(folder / _pick(rng, (first, second)), head[:cut] + tail[join:])


def _found(content: bytes, marks: tuple[bytes, ...], rng: np.random.Generator) -> int | None:
    """Where a random one of the occurrences of the marks ends, or None."""
    places = []
    for mark in marks:
        at = content.find(mark)
        while at >= 0:
            places.append(at + len(mark))
            at = content.find(mark, at + 1)
    return _pick(rng, places) if places else None


def _patched(
    rng: np.random.Generator, bases: Bases, folder: Path, fields: dict[str, list[tuple]], changes: int
) -> Path:
    """Overwrite numbers in a file; fields: for each file, (marks before it, offset, struct format)."""
    name = _pick(rng, tuple(fields))
    content = bases.bytes(name)
    for _ in range(changes):
        marks, offset, form = _pick(rng, fields[name])
        at = _found(content, marks, rng)
        if at is None or at + offset < 0 or at + offset + struct.calcsize(form) > len(content):
            continue
        if form[-1] in "df":
            value = _pick(rng, (0.0, -1.0, 1e3, 1e15, 1e300 if form[-1] == "d" else 1e30, np.nan, np.inf))
        else:
            value = _nasty(rng, struct.calcsize(form))
        struct.pack_into(form, content, at + offset, value)
    return _written(folder / name, content)


def _nasty(rng: np.random.Generator, size: int) -> int:
    value = _pick(rng, NASTY) if rng.random() < 0.6 else int(2 ** rng.uniform(0, 8 * size))
    return value & ((1 << 8 * size) - 1)


MP4_DURATIONS = [
    *(((box,), offset, ">I") for box in (b"mvhd", b"mdhd") for offset in (12, 16)),  # time scale, duration
    ((b"tkhd",), 20, ">I"),
    ((b"elst",), 8, ">I"),  # duration, media time, rate of the first entry
    ((b"elst",), 12, ">I"),
    ((b"elst",), 16, ">I"),
    ((b"stts",), 4, ">I"),  # number of entries; count and length of the first
    ((b"stts",), 8, ">I"),
    ((b"stts",), 12, ">I"),
    ((b"stts",), 14, ">H"),
    ((b"ctts",), 12, ">I"),
]
MKV_DURATIONS = [
    ((b"\x44\x89\x88",), 0, ">d"),  # Duration
    ((b"\x2a\xd7\xb1\x83",), 0, ">I"),  # TimestampScale, of three bytes and one more
    ((b"\x23\xe3\x83\x84", b"\x23\xe3\x83\x83"), 0, ">I"),  # DefaultDuration
    ((b"\xe7\x81", b"\xe7\x82"), 0, ">H"),  # Timestamp of a cluster
    ((b"\xb5\x88",), 0, ">d"),  # SamplingFrequency
    ((b"\x53\x6e", b"\x56\xaa\x83", b"\x56\xbb\x84"), 0, ">I"),  # CodecDelay, SeekPreRoll
]
AVI_DURATIONS = [
    *(((b"avih",), offset, "<I") for offset in (4, 20)),  # time between frames, number of frames
    *(((b"strh",), offset, "<I") for offset in (24, 28, 32, 36)),  # scale, rate, start, length
]
WAV_DURATIONS = [((b"data",), 0, "<I"), ((b"RIFF",), 0, "<I"), ((b"fmt ",), 8, "<I"), ((b"fmt ",), 12, "<I")]


@mutation(3)
def durations(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Headers that lie about time: lengths, time scales, starts, numbers of frames."""
    fields = {name: MP4_DURATIONS for name in ("film.mp4", "film.mov", "tape.m4a")}
    fields |= {"film.mkv": MKV_DURATIONS, "film.webm": MKV_DURATIONS}
    fields |= {"film.avi": AVI_DURATIONS, "tape.wav": WAV_DURATIONS}
    return _patched(rng, bases, folder, fields, int(rng.integers(1, 4)))


BOXES = (b"moov", b"trak", b"mdia", b"stbl", b"stsd", b"stsz", b"stco", b"stsc", b"stts", b"mdat", b"ftyp")
MP4_SIZES = [
    (BOXES, -8, ">I"),
    ((b"avc1",), 24, ">H"),  # width, height
    ((b"avc1",), 26, ">H"),
    ((b"tkhd",), 76, ">I"),
    ((b"mp4a",), 16, ">H"),  # channels, bits
    ((b"mp4a",), 18, ">H"),
    ((b"mp4a",), 24, ">I"),  # sampling rate
    ((b"stsz",), 4, ">I"),  # size of all samples, their number, size of the first
    ((b"stsz",), 8, ">I"),
    ((b"stsz",), 12, ">I"),
    ((b"stsc", b"stco", b"ctts", b"stss", b"elst"), 4, ">I"),
    ((b"stco",), 8, ">I"),
    ((b"stsc",), 12, ">I"),
    ((b"avcC",), 6, ">H"),
    ((b"esds",), 5, ">I"),
    ((b"\x67", b"\x68"), 3, ">I"),  # parameters of the picture
]
MKV_SIZES = [
    ((b"\xb0\x81", b"\xba\x81"), 0, ">H"),  # width, height
    ((b"\xb0", b"\xba"), 0, ">I"),
    ((b"\x9f\x81",), 0, ">B"),  # channels
    ((b"\x63\xa2", b"\xa3", b"\xae", b"\xe0", b"\xe1"), 0, ">H"),  # sizes of elements
    ((b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b", b"\x18\x53\x80\x67", b"\x1c\x53\xbb\x6b"), 0, ">Q"),
    ((b"\x1a\x45\xdf\xa3", b"\x42\x82", b"\xec"), 0, ">I"),
]
AVI_SIZES = [
    *(((b"avih",), offset, "<I") for offset in (28, 32, 36, 40)),  # streams, buffer, width, height
    *(((b"strf",), offset, "<I") for offset in (0, 4, 8, 12, 16, 24)),
    ((b"LIST", b"RIFF", b"idx1", b"00dc", b"01wb"), 0, "<I"),
    ((b"strh",), 44, "<I"),  # size of a sample
]
WAV_SIZES = [
    *(((b"fmt ",), offset, "<H") for offset in (4, 6, 16, 18)),  # codec, channels, block, bits
    ((b"fmt ",), 0, "<I"),
    ((b"data",), 0, "<I"),
]
GIF_SIZES = [
    ((b"GIF89a",), 0, "<H"),
    ((b"GIF89a",), 2, "<H"),
    ((b"\x2c\x00\x00\x00\x00",), 0, "<H"),
    ((b"\x21\xf9\x04",), 1, "<H"),
]
OGG_SIZES = [((b"OpusHead",), 1, "<B"), ((b"OpusHead",), 2, "<H"), ((b"OggS",), 22, "<B")]


@mutation(3)
def sizes(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Headers that lie about space: widths and heights, channels, numbers and sizes of parts."""
    fields = {name: MP4_SIZES for name in ("film.mp4", "film.mov", "tape.m4a")}
    fields |= {"film.mkv": MKV_SIZES, "film.webm": MKV_SIZES, "film.avi": AVI_SIZES, "tape.wav": WAV_SIZES}
    fields |= {"moving.gif": GIF_SIZES, "tape.ogg": OGG_SIZES}
    fields |= {"still.jpg": [((b"\xff\xc0",), 3, ">H"), ((b"\xff\xc0",), 5, ">H"), ((b"\xff",), 1, ">H")]}
    return _patched(rng, bases, folder, fields, int(rng.integers(1, 4)))


# Packets in the wrong order, at the wrong time

REMUXED = ("film.mp4", "film.mkv", "film.ts", "film.avi", "film.mov", "tape.m4a", "tape.mp3")


def _remuxed(source: Path, target: Path, change: Callable[[list], list]) -> Path:
    """Write the packets that `change` makes of the source's (stream index, pts, dts, duration, key, data)."""
    options = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    with av.open(str(source)) as film:
        given = [packet for packet in film.demux() if packet.size]
        packets = [
            (p.stream_index, p.pts or 0, p.dts or 0, p.duration, p.is_keyframe, bytes(p)) for p in given
        ]
        # A muxer may refuse to go on; what it has written by then is a mutant too.
        with suppress(av.FFmpegError, OverflowError), av.open(str(target), "w", options=options) as output:
            streams = [output.add_stream_from_template(stream) for stream in film.streams]
            for index, pts, dts, duration, key, data in change(packets):
                packet = av.Packet(data)
                packet.stream, packet.time_base = streams[index], film.streams[index].time_base
                packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, key
                output.mux(packet)
    return target


def _shift(rng: np.random.Generator, packets: list) -> Callable[[int], int]:
    """A way to falsify time stamps, of the packet of a given number."""
    large = int(2 ** rng.uniform(8, 48))
    ways = [
        lambda t, i: 0,
        lambda t, i: -t,
        lambda t, i: t - large,
        lambda t, i: t + large,
        lambda t, i: t * int(1 + large**0.3),
        lambda t, i: t + (large if i > len(packets) // 2 else 0),
        lambda t, i: t + int(rng.integers(-large, large)),
        lambda t, i: t // 1000,
        lambda t, i: t + large * i,
    ]
    return _pick(rng, ways)


@mutation(3)
def timestamps(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Time stamps that are all zero, negative, far off, leaping, or going back, of one stream or of both."""
    name = _pick(rng, REMUXED)
    target = folder / Path(name).with_suffix(_pick(rng, (Path(name).suffix, Path(name).suffix, ".nut")))
    hit = int(rng.integers(-1, 2))

    def change(packets: list) -> list:
        shift = _shift(rng, packets)
        return [
            (index, shift(pts, i), shift(dts, i), duration, key, data)
            if hit in (-1, index)
            else (index, pts, dts, duration, key, data)
            for i, (index, pts, dts, duration, key, data) in enumerate(packets)
        ]

    return _remuxed(bases.path(name), target, change)


@mutation(3)
def packets(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Packets repeated, left out, in another order, or with each other's data, in order of time or not."""
    name = _pick(rng, REMUXED)
    target = folder / Path(name).with_suffix(_pick(rng, (Path(name).suffix, Path(name).suffix, ".nut")))

    def change(packets: list) -> list:
        way = _pick(rng, ("repeat", "drop", "shuffle", "reverse", "swap"))
        order = np.arange(len(packets))
        if way == "repeat":
            order = np.repeat(order, rng.integers(1, 6, len(packets)))
        elif way == "drop":
            order = order[rng.random(len(packets)) < rng.uniform(0.05, 0.9)]
        elif way == "reverse":
            order = order[::-1]
        else:
            order = rng.permutation(order)
        if way == "swap":  # times stay in order
            return [(*kept[:5], packets[other][5]) for kept, other in zip(packets, order, strict=True)]
        return [packets[i] for i in order]

    return _remuxed(bases.path(name), target, change)


@mutation(1)
def tiny(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Up to a million packets of a sample or a byte each, spread over time or all at once."""
    count = int(_pick(rng, (20_000, 100_000, 1_000_000)))
    if rng.random() < 0.5:
        return tiny_mkv(folder / "tiny.mkv", count, int(_pick(rng, (0, 1, 20))))
    return _tiny_mp4(folder / "tiny.mp4", count, int(_pick(rng, (0, 1, 16, 1024))))


def _element(name: str, content: bytes) -> bytes:
    """An element of Matroska; its length takes eight bytes."""
    return bytes.fromhex(name) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def tiny_mkv(path: Path, count: int, spacing: int) -> Path:
    """Blocks of two samples (PCM), 250 to a cluster, `spacing` milliseconds apart."""
    sound = _element("b5", struct.pack(">d", 16000.0)) + _element("9f", b"\1") + _element("6264", b"\x08")
    track = _element("d7", b"\1") + _element("73c5", b"\1") + _element("83", b"\2")
    track += _element("86", b"A_PCM/INT/LIT") + _element("e1", sound)
    blocks = b"".join(
        _element("a3", b"\x81" + struct.pack(">hB", i * spacing, 0x80) + b"\x90\x70") for i in range(250)
    )
    clusters = (
        _element("1f43b675", _element("e7", struct.pack(">Q", i * 250 * spacing)) + blocks)
        for i in range(count // 250)
    )
    head = _element("1a45dfa3", _element("4282", b"matroska"))
    info = _element("1549a966", _element("2ad7b1", struct.pack(">I", 1_000_000)))
    segment = info + _element("1654ae6b", _element("ae", track)) + b"".join(clusters)
    return _written(path, head + _element("18538067", segment))


def _box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + name + content


def _tiny_mp4(path: Path, count: int, length: int) -> Path:
    """Samples of one byte that claim to be AAC, each lasting `length` samples."""
    head = _box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    entry = _box(
        b"mp4a", bytes(6) + b"\0\1" + bytes(8) + struct.pack(">HHI", 1, 16, 0) + struct.pack(">I", RATE << 16)
    )
    table = _box(
        b"stbl",
        _box(b"stsd", struct.pack(">II", 0, 1), entry),
        _box(b"stts", struct.pack(">IIII", 0, 1, count, length)),
        _box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1)),
        _box(b"stsz", struct.pack(">III", 0, 1, count)),
        _box(b"stco", struct.pack(">III", 0, 1, len(head) + 8)),
    )
    media = _box(
        b"mdia",
        _box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, RATE, count * length % 2**32, 0)),
        _box(b"hdlr", bytes(8) + b"soun" + bytes(13)),
        _box(b"minf", _box(b"smhd", bytes(8)), table),
    )
    movie = _box(
        b"moov", _box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 0) + bytes(80)), _box(b"trak", media)
    )
    return _written(path, head + _box(b"mdat", b"\x21" * count) + movie)


# Extremes of what media can hold


@mutation(2)
def pictures(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Pictures of one point, of odd and of lopsided sizes, of 8k, and larger than anything sensible."""
    choice = rng.random()
    if choice < 0.15:
        return _stored(folder / "film.avi", "mjpeg", bases.large_picture, 7680, 4320, int(rng.integers(1, 6)))
    if choice < 0.2:
        width, height = _pick(rng, ((16000, 12000), (60000, 1000)))
        return _stored(folder / "film.avi", "png", _encoded("png", width, height), width, height, 2)
    codec = _pick(rng, ("libx264", "mpeg4", "libvpx", "ffv1", "mjpeg", "rawvideo"))
    sizes = ((1, 1), (2, 2), (1, 4000), (4000, 1), (3, 5), (17, 33), (4096, 16), (16, 4096), (641, 359))
    width, height = _pick(rng, ((7680, 4320), (8192, 4320))) if choice < 0.27 else _pick(rng, sizes)
    if width > 5000:
        codec = _pick(rng, ("libx264", "mpeg4"))
    path = folder / f"{codec}.{'webm' if codec == 'libvpx' else _pick(rng, ('mkv', 'avi', 'mkv'))}"
    return _picture_film(path, codec, width, height, int(rng.integers(1, 4 if width > 5000 else 12)))


def _picture_film(path: Path, codec: str, width: int, height: int, count: int) -> Path:
    """A film of grey pictures; codecs that want even sizes or larger ones get them."""
    for least in (1, 2, 16):
        wide, high = (max(least, side // least * least) for side in (width, height))
        try:
            return _grey_film(path, codec, wide, high, count)
        except (av.FFmpegError, ValueError):
            path.unlink(missing_ok=True)
    return _written(path, b"")


def _grey_film(path: Path, codec: str, width: int, height: int, count: int) -> Path:
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        options = {"preset": "ultrafast"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=2, options=options)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.thread_count = 1
        frame = av.VideoFrame(width, height, stream.pix_fmt)
        for plane in frame.planes:
            plane.update(b"\x80" * plane.buffer_size)
        for number in range(count):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _stored(path: Path, codec: str, picture: bytes, width: int, height: int, count: int) -> Path:
    """A film that shows one encoded picture `count` times; its encoder never runs."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=1)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "gray"
        for number in range(count):
            packet = av.Packet(picture)
            packet.stream, packet.time_base, packet.is_keyframe = stream, stream.time_base or 1, True
            packet.pts = packet.dts = number
            container.mux(packet)
    return path


RATES = (1, 2, 7, 100, 999, 1000, 4000, 8000, 44100, 96000, 192000, 384000, 768000, 2**31 - 1, 2**32 - 1)


@mutation(2)
def rates(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Sound from one sample a second to billions, with up to 65535 channels of up to 64 bits."""
    rate = _pick(rng, RATES)
    if rng.random() < 0.25 and rate in (8000, 44100, 96000, 192000):
        samples = np.zeros((int(0.5 * rate), _pick(rng, (1, 2, 6))))
        sound = {"sounds": [(0.0, samples)], "rate": rate, "layout": LAYOUTS[samples.shape[1]]}
        return make_film(folder / "tape.flac", **sound)
    channels = _pick(rng, (1, 1, 2, 2, 6, 8, 9, 16, 64, 65, 255, 1000, 65535))
    bits, code = _pick(rng, ((8, 1), (16, 1), (24, 1), (32, 1), (32, 3), (64, 3)))
    size = int(_pick(rng, (1, 100, 10_000, 300_000)))
    return _written(folder / "tape.wav", wav(code, channels, rate, bits, rng.bytes(size)))


@mutation(1)
def floats(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Float samples that are no numbers, infinite, huge, or nearly nothing."""
    bits, dtype = _pick(rng, ((32, "<f4"), (64, "<f8")))
    channels = _pick(rng, (1, 2, 6))
    samples = np.repeat(tone(SECONDS, RATE), channels).astype(dtype)
    for value in (np.nan, np.inf, -np.inf, 1e38, -3e38, 1e-42, 1e3, -1.0):
        share = _pick(rng, (0.0, 0.0001, 0.1, 1.0))
        samples[rng.random(len(samples)) < share] = value
    return _written(folder / "tape.wav", wav(3, channels, RATE, bits, samples.tobytes()))


def wav(code: int, channels: int, rate: int, bits: int, data: bytes) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", code, channels, rate, rate * block % 2**32, block % 2**16, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@mutation(2)
def ends(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Picture and sound that start and end at different times, with holes in them."""
    late = float(_pick(rng, (0, 0, 0.02, 1.5, 30, 599, 601, 5000)))
    frames = int(_pick(rng, (0, 1, 2, 30)))
    rate = float(_pick(rng, (1, 10, 240)))
    times = [late + i / rate for i in range(frames)] if frames else None
    start = float(_pick(rng, (0, 0, 0.01, 2.2, 45, 599, 700, 40000)))
    parts = [(start, tone(float(_pick(rng, (0.01, 0.5, 2.0))), RATE))]
    if rng.random() < 0.5:
        parts.append((start + float(_pick(rng, (3.0, 60.0, 650.0))), tone(0.3, RATE)))
    path = folder / f"film.{_pick(rng, ('mp4', 'mkv', 'ts', 'mov'))}"
    other = rng.random() < 0.3 and path.suffix == ".mkv"
    codecs = {"video_codec": "mpeg4", "audio_codec": "libmp3lame"} if other else {}
    sounds = parts if rng.random() < 0.8 or not frames else []
    return make_film(path, times=times, fps=rate, sounds=sounds, rate=RATE, **codecs)


# What is no media file, or leads to another


@mutation(1)
def strange(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Folders, pipes, devices, links that lead nowhere, nothing, noise, and names to stumble over."""
    path = folder / _pick(rng, ("film.mp4", "film.mkv", "film", "-film.mp4", "a\nb.mp4", "%d.mp4", "c:d.mp4"))
    way = _pick(
        rng, ("folder", "pipe", "device", "loop", "nowhere", "empty", "noise", "zeros", "good", "good")
    )
    if way == "folder":
        path.mkdir()
    elif way == "pipe":
        os.mkfifo(path)
    elif way in ("device", "loop", "nowhere"):
        path.symlink_to({"device": "/dev/zero", "loop": path.name, "nowhere": "gone.mp4"}[way])
    else:
        noise = rng.bytes(int(2 ** rng.uniform(0, 18)))
        contents = {"empty": b"", "noise": noise, "zeros": bytes(len(noise)), "good": bases.bytes("film.mp4")}
        path.write_bytes(contents[way])
    return path


PLAY_LISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{film}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{film}'\n",
    "list.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT3S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="0" '
    'bandwidth="1"><BaseURL>{film}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "list.txt": "file '{film}'\n",
    "list.xspf": "<?xml version='1.0'?><playlist><trackList><track><location>{film}</location></track>"
    "</trackList></playlist>",
    "list.srt": "1\n00:00:01,000 --> 00:00:02,000\n{film}\n",
    "list.ass": "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
    "Dialogue: 0,0:00:01.00,0:00:02.00,,,,,,,{film}\n",
    "list.sub": "{{1}}{{1}}25.000\n{{10}}{{20}}{film}\n",
    "list.idx": "# VobSub index file, v7 (do not modify this line!)\n"
    "timestamp: 00:00:01:000, filepos: 000000000\n",
    "list.ffmeta": ";FFMETADATA1\ntitle={film}\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=3\n",
}


@mutation(1)
def lists(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Play lists and subtitles that name a good film beside them; nothing of it may come out."""
    (folder / "other.ts").write_bytes(bases.bytes("film.ts"))
    name = _pick(rng, tuple(PLAY_LISTS))
    where = _pick(
        rng, ("other.ts", str(folder / "other.ts"), f"file:{folder / 'other.ts'}", "http://127.0.0.1:9/x.ts")
    )
    target = folder / (name if rng.random() < 0.5 else f"film.{_pick(rng, ('mp4', 'ts', 'mkv'))}")
    return _written(target, PLAY_LISTS[name].format(film=where).encode())
