"""Edit lists as their readers see them. What timelines have in common is tested with all of them."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import opentimelineio as otio
import pytest
from edit_readers import fcpxml_spans, spans_of, timeline_of
from films import make_film
from results import SEGMENTS, result_of, written

from modeling_davihd.highlights import Sound
from modeling_davihd.media import MediaInfo, SoundTrack, probe
from modeling_davihd.writers import WriterError, timecodes, write_outputs

NTSC = 30000 / 1001
LISTS = ("edl", "otio", "xmeml")


PLAIN = {"nominal_fps": None, "timecode": None}
CAMERA = {"has_video": True, "has_audio": True, "nominal_fps": NTSC, "timecode": "10:11:12;13"}


def film(**facts):
    """What the headers of the film may say."""
    return MediaInfo(Path("/films/match.mp4"), 600.0, **{**CAMERA, **facts})


def track(number, channels=1, heard=True, name=None):
    return SoundTrack(number, number, name, None, False, channels, heard)


def read_all(result, folder, rate):
    """The timelines of all edit lists by their format; they agree to the frame."""
    paths = {name: written(result, folder, name) for name in (*LISTS, "fcpxml")}
    timelines = {name: timeline_of(path, float(rate)) for name, path in paths.items()}
    found = fcpxml_spans(paths["fcpxml"], rate)
    for name in LISTS:
        for one in timelines[name].tracks:
            assert spans_of(one) == found, (name, one.name)
    for (first, last, _), clip in zip(found, timelines["fcpxml"].find_clips(), strict=True):
        assert clip.source_range.start_time.to_seconds() == pytest.approx(first / rate, abs=0.05)
        assert clip.source_range.duration.to_seconds() == pytest.approx((last - first) / rate, abs=0.05)
    return timelines, found


def kinds(timeline):
    return [one.kind for one in timeline.tracks]


@pytest.mark.parametrize(
    ("fps", "nominal", "rate"),
    [
        (None, None, 25),
        (25.0, 25.0, 25),
        (NTSC, NTSC, Fraction(30000, 1001)),
        (24000 / 1001, None, Fraction(24000, 1001)),
        (60000 / 1001, None, Fraction(60000, 1001)),
        (12.5, None, 25),
        (100, None, 50),
        (28.8, 30.0, 30),
    ],
)
def test_edit_lists_cut_at_the_nearest_frame_and_record_without_gaps(tmp_path, fps, nominal, rate):
    segments = [(0.02, 2.98), (3601.37, 3615.111), (5000, 5030)]
    result = result_of(segments, 7200, fps=fps, film=film(nominal_fps=nominal, timecode=None))
    timelines, found = read_all(result, tmp_path, Fraction(rate))
    recorded = 0
    for (start, end), (first, last, at) in zip(segments, found, strict=True):
        assert abs(first / rate - start) <= 0.5 / rate + 1e-9 and at == recorded
        assert abs(last / rate - end) <= 0.5 / rate + 1e-9
        recorded += last - first
    assert kinds(timelines["edl"]) == ["Video", "Audio", "Audio"]
    assert kinds(timelines["otio"]) == kinds(timelines["xmeml"]) == ["Video", "Audio"]
    assert kinds(timelines["fcpxml"]) == ["Video"]


def test_edit_lists_cut_where_the_reel_does(tmp_path):
    """At whole frames of the film, where they count two to each."""
    slow = film(fps=12.5, nominal_fps=12.5, timecode=None)
    _, found = read_all(result_of([(19, 25), (40.3, 40.31)], fps=12.5, film=slow), tmp_path, Fraction(25))
    assert found == [(476, 626, 0), (1008, 1010, 150)]


def test_edit_lists_count_from_the_cameras_own_time_code(tmp_path):
    """From its first picture on, which is later than its sound, without the numbers that NTSC leaves out."""
    camera = film(picture_start=0.5, reel="a001.c-2 & more")
    result = result_of([(20.5, 24.5), (100, 110)], fps=NTSC, film=camera)
    timelines, found = read_all(result, tmp_path, Fraction(30000, 1001))
    lines = (tmp_path / "match.highlights.edl").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "FCM: DROP FRAME"
    assert lines[3] == "001  A001_C_2 AA/V  C        10:11:32;12 10:11:36;12 00:00:00;00 00:00:04;00"
    for name in ("otio", "xmeml"):
        for one in timelines[name].tracks:
            assert one[0].media_reference.available_range.start_time.to_timecode() == "10:11:12;13"
            assert one[1].source_range.start_time.to_timecode() == "10:12:51;27"
    assert timelines["otio"].tracks[0][0].metadata["cmx_3600"]["reel"] == camera.reel
    code = timelines["xmeml"].tracks[0][0].media_reference.metadata["fcp_xml"]["timecode"]
    assert (code["displayformat"], code["reel"]["name"]) == ("DF", camera.reel)
    root = ElementTree.parse(tmp_path / "match.highlights.fcpxml").getroot()
    asset, clip = root.find("resources/asset"), root.find(".//asset-clip")
    assert Fraction(asset.get("start")[:-1]) * 30000 / 1001 == found[0][0] - 599
    assert root.find("resources/format").get("frameDuration") == "1001/30000s"
    assert clip.get("tcFormat") == root.find(".//sequence").get("tcFormat") == "DF"
    assert asset.find("metadata/md").get("value") == camera.reel


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


@pytest.mark.parametrize(
    ("missing", "kind", "channels"), [("video", "Audio", ["A1"]), ("audio", "Video", ["V"])]
)
def test_edit_lists_have_no_track_of_what_the_film_lacks(tmp_path, missing, kind, channels):
    sounds = (track(1),) if missing == "video" else ()
    result = result_of(film=film(**{f"has_{missing}": False}, sounds=sounds, **PLAIN))
    timelines, _ = read_all(result, tmp_path, Fraction(25))
    assert all(kinds(timeline) == [kind] for timeline in timelines.values())
    assert [one.name for one in timelines["edl"].tracks] == channels
    for name in ("fcpxml", "xml"):
        text = (tmp_path / f"match.highlights.{name}").read_text(encoding="utf-8")
        there = {
            word: word in text.replace("audioRate", "")
            for word in ("hasVideo", "<video>", "hasAudio", "<audio>")
        }
        assert not any(found for word, found in there.items() if word.strip("<>has").lower() == missing)


def test_edit_lists_have_every_sound_track(tmp_path):
    """A game in stereo, a microphone, and a commentary that is not heard."""
    sounds = (track(1, 2, name="Game"), track(2, name="Mike <1>"), track(3, 2, heard=False))
    timelines, _ = read_all(result_of(film=film(sounds=sounds, **PLAIN)), tmp_path, Fraction(25))
    assert [one.name for one in timelines["edl"].tracks] == ["V", "A1", "A2"]
    assert timelines["edl"].tracks[0][0].metadata["cmx_3600"]["comments"][1] == "AUD  3"
    assert [(one.name, one.enabled) for one in timelines["otio"].audio_tracks()] == [
        ("Game", True),
        ("Mike <1>", True),
        ("Audio 3", False),
    ]
    channels = timelines["otio"].tracks[3][0].metadata["Resolve_OTIO"]["Channels"]
    assert [dict(one) for one in channels] == [
        {"Source Track ID": 2, "Source Channel ID": 0},
        {"Source Track ID": 2, "Source Channel ID": 1},
    ]
    clips = [one[0].metadata["fcp_xml"] for one in timelines["xmeml"].audio_tracks()]
    assert [(clip["sourcetrack"]["trackindex"], clip["enabled"]) for clip in clips] == [
        ("1", "TRUE"),
        ("3", "TRUE"),
        ("3", "FALSE"),
    ]
    assert len(clips[0]["link"]) == 6  # the picture and five channels
    root = ElementTree.parse(tmp_path / "match.highlights.fcpxml").getroot()
    assert (root.find(".//asset").get("audioSources"), root.find(".//asset").get("audioChannels")) == (
        "3",
        "2",
    )
    parts = [dict(part.items()) for part in root.find(".//asset-clip").iter("audio-channel-source")]
    assert parts == [
        {"srcCh": "1, 2", "role": "dialogue.Game"},
        {"srcCh": "3", "role": "dialogue.Mike _1_"},
        {"srcCh": "4, 5", "role": "dialogue.dialogue-3", "active": "0"},
    ]


@pytest.mark.parametrize(
    ("sounds", "picture", "field", "further"),
    [
        ((track(1),), True, "B", []),
        ((track(1, heard=False), track(2)), True, "A2/V", []),
        ((track(1, 2, heard=False), track(2, 2)), False, "NONE", ["AUD  3    4"]),
        ((track(1, 3, heard=False), track(2)), True, "V", ["AUD       4"]),
        (
            (track(1, 6),),
            False,
            "AA",
            ["* SOUND CHANNELS: 6, OF WHICH AN EDL HOLDS THOSE UP TO 4", "AUD  3    4"],
        ),
    ],
)
def test_edl_takes_the_channels_that_are_heard(tmp_path, sounds, picture, field, further):
    result = result_of([(1, 2)], film=film(sounds=sounds, has_video=picture))
    lines = written(result, tmp_path, "edl").read_text(encoding="utf-8").splitlines()
    assert lines[3].split()[2] == field
    assert lines[6:] == further


@pytest.mark.parametrize("name", ["match.mp4", "Finále 1 & <2>.mp4", "決勝 100%.mp4", "a\ufffe\u2028b.mp4"])
@pytest.mark.parametrize("folder", [None, "/out/lists"])
def test_edit_lists_say_where_the_film_is(tmp_path, name, folder):
    result = replace(result_of(name=name), relative_to=folder and Path(folder))
    timelines, _ = read_all(result, tmp_path, Fraction(25))
    path = f"../../films/{name}" if folder else f"/films/{name}"
    for format in ("otio", "xmeml", "fcpxml"):
        for one in timelines[format].tracks:
            url = one[0].media_reference.target_url
            assert url.isascii() and otio.url_utils.filepath_from_url(url) == path, format
            assert url.startswith("../" if folder else "file://")
    shown = path.replace("\u2028", "\ufffd")
    assert timelines["edl"].tracks[0][0].metadata["cmx_3600"]["comments"][0] == f"SOURCE FILE: {shown}"
    assert timelines["edl"].tracks[0][0].name == shown.rpartition("/")[2]
    assert timelines["fcpxml"].tracks[0][0].name == shown.rpartition("/")[2].replace("\ufffe", "\ufffd")


def test_edit_lists_say_what_is_heard(tmp_path):
    heard = [(Sound("cheering", 0.93), Sound("applause", 0.8)), (), (Sound("gunshot", 0.9),)]
    timelines, found = read_all(result_of(sounds=heard), tmp_path, Fraction(25))
    lines = (tmp_path / "match.highlights.edl").read_text(encoding="utf-8").splitlines()
    assert lines.count("* FROM CLIP NAME: match.mp4") == len(SEGMENTS)
    assert [line for line in lines if "COMMENT" in line] == [
        "* COMMENT: cheering, applause",
        "* COMMENT: gunshot",
    ]
    for format in ("otio", "xmeml", "fcpxml"):
        for one in timelines[format].tracks:
            names = [[marker.name for marker in clip.markers] for clip in one]
            assert names == [["cheering, applause"], [], ["gunshot"]]
    for one in timelines["otio"].tracks:
        assert one[2].markers[0].marked_range == one[2].source_range
        assert one[2].metadata["davihd"]["sounds"][0]["confidence"] == 0.9
        assert one[2].schema_version() == type(one[2])().schema_version()
        assert one[2].media_reference.available_range.contains(one[2].source_range)
    assert timelines["xmeml"].tracks[1][2].markers[0].marked_range.start_time.value == found[2][0]
    remarks = ["Highlight 1, score 0.75: cheering, applause", "Highlight 2, score 0.75"]
    root = ElementTree.parse(tmp_path / "match.highlights.fcpxml").getroot()
    assert [note.text for note in root.iter("note")][:2] == remarks
    clips = list(timelines["xmeml"].tracks[0])
    assert [clip.metadata["fcp_xml"]["logginginfo"]["lognote"] for clip in clips][:2] == remarks


@pytest.mark.parametrize("name", ["edl", "markers"])
def test_an_edl_stops_at_999_events(tmp_path, name):
    many = [(i, i + 1) for i in range(0, 3000, 3)]
    with pytest.raises(WriterError, match="999 events.*1000 highlights"):
        write_outputs(result_of(many, duration=3000), tmp_path, [name])
    assert not any(tmp_path.iterdir())


def test_markers_are_those_of_resolve(tmp_path):
    result = result_of([(20, 24), (100, 110)], fps=NTSC, film=film(), sounds=[(Sound("gunshot", 0.9),), ()])
    assert written(result, tmp_path, "markers").read_text(encoding="utf-8").splitlines() == [
        "TITLE: match.mp4 highlights",
        "FCM: DROP FRAME",
        "",
        "001  001      V     C        10:11:32;12 10:11:32;13 10:11:32;12 10:11:32;13  ",
        "Highlight 1, score 0.75: gunshot |C:ResolveColorBlue |M:gunshot |D:120",
        "",
        "002  001      V     C        10:12:52;12 10:12:52;13 10:12:52;12 10:12:52;13  ",
        "Highlight 2, score 0.75 |C:ResolveColorBlue |M:Highlight 2 |D:300",
    ]


def test_lists_of_xml_have_the_size_that_is_shown(tmp_path):
    """A phone's film, stored as 64 x 48 and turned by a quarter."""
    path = make_film(tmp_path / "phone.mov", times=[0, 0.04], rotation=90, timecode="01:00:00:00")
    info = probe(path)
    result = replace(result_of([(0, 0.08)], 0.08, film=info, fps=info.fps), source=path)
    timelines, found = read_all(result, tmp_path, Fraction(25))
    assert found == [(90000, 90002, 0)] and kinds(timelines["xmeml"]) == ["Video"]
    form = ElementTree.parse(tmp_path / "phone.highlights.fcpxml").find("resources/format")
    assert (form.get("width"), form.get("height")) == ("48", "64")
    root = ElementTree.parse(tmp_path / "phone.highlights.xml").getroot()
    assert {
        (one.findtext("width"), one.findtext("height")) for one in root.iter("samplecharacteristics")
    } == {("48", "64")}
