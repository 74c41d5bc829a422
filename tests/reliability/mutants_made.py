"""Hostile media made from nothing: extremes, changes on the way, bombs, and what is no media at all."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import av
import numpy as np
from films import make_film, tone
from mutants import RATE, SECONDS, Bases, box, element, encoded, mutation, pick, written

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}

# Extremes of what media can hold


@mutation(2)
def pictures(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Pictures of one point, of odd and of lopsided sizes, of 8k, and larger than anything sensible."""
    choice = rng.random()
    if choice < 0.15:
        return _stored(folder / "film.avi", "mjpeg", bases.large_picture, 7680, 4320, int(rng.integers(1, 6)))
    if choice < 0.2:
        width, height = pick(rng, ((16000, 12000), (60000, 1000)))
        return _stored(folder / "film.avi", "png", encoded("png", width, height), width, height, 2)
    codec = pick(rng, ("libx264", "mpeg4", "libvpx", "ffv1", "mjpeg", "rawvideo"))
    sizes = ((1, 1), (2, 2), (1, 4000), (4000, 1), (3, 5), (17, 33), (4096, 16), (16, 4096), (641, 359))
    width, height = pick(rng, ((7680, 4320), (8192, 4320))) if choice < 0.27 else pick(rng, sizes)
    if width > 5000:
        codec = pick(rng, ("libx264", "mpeg4"))
    path = folder / f"{codec}.{'webm' if codec == 'libvpx' else pick(rng, ('mkv', 'avi', 'mkv'))}"
    return _picture_film(path, codec, width, height, int(rng.integers(1, 4 if width > 5000 else 12)))


def _picture_film(path: Path, codec: str, width: int, height: int, count: int) -> Path:
    """A film of grey pictures; codecs that want even sizes or larger ones get them."""
    for least in (1, 2, 16):
        wide, high = (max(least, side // least * least) for side in (width, height))
        try:
            return _grey_film(path, codec, wide, high, count)
        except (av.FFmpegError, ValueError):
            path.unlink(missing_ok=True)
    return written(path, b"")


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
    rate = pick(rng, RATES)
    if rng.random() < 0.25 and rate in (8000, 44100, 96000, 192000):
        samples = np.zeros((int(0.5 * rate), pick(rng, (1, 2, 6))))
        sound = {"sounds": [(0.0, samples)], "rate": rate, "layout": LAYOUTS[samples.shape[1]]}
        return make_film(folder / "tape.flac", **sound)
    channels = pick(rng, (1, 1, 2, 2, 6, 8, 9, 16, 64, 65, 255, 1000, 65535))
    bits, code = pick(rng, ((8, 1), (16, 1), (24, 1), (32, 1), (32, 3), (64, 3)))
    size = int(pick(rng, (1, 100, 10_000, 300_000)))
    return written(folder / "tape.wav", wav(code, channels, rate, bits, rng.bytes(size)))


@mutation(1)
def floats(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Float samples that are no numbers, infinite, huge, or nearly nothing."""
    bits, dtype = pick(rng, ((32, "<f4"), (64, "<f8")))
    channels = pick(rng, (1, 2, 6))
    samples = np.repeat(tone(SECONDS, RATE), channels).astype(dtype)
    for value in (np.nan, np.inf, -np.inf, 1e38, -3e38, 1e-42, 1e3, -1.0):
        share = pick(rng, (0.0, 0.0001, 0.1, 1.0))
        samples[rng.random(len(samples)) < share] = value
    return written(folder / "tape.wav", wav(3, channels, RATE, bits, samples.tobytes()))


def wav(code: int, channels: int, rate: int, bits: int, data: bytes) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", code, channels, rate, rate * block % 2**32, block % 2**16, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@mutation(2)
def ends(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Picture and sound that start and end at different times, with holes in them."""
    late = float(pick(rng, (0, 0, 0.02, 1.5, 30, 599, 601, 5000)))
    frames = int(pick(rng, (0, 1, 2, 30)))
    rate = float(pick(rng, (1, 10, 240)))
    times = [late + i / rate for i in range(frames)] if frames else None
    start = float(pick(rng, (0, 0, 0.01, 2.2, 45, 599, 700, 40000)))
    parts = [(start, tone(float(pick(rng, (0.01, 0.5, 2.0))), RATE))]
    if rng.random() < 0.5:
        parts.append((start + float(pick(rng, (3.0, 60.0, 650.0))), tone(0.3, RATE)))
    path = folder / f"film.{pick(rng, ('mp4', 'mkv', 'ts', 'mov'))}"
    other = rng.random() < 0.3 and path.suffix == ".mkv"
    codecs = {"video_codec": "mpeg4", "audio_codec": "libmp3lame"} if other else {}
    sounds = parts if rng.random() < 0.8 or not frames else []
    try:
        return make_film(path, times=times, fps=rate, sounds=sounds, rate=RATE, **codecs)
    except av.FFmpegError:  # of an encoder that counts no time so late
        return make_film(path, times=times, fps=rate, sounds=sounds, rate=RATE)


# What becomes something else on the way, or much more than it was


@mutation(1)
def changing(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Pictures whose size, or sound whose rate and channels, are others after half a second."""
    suffix = pick(rng, (".ts", ".h264", ".aac", ".mp3", ".ogg"))
    content = b""
    for number in range(int(rng.integers(2, 7))):
        part = folder / f"part{number}{suffix}"
        content += (_sight if suffix in (".ts", ".h264") else _hearing)(rng, part).read_bytes()
        part.unlink()
    return written(folder / f"changing{suffix}", content)


def _sight(rng: np.random.Generator, path: Path) -> Path:
    size = pick(rng, ((64, 48), (16, 16), (1920, 1080), (48, 640), (640, 482)))
    return make_film(path, times=[i / 10 for i in range(5)], fps=10, size=size)


def _hearing(rng: np.random.Generator, path: Path) -> Path:
    rate = int(pick(rng, (8000, 16000, 24000, 48000)))
    samples = np.repeat(tone(0.5, rate)[:, None], pick(rng, (1, 2)), axis=1)
    codec = {".aac": "aac", ".ogg": pick(rng, ("libopus", "flac"))}.get(path.suffix)
    layout = LAYOUTS[samples.shape[1]]
    return make_film(path, sounds=[(0.0, samples)], rate=rate, audio_codec=codec, layout=layout)


@mutation(1)
def packed(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Headers and packets that unpack to much more, or to less than they claim; pictures of hardly a byte."""
    way = pick(rng, ("header", "packets", "pictures"))
    if way == "pictures":
        width, height = pick(rng, ((1, 1), (64, 48), (2000, 2000), (8192, 4320), (65535, 65535)))
        count = int(pick(rng, (100, 2000, 20_000)))
        return written(
            folder / "moving.gif", gif(count, delay=pick(rng, (0, 2, 100)), width=width, height=height)
        )
    size = int(pick(rng, (1000, 1 << 20, 1 << 26)))
    if way == "packets":
        return written(folder / "tape.mkv", packed_mkv(size, int(pick(rng, (1, 20)))))
    content = bytes(bases.bytes("film.mp4"))
    start = content.index(b"moov") - 4
    (length,) = struct.unpack(">I", content[start : start + 4])
    plain = content[start : start + length] if rng.random() < 0.5 else bytes(size)
    claim = len(plain) if rng.random() < 0.5 else int(pick(rng, (0, 8, 0x7FFFFFFF, 0xFFFFFFF0)))
    movie = box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", struct.pack(">I", claim), zlib.compress(plain)))
    kept = content[start + length :]
    return written(folder / "film.mov", content[:start] + box(b"moov", movie) + kept)


def packed_mkv(size: int, count: int) -> bytes:
    """Silence whose packets are `size` zeros, packed."""
    method = element("5034", element("4254", b"\0"))
    packing = element("6d80", element("6240", element("5032", b"\1") + element("5033", b"\0") + method))
    sound = element("b5", struct.pack(">d", 16000.0)) + element("9f", b"\1") + element("6264", b"\x10")
    track = element("d7", b"\1") + element("73c5", b"\1") + element("83", b"\2")
    track += element("86", b"A_PCM/INT/LIT") + element("e1", sound) + packing
    block = element("a3", b"\x81\0\0\x80" + zlib.compress(bytes(size), 9))
    clusters = (
        element("1f43b675", element("e7", struct.pack(">Q", i * size // 32)) + block) for i in range(count)
    )
    info = element("1549a966", element("2ad7b1", struct.pack(">I", 1_000_000)))
    segment = info + element("1654ae6b", element("ae", track)) + b"".join(clusters)
    return element("1a45dfa3", element("4282", b"matroska")) + element("18538067", segment)


def gif(count: int, *, delay: int, width: int, height: int) -> bytes:
    """Pictures of which one point changes each time; delay in hundredths of a second."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    control = b"\x21\xf9\x04\0" + struct.pack("<H", delay) + b"\0\0"
    return head + (control + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0") * count + b";"


# What is no media file, or leads to another


@mutation(1)
def strange(rng: np.random.Generator, bases: Bases, folder: Path) -> Path:
    """Folders, pipes, devices, links that lead nowhere, nothing, noise, and names to stumble over."""
    path = folder / pick(rng, ("film.mp4", "film.mkv", "film", "-film.mp4", "a\nb.mp4", "%d.mp4", "c:d.mp4"))
    way = pick(
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
    name = pick(rng, tuple(PLAY_LISTS))
    where = pick(
        rng, ("other.ts", str(folder / "other.ts"), f"file:{folder / 'other.ts'}", "http://127.0.0.1:9/x.ts")
    )
    target = folder / (name if rng.random() < 0.5 else f"film.{pick(rng, ('mp4', 'ts', 'mkv'))}")
    return written(target, PLAY_LISTS[name].format(film=where).encode())
