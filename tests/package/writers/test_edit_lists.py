import re
from pathlib import Path

import opentimelineio as otio
import pytest
from results import SEGMENTS, result_of, written

from modeling_davihd.highlights import Sound
from modeling_davihd.media import MediaInfo
from modeling_davihd.writers import WriterError, timecodes, write_outputs

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
    ("fps", "base"),
    [
        (None, 25),
        (25.0, 25),
        (NTSC, 30),
        (24000 / 1001, 24),
        (60000 / 1001, 60),
        (12.5, 25),
        (100, 50),
        (28.8, 30),
    ],
)
def test_edl_cuts_at_the_nearest_frame_and_records_without_gaps(tmp_path, fps, base):
    segments = [(0.02, 2.98), (3601.37, 3615.111), (5000, 5030)]
    path = written(result_of(segments, duration=7200, fps=fps), tmp_path, "edl")
    recorded = 0
    for (start, end), codes in zip(segments, read_edl(path), strict=True):
        first, last, record_first, record_last = (frame_of(code, base) for code in codes)
        rate = fps if fps and round(fps) == base and fps != 28.8 else base
        assert abs(first / rate - start) <= 0.5 / rate + 1e-9
        assert abs(last / rate - end) <= 0.5 / rate + 1e-9
        assert record_first == recorded and record_last - record_first == last - first
        recorded = record_last


CAMERA = {"has_video": True, "has_audio": True, "nominal_fps": NTSC, "timecode": "10:11:12;13"}


def film(**facts):
    """What the headers of the film may say."""
    return MediaInfo(Path("/films/match.mp4"), 600.0, **{**CAMERA, **facts})


def test_edit_lists_count_from_the_cameras_own_time_code(tmp_path):
    """From its first picture on, which is later than its sound, without the numbers that NTSC leaves out."""
    camera = film(picture_start=0.5, reel="a001.c-2 and more")
    result = result_of([(20.5, 24.5), (100, 110)], fps=NTSC, film=camera)
    lines = written(result, tmp_path, "edl").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "FCM: DROP FRAME"
    assert lines[3] == "001  A001_C_2 AA/V  C        10:11:32;12 10:11:36;12 00:00:00;00 00:00:04;00"
    timeline = otio.adapters.read_from_file(str(written(result, tmp_path, "otio")))
    for track in timeline.tracks:
        assert track[0].media_reference.available_range.start_time.to_timecode() == "10:11:12;13"
        assert track[1].source_range.start_time.to_timecode() == "10:12:51;27"
        assert track[0].source_range.duration.rate == NTSC


@pytest.mark.parametrize(("rate", "drop"), [(NTSC, True), (60000 / 1001, True), (NTSC, False), (25, False)])
def test_time_codes_are_those_of_opentimelineio(rate, drop):
    codes = timecodes.TimeCode(timecodes.editing_rate(rate), drop=drop)
    for frame in [*range(0, 120000, 701), 1799, 1800, 3599, 3600, 17981, 17982, 35963, 35964]:
        digits = codes.digits(frame)
        assert digits == otio.opentime.RationalTime(frame, rate).to_timecode(rate, drop)
        assert timecodes.TimeCode.of(codes.rate, digits).start == frame


@pytest.mark.parametrize(
    ("average", "nominal", "counted"),
    [(57.3, 1000, 60), (1000, 1000, 60), (29.6, 90000, 30), (119.88, None, 60000 / 1001), (15, 15, 30)]
    + [(25, 50, 25), (14.985, None, NTSC), (240, 240, 60), (0.03, 1, 24)],
)
def test_edit_lists_count_in_rates_that_editors_know(average, nominal, counted):
    assert float(timecodes.editing_rate(average, nominal)) == counted


@pytest.mark.parametrize(("missing", "kind", "channels"), [("video", "Audio", "AA"), ("audio", "Video", "V")])
def test_edit_lists_have_no_track_of_what_the_film_lacks(tmp_path, missing, kind, channels):
    result = result_of(film=film(**{f"has_{missing}": False}))
    timeline = otio.adapters.read_from_file(str(written(result, tmp_path, "otio")))
    assert [track.kind for track in timeline.tracks] == [kind]
    assert written(result, tmp_path, "edl").read_text().splitlines()[3].split()[2] == channels


def test_edl_names_the_clip(tmp_path):
    lines = written(result_of(), tmp_path, "edl").read_text(encoding="utf-8").splitlines()
    assert lines.count("* FROM CLIP NAME: match.mp4") == len(SEGMENTS)
    assert "001  AX       AA/V  C        00:00:12:00 00:00:20:00 00:00:00:00 00:00:08:00" in lines


def test_edit_lists_say_what_is_heard(tmp_path):
    heard = [(Sound("cheering", 0.93), Sound("applause", 0.8)), (), (Sound("gunshot", 0.9),)]
    result = result_of(sounds=heard)
    lines = written(result, tmp_path, "edl").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "COMMENT" in line] == [
        "* COMMENT: cheering, applause",
        "* COMMENT: gunshot",
    ]
    timeline = otio.adapters.read_from_file(str(written(result, tmp_path, "otio")))
    for track in timeline.tracks:
        names = [[marker.name for marker in clip.markers] for clip in track]
        assert names == [["cheering, applause"], [], ["gunshot"]]
        assert track[2].markers[0].marked_range == track[2].source_range
        assert track[2].metadata["davihd"]["sounds"][0]["confidence"] == 0.9


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
