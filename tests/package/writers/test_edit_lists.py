import re

import opentimelineio as otio
import pytest
from results import SEGMENTS, result_of, written

from modeling_davihd.writers import WriterError, write_outputs

NTSC = 30000 / 1001


def read_edl(path):
    """[(source in, source out, record in, record out)] as digits (h, m, s, f), read by column position."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("TITLE: ") and lines[1] == "FCM: NON-DROP FRAME"
    events = [line.split() for line in lines if re.match(r"\d{3} ", line)]
    assert [event[0] for event in events] == [f"{i:03d}" for i in range(1, len(events) + 1)]
    assert all(event[1:4] == ["AX", "AA/V", "C"] for event in events)
    return [[tuple(map(int, code.split(":"))) for code in event[4:]] for event in events]


def frame_of(code, base):
    hours, minutes, seconds, frames = code
    assert minutes < 60 and seconds < 60 and frames < base
    return ((hours * 60 + minutes) * 60 + seconds) * base + frames


@pytest.mark.parametrize(
    ("fps", "base"), [(None, 25), (25.0, 25), (NTSC, 30), (24000 / 1001, 24), (59.94, 60)]
)
def test_edl_cuts_at_the_nearest_frame_and_records_without_gaps(tmp_path, fps, base):
    segments = [(0.02, 2.98), (3601.37, 3615.111), (5000, 5030)]
    path = written(result_of(segments, duration=7200, fps=fps), tmp_path, "edl")
    recorded = 0
    for (start, end), codes in zip(segments, read_edl(path), strict=True):
        first, last, record_first, record_last = (frame_of(code, base) for code in codes)
        rate = fps or 25
        assert abs(first / rate - start) <= 0.5 / rate + 1e-9
        assert abs(last / rate - end) <= 0.5 / rate + 1e-9
        assert record_first == recorded and record_last - record_first == last - first
        recorded = record_last


def test_edl_names_the_clip(tmp_path):
    lines = written(result_of(), tmp_path, "edl").read_text(encoding="utf-8").splitlines()
    assert lines.count("* FROM CLIP NAME: match.mp4") == len(SEGMENTS)
    assert "001  AX       AA/V  C        00:00:12:00 00:00:20:00 00:00:00:00 00:00:08:00" in lines


def test_edl_stops_at_999_events(tmp_path):
    many = [(i, i + 1) for i in range(0, 3000, 3)]
    with pytest.raises(WriterError, match="999 events.*1000 highlights"):
        write_outputs(result_of(many, duration=3000), tmp_path, ["edl"])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [None, NTSC])
def test_otio_is_read_back_by_opentimelineio(tmp_path, fps):
    rate = fps or 25
    timeline = otio.adapters.read_from_file(str(written(result_of(fps=fps), tmp_path, "otio")))
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    for track in timeline.tracks:
        assert len(track) == len(SEGMENTS)
        for clip, (start, end) in zip(track, SEGMENTS, strict=True):
            span = clip.source_range
            assert clip.schema_version() == type(clip)().schema_version()
            assert span.start_time.to_seconds() == pytest.approx(start, abs=0.5 / rate)
            assert span.end_time_exclusive().to_seconds() == pytest.approx(end, abs=0.5 / rate)
            assert clip.media_reference.target_url.endswith("/films/match.mp4")
            assert clip.media_reference.available_range.contains(span)
            assert clip.metadata["davihd"]["score"] == 0.75
    kept = sum(end - start for start, end in SEGMENTS)
    assert timeline.duration().to_seconds() == pytest.approx(kept, abs=len(SEGMENTS) / rate)
