"""What is in a film, as `stream_segments` and as a player would show it."""

import warnings

import av
import numpy as np
from films import clicks, make_film, number_of

from modeling_davihd.media import FrameSampling, MediaWarning, stream_segments

SMALL = FrameSampling(frames_per_segment=1, height=60, width=80)
FIVE_SECONDS = [i / 25 for i in range(125)]


def decode(path, **options):
    """The whole of `stream_segments`: waveform (n,) or None, frames (T, P, H, W, 3) or None, end."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always", MediaWarning)
        chunks = list(stream_segments(path, **options))
    starts = np.cumsum([0] + [len(c.waveform if c.frames is None else c.frames) for c in chunks])
    assert [chunk.first_segment for chunk in chunks] == starts[:-1].tolist()
    assert starts[-1] == np.ceil(chunks[-1].end)
    joined = [
        None if parts[0] is None else np.concatenate(parts)
        for parts in ([c.waveform for c in chunks], [c.frames for c in chunks])
    ]
    return joined[0] if joined[0] is None else joined[0].ravel(), joined[1], chunks[-1].end


def numbers(frames):
    return [[number_of(frame) for frame in segment] for segment in frames]


def shown(path):
    """[(time, number)] of every frame in a film, and the end of the last one."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        end = float((frames[-1].pts + frames[-1].duration) * frames[-1].time_base)
        return [(frame.time, number_of(frame.to_ndarray(format="rgb24"))) for frame in frames], end


def clicking_film(path):
    return make_film(path, times=FIVE_SECONDS, sounds=[(0, clicks(5, 48000, [1, 2, 3, 4]))])
