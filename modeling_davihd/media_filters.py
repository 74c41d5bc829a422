"""FFmpeg's filters in a row, as PyAV offers them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import av
from av.filter import Graph

Step = tuple[str, dict[str, str]]  # a filter and its options
TICKS = 1_000_000  # a second of the time stamps of sound


class Chain:
    """Filters in a row, for frames of one kind. A number of threads of None leaves that to FFmpeg."""

    def __init__(self, source: Step, steps: Sequence[Step], sink: str, threads: int | None = None) -> None:
        self.graph = Graph()
        self.graph.threads = threads or 0
        nodes = [self.graph.add(name, **options) for name, options in [source, *steps, (sink, {})]]
        self.graph.link_nodes(*nodes).configure()

    @classmethod
    def of_pictures(cls, like: av.VideoFrame, steps: Sequence[Step], threads: int | None = None) -> Chain:
        """For frames of the size, the format and the colours of one."""
        options = {
            "video_size": f"{like.width}x{like.height}",
            "pix_fmt": like.format.name,
            "time_base": "1/1",
            "colorspace": str(like.colorspace),
            "range": str(like.color_range),
        }
        return cls(("buffer", options), steps, "buffersink", threads)

    @classmethod
    def of_sound(cls, like: av.AudioFrame, steps: Sequence[Step], frame_size: int) -> Chain:
        """For frames of the rate, the format and the channels of one, whose times are in TICKS."""
        options = {
            "sample_rate": str(like.sample_rate),
            "sample_fmt": like.format.name,
            "channel_layout": like.layout.name,
            "time_base": f"1/{TICKS}",
        }
        chain = cls(("abuffer", options), steps, "abuffersink", threads=1)  # more would have nothing to do
        chain.graph.set_audio_frame_size(frame_size)
        return chain

    def passed(self, frame: Any) -> Iterator[Any]:
        """Yield what comes out once a frame has gone in, or, for None, what is still to come out."""
        self.graph.push(frame)
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                yield self.graph.pull()
