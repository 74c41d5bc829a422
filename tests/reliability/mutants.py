"""Hostile media for `fuzz.py`: each kind of mutant is a function of a random generator and base files.

Here: files that were good. `mutants_made` has those that are made from nothing.

A mutant is named by seed, kind and index alone, so that any one of them can be rebuilt without the others.
"""

from __future__ import annotations

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
        return encoded("mjpeg", 7680, 4320)


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
    rate = 8000 if path.suffix == ".amr" else 48000 if path.name in RARE else RATE
    sound = {"sounds": [(0, tone(SECONDS, rate))], "rate": rate}
    if path.name in RARE:
        video, audio = RARE[path.name]
        if video and video.startswith("mpeg") and path.suffix in (".wtv", ".mpg"):  # which have fixed rates
            picture = {"times": [i / 25 for i in range(25 * SECONDS)], "fps": 25}
        shown = picture | {"video_codec": video} if video else {}
        make_film(path, **shown, **(sound if audio else {}), audio_codec=audio)
    elif path.name in FILMS:
        codecs = {".webm": ("libvpx", "libopus"), ".avi": ("mpeg4", "libmp3lame")}
        video, audio = codecs.get(path.suffix, ("libx264", "aac"))
        make_film(path, **picture, **sound, video_codec=video, audio_codec=audio)
    elif path.name in SOUNDS:
        make_film(path, **sound, audio_codec="libopus" if path.suffix == ".ogg" else None)
    elif path.suffix == ".gif":
        make_film(path, **picture, video_codec="gif", pixel_format="rgb8")
    else:
        path.write_bytes(encoded("mjpeg", 64, 48) if path.suffix == ".jpg" else b"What a match. " * 200)


def encoded(codec: str, width: int, height: int) -> bytes:
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


def pick(rng: np.random.Generator, choices):
    return choices[int(rng.integers(len(choices)))]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# Damage to the bytes of a file


@mutation(4)
def flipped(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Bits turned over, in half of the cases only where headers are."""
    name = pick(rng, BASES)
    content = bases.bytes(name)
    size = len(content)
    place = pick(rng, ((0, size), (0, size), (0, min(1000, size)), (max(0, size - 1000), size)))
    for position in rng.integers(*place, size=int(2 ** rng.uniform(0, 8))):
        content[position] ^= 1 << int(rng.integers(8))
    return written(folder / name, content)


@mutation(2)
def truncated(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Only the beginning, down to a single byte or none."""
    name = pick(rng, BASES)
    content = bases.bytes(name)
    keep = rng.integers(len(content)) if rng.random() < 0.7 else rng.integers(min(200, len(content)))
    return written(folder / name, content[:keep])


@mutation(2)
def spliced(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """The first half of one file and the second of another, or two files one after the other."""
    first, second = pick(rng, BASES), pick(rng, BASES)
    head, tail = bases.bytes(first), bases.bytes(second)
    cut, join = (rng.integers(len(head)), rng.integers(len(tail))) if rng.random() < 0.8 else (len(head), 0)
    return written(folder / pick(rng, (first, second)), head[:cut] + tail[join:])


def _found(content: bytes, marks: tuple[bytes, ...], rng: np.random.Generator) -> int | None:
    """Where a random one of the occurrences of the marks ends, or None."""
    places = []
    for mark in marks:
        at = content.find(mark)
        while at >= 0:
            places.append(at + len(mark))
            at = content.find(mark, at + 1)
    return pick(rng, places) if places else None


def _patched(
    rng: np.random.Generator, bases: Bases, folder: Path, fields: dict[str, list[tuple]], changes: int
) -> Path:
    """Overwrite numbers in a file; fields: for each file, (marks before it, offset, struct format)."""
    name = pick(rng, tuple(fields))
    content = bases.bytes(name)
    for _ in range(changes):
        marks, offset, form = pick(rng, fields[name])
        at = _found(content, marks, rng)
        if at is None or at + offset < 0 or at + offset + struct.calcsize(form) > len(content):
            continue
        if form[-1] in "df":
            value = pick(rng, (0.0, -1.0, 1e3, 1e15, 1e300 if form[-1] == "d" else 1e30, np.nan, np.inf))
        else:
            value = _nasty(rng, struct.calcsize(form))
        struct.pack_into(form, content, at + offset, value)
    return written(folder / name, content)


def _nasty(rng: np.random.Generator, size: int) -> int:
    value = pick(rng, NASTY) if rng.random() < 0.6 else int(2 ** rng.uniform(0, 8 * size))
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


RARE = {  # codecs of picture and sound in containers that are met less often
    "film.flv": ("flv1", "libmp3lame"),
    "film.asf": ("mpeg4", "libmp3lame"),
    "film.wtv": ("mpeg2video", "mp2"),
    "film.nut": ("mpeg4", "aac"),
    "film.mpg": ("mpeg1video", "mp2"),
    "film.rm": ("rv10", "ac3"),
    "film.ivf": ("libvpx", None),
    "film.y4m": ("wrapped_avframe", None),
    "film.h264": ("libx264", None),
    "film.m4v": ("mpeg4", None),
    **{f"tape.{suffix}": (None, f"pcm_s16{order}e") for suffix, order in (("aiff", "b"), ("au", "b"))},
    **{f"tape.{suffix}": (None, "pcm_s16le") for suffix in ("caf", "w64")},
    **{f"tape.{suffix}": (None, suffix) for suffix in ("ac3", "eac3", "tta", "flac", "aac", "mp2")},
    "tape.wv": (None, "wavpack"),
    "tape.voc": (None, "pcm_u8"),
    "tape.amr": (None, "libopencore_amrnb"),
}


@mutation(3)
def rare(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Files of other containers, with bits turned over, numbers replaced, or cut."""
    name = pick(rng, tuple(RARE))
    content = bases.bytes(name)
    way, size = pick(rng, ("flip", "flip", "number", "cut")), len(content)
    if way == "cut":
        return written(folder / name, content[: rng.integers(size)])
    place = pick(rng, ((0, size), (0, min(300, size))))
    for position in rng.integers(*place, size=int(2 ** rng.uniform(0, 6))):
        if way == "flip":
            content[position] ^= 1 << int(rng.integers(8))
        else:
            width = min(int(pick(rng, (2, 4, 8))), size - position)
            value = _nasty(rng, width).to_bytes(width, pick(rng, ("big", "little")))
            content[position : position + width] = value
    return written(folder / name, content)


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
    return pick(rng, ways)


@mutation(3)
def timestamps(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Time stamps that are all zero, negative, far off, leaping, or going back, of one stream or of both."""
    name = pick(rng, REMUXED)
    target = folder / Path(name).with_suffix(pick(rng, (Path(name).suffix, Path(name).suffix, ".nut")))
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
    name = pick(rng, REMUXED)
    target = folder / Path(name).with_suffix(pick(rng, (Path(name).suffix, Path(name).suffix, ".nut")))

    def change(packets: list) -> list:
        way = pick(rng, ("repeat", "drop", "shuffle", "reverse", "swap"))
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
    count = int(pick(rng, (20_000, 100_000, 1_000_000)))
    if rng.random() < 0.5:
        return tiny_mkv(folder / "tiny.mkv", count, int(pick(rng, (0, 1, 20))))
    return tiny_mp4(folder / "tiny.mp4", count, int(pick(rng, (0, 1, 16, 1024))))


def element(name: str, content: bytes) -> bytes:
    """An element of Matroska; its length takes eight bytes."""
    return bytes.fromhex(name) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def tiny_mkv(path: Path, count: int, spacing: int) -> Path:
    """Blocks of two samples (PCM), 250 to a cluster, `spacing` milliseconds apart."""
    sound = element("b5", struct.pack(">d", 16000.0)) + element("9f", b"\1") + element("6264", b"\x08")
    track = element("d7", b"\1") + element("73c5", b"\1") + element("83", b"\2")
    track += element("86", b"A_PCM/INT/LIT") + element("e1", sound)
    blocks = b"".join(
        element("a3", b"\x81" + struct.pack(">hB", i * spacing, 0x80) + b"\x90\x70") for i in range(250)
    )
    clusters = (
        element("1f43b675", element("e7", struct.pack(">Q", i * 250 * spacing)) + blocks)
        for i in range(count // 250)
    )
    head = element("1a45dfa3", element("4282", b"matroska"))
    info = element("1549a966", element("2ad7b1", struct.pack(">I", 1_000_000)))
    segment = info + element("1654ae6b", element("ae", track)) + b"".join(clusters)
    return written(path, head + element("18538067", segment))


def box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + name + content


def tiny_mp4(path: Path, count: int, length: int) -> Path:
    """Samples of one byte that claim to be AAC, each lasting `length` samples."""
    head = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    entry = box(
        b"mp4a", bytes(6) + b"\0\1" + bytes(8) + struct.pack(">HHI", 1, 16, 0) + struct.pack(">I", RATE << 16)
    )
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), entry),
        box(b"stts", struct.pack(">IIII", 0, 1, count, length)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1)),
        box(b"stsz", struct.pack(">III", 0, 1, count)),
        box(b"stco", struct.pack(">III", 0, 1, len(head) + 8)),
    )
    media = box(
        b"mdia",
        box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, RATE, count * length % 2**32, 0)),
        box(b"hdlr", bytes(8) + b"soun" + bytes(13)),
        box(b"minf", box(b"smhd", bytes(8)), table),
    )
    movie = box(
        b"moov", box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 0) + bytes(80)), box(b"trak", media)
    )
    return written(path, head + box(b"mdat", b"\x21" * count) + movie)
