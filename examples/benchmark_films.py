"""Films for the benchmark: 720p, 25 frames a second, with sound; twenty seconds again and again."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from datasets_scripts.synthetic import generate_soundtrack
from modeling_davihd.media import write_film

FPS = 25
UNIT = 20  # seconds
SAMPLING_RATE = 48000


def film(folder: Path, minutes: float) -> Path:
    """A film of so many minutes, in a folder that keeps it for the next time it is asked for."""
    path, unit = folder / f"film-{minutes:.2f}.mp4", folder / "unit.mp4"
    if not unit.exists():
        _write_unit(unit)
    if not path.exists():
        _repeat(unit, path, round(60 * minutes))
    return path


def _write_unit(path: Path):
    """A picture that moves sideways, over a generated soundtrack in stereo."""
    blocks = np.random.default_rng(0).integers(0, 255, (45, 90, 3), dtype=np.uint8)
    wide = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
    frames = (wide[:, (2 * k) % 160 :][:, :1280] for k in range(UNIT * FPS))
    sound = generate_soundtrack(0, duration=UNIT).waveform.repeat(SAMPLING_RATE // 16000)
    write_film(path, frames, np.stack((sound, sound), 1), fps=FPS, sampling_rate=SAMPLING_RATE)


def _repeat(unit: Path, path: Path, seconds: int):
    """Copy the packets of a film over and over, with time stamps that go on, until `seconds` are full."""
    with av.open(unit) as source, av.open(path, "w") as target:
        streams = [source.streams.video[0], source.streams.audio[0]]
        copies = [target.add_stream_from_template(stream) for stream in streams]
        packets = [packet for packet in source.demux(streams) if packet.size]
        facts = [
            (bytes(p), streams.index(p.stream), p.pts, p.dts, p.duration, p.is_keyframe) for p in packets
        ]
        bases = [stream.time_base for stream in streams]
        spans = [_span(facts, i) for i in range(2)]
        for turn in range(-(-seconds // UNIT)):
            for data, which, pts, dts, duration, key in facts:
                shift = turn * spans[which]
                if (dts + shift) * bases[which] >= seconds:
                    continue
                packet = av.Packet(data)
                packet.stream, packet.time_base = copies[which], bases[which]
                packet.pts, packet.dts, packet.duration = pts + shift, dts + shift, duration
                packet.is_keyframe = key
                target.mux(packet)


def _span(facts: list[tuple], which: int) -> int:
    """What the packets of one stream last in all, in its time base."""
    return sum(duration for _, index, _, _, duration, _ in facts if index == which)


__all__ = ["film"]
