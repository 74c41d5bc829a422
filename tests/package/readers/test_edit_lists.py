"""Edit lists, in the formats of editing programs."""

import json
import warnings
from pathlib import Path

import opentimelineio as otio
import pytest
from films import make_film

from modeling_davihd.readers import Films, Listed, ListError, ListWarning, base, edit_files, read_list

EDL = """TITLE: best of
FCM: NON-DROP FRAME

* made by an editor
001  AX       AA/V  C        00:00:01:00 00:00:03:10 01:00:00:00 01:00:02:10
* FROM CLIP NAME: match.mp4
* COMMENT: goal
002  DERBY001 V     C        00:00:02:00 00:00:04:00 01:00:02:10 01:00:04:10
* SOURCE FILE: D:\\films\\derby.mov
003  BL       V     C        00:00:00:00 00:00:01:00 01:00:04:10 01:00:05:10
004  AX       V     C        00:00:06:00 00:00:07:00 01:00:05:10 01:00:06:10
* FROM CLIP NAME: interview.mp4
"""

EVENT = "001  AX  V  C  00:00:01:00 00:00:02:00 00:00:00:00 00:00:01:00\n"

FCP7 = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE xmeml>
<xmeml version="5"><sequence id="s"><name>best of</name><duration>75</duration>
<rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate>
<media>
<video><track>
<clipitem id="1"><name>a goal</name><start>0</start><end>50</end><in>25</in><out>75</out>
<file id="f"><name>match.mp4</name><pathurl>file://localhost/Users/x/My%20films/match.mp4</pathurl>
<rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate><duration>200</duration>
<timecode><frame>90000</frame><rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate></timecode></file>
<marker><name>goal</name><in>30</in><out>-1</out></marker></clipitem>
<clipitem id="2"><name>more</name><start>50</start><end>75</end><in>150</in><out>175</out>
<file id="f"/></clipitem>
</track></video>
<audio><track>
<clipitem id="3"><name>a goal</name><start>0</start><end>50</end><in>25</in><out>75</out>
<file id="f"/></clipitem>
</track></audio>
</media></sequence></xmeml>
"""

FCPXML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE fcpxml>
<fcpxml version="1.10">
<resources><format id="r1" frameDuration="100/2500s"/><format id="r9" name="FFVideoFormatRateUndefined"/>
<asset id="r2" name="match" start="3600s" duration="8s" hasVideo="1" format="r1">
<media-rep kind="original-media" src="file:///Volumes/x/match.mp4"/></asset>
<asset id="r3" name="derby" start="0s" duration="8s" hasVideo="1" format="r9">
<media-rep src="file:///Volumes/x/derby.mp4"/></asset></resources>
<library><event name="e"><project name="best of"><sequence format="r1" duration="4s"><spine>
<asset-clip ref="r2" name="match" offset="0s" start="90025/25s" duration="2s" format="r1">
<marker start="3602s" duration="1/25s" value="goal"/></asset-clip>
<asset-clip ref="r3" name="derby" offset="2s" start="4s" duration="2s" format="r1"/>
</spine></sequence></project></event></library></fcpxml>
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two films of 8 s, of 25 and 29.97 frames a second, and one whose first frame is at one o'clock."""
    folder = tmp_path_factory.mktemp("edited")
    make_film(folder / "match.mp4", times=[i / 25 for i in range(200)], fps=25)
    make_film(folder / "derby.mp4", times=[i * 1001 / 30000 for i in range(240)], fps=30000 / 1001)
    times = [i / 25 for i in range(200)]
    make_film(folder / "coded.mov", times=times, fps=25, timecode="01:00:00:00")
    return folder


def written(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def listed(folder: Path, path: Path) -> Listed:
    found = read_list(path, Films(folder, sorted(film.name for film in folder.glob("*.m*"))))
    found.tell_unknown()
    return found


def read(folder: Path, path: Path) -> tuple[dict, list[str]]:
    """(start, end, words) of each film's entries, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ListWarning)
        entries = listed(folder, path).entries
    found = {
        name: [
            (pytest.approx(one.start, abs=0.04), pytest.approx(one.end, abs=0.04), one.words) for one in found
        ]
        for name, found in entries.items()
    }
    return found, [str(one.message).replace(f"{path.parent}/", "") for one in caught]


def refused(folder: Path, path: Path) -> str:
    with pytest.raises(ListError) as error:
        listed(folder, path)
    return str(error.value).removeprefix(f"{path.parent}/")


def timeline(*clips: otio.schema.Clip) -> otio.schema.Timeline:
    edit = otio.schema.Timeline("best of")
    edit.tracks.append(otio.schema.Track("V1", children=list(clips), kind="Video"))
    return edit


def clip(url: str, start: float, seconds: float, available: float | None = None) -> otio.schema.Clip:
    def span(start: float, seconds: float) -> otio.opentime.TimeRange:
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(start * 25, 25), otio.opentime.RationalTime(seconds * 25, 25)
        )

    media = otio.schema.ExternalReference(url, None if available is None else span(available, 8))
    return otio.schema.Clip("shot", media, span(start, seconds))


def saved(path: Path, edit: otio.schema.Timeline) -> Path:
    return written(path, edit.to_json_string())


def test_an_edl_is_read_with_films_by_clip_name_and_source_file(folder, tmp_path):
    found, said = read(folder, written(tmp_path / "cut.edl", EDL))
    assert found == {"match.mp4": [(1, 3.4, "goal")], "derby.mp4": [(2, 4, "")]}
    assert said == [f"cut.edl: interview.mp4: there is no such film in {folder}; left out."]


def test_the_number_of_an_event_is_no_films_name(folder, tmp_path):
    (tmp_path / "001.mp4").write_bytes((folder / "match.mp4").read_bytes())
    path = written(tmp_path / "cut.edl", EVENT + "* LOC: 00:00:01:00 RED     GOAL")
    assert listed(tmp_path, path).unknown == ["a clip without a name"]
    assert read(tmp_path, path) == ({}, [])
    found, _ = read(tmp_path, written(path, EVENT.replace("AX ", "001") + "* LOC: 00:00:01:00 RED     GOAL"))
    assert found == {"001.mp4": [(1, 2, "GOAL")]}


def test_time_codes_of_an_edl_count_from_the_films_own(folder, tmp_path):
    event = "001  AX       V     C        01:00:01:00 01:00:02:00 00:00:00:00 00:00:01:00\n* FROM CLIP NAME: "
    found, said = read(folder, written(tmp_path / "cut.edl", event + "coded.mov"))
    assert found == {"coded.mov": [(1, 2, "")]} and not said
    assert refused(folder, written(tmp_path / "cut.edl", event + "match.mp4")) == (
        "cut.edl, clip 1: all its times of match.mp4 are beyond the end, 8 s; they seem to count from "
        "01:00:00:00, but the film carries no such time code."
    )


@pytest.mark.parametrize(
    ("head", "mark", "start"), [("NON-DROP", ":", 1.6), ("DROP", ":", 1.0), ("DROP", ";", 1.0)]
)
def test_drop_frame_is_as_the_list_says(tmp_path, head, mark, start):
    """After ten minutes, 29.97 frames a second are 0.6 s behind time codes that drop none."""
    times = [i * 1001 / 30000 for i in range(90)]
    make_film(tmp_path / "c.mov", times=times, fps=30000 / 1001, timecode="00:10:00;00")
    codes = "00:10:01:00 00:10:02:00 00:00:00:00 00:00:01:00"
    text = f"FCM: {head} FRAME\n001 AX V C {codes}\n* FROM CLIP NAME: c.mov\n".replace(":00 ", f"{mark}00 ")
    found, said = read(tmp_path, written(tmp_path / "cut.edl", text))
    assert found == {"c.mov": [(start, start + 1, "")]} and not said


def test_what_is_cut_at_another_speed_counts_as_long_as_it_is(folder, tmp_path):
    text = """001  AX  V  C  00:00:01:00 00:00:03:00 00:00:00:00 00:00:01:00
M2   AX       050.0                00:00:01:00
* FROM CLIP NAME: match.mp4
"""
    found, _ = read(folder, written(tmp_path / "cut.edl", text))
    assert found == {"match.mp4": [(1, 3, "")]}


def test_a_timeline_counts_from_where_its_media_begin(folder, tmp_path):
    edit = timeline(
        clip("file:///x/match.mp4", 3601, 2, available=3600),
        clip("file:///x/match.mp4", 3602, 2, available=3600),
        clip("C:\\films\\DERBY.MP4", 7, 3),
    )
    edit.tracks[0][2].markers.append(otio.schema.Marker("own goal"))
    disabled = clip("file:///x/match.mp4", 3605, 2, available=3600)
    disabled.enabled = False
    edit.tracks[0].append(disabled)
    found, said = read(folder, saved(tmp_path / "cut.otio", edit))
    assert found == {"match.mp4": [(1, 3, ""), (2, 4, "")], "derby.mp4": [(7, 10, "own goal")]} and not said


def test_of_a_compound_only_what_shows_is_used(folder, tmp_path):
    compound = timeline(clip("match.mp4", 0, 4)).tracks
    inner = otio.schema.Stack("compound", children=[compound[0].deepcopy()])
    inner.source_range = clip("", 1, 2).source_range
    found, _ = read(folder, saved(tmp_path / "cut.otio", timeline(inner)))
    assert found == {"match.mp4": [(1, 3, "")]}


def test_clips_that_use_nothing_are_left_out_with_a_word(folder, tmp_path):
    vague = otio.schema.Clip("match.mp4")
    edit = timeline(clip("match.mp4", 1, 1), vague, clip("match.mp4", 2, 0))
    found, said = read(folder, saved(tmp_path / "cut.otio", edit))
    assert found == {"match.mp4": [(1, 2, "")]}
    assert said == [
        "cut.otio, clip 2: does not say what it uses of match.mp4; it is left out.",
        "cut.otio, clip 3: uses nothing of match.mp4; it is left out.",
    ]


def test_sound_below_its_own_picture_counts_once_and_other_sound_as_well(folder, tmp_path):
    edit = timeline(clip("match.mp4", 1, 2))
    sounds = [clip("match.mp4", 0.5, 3), clip("derby.mp4", 4, 1)]
    edit.tracks.append(otio.schema.Track("A1", children=sounds, kind="Audio"))
    found, said = read(folder, saved(tmp_path / "cut.otio", edit))
    assert found == {"match.mp4": [(1, 3, "")], "derby.mp4": [(4, 5, "")]} and not said


def test_final_cut_pro_7_is_read(folder, tmp_path):
    found, said = read(folder, written(tmp_path / "cut.xml", FCP7))
    assert found == {"match.mp4": [(1, 3, "goal"), (6, 7, "")]} and not said


def test_final_cut_pro_x_is_read(folder, tmp_path):
    found, said = read(folder, written(tmp_path / "cut.fcpxml", FCPXML))
    assert found == {"match.mp4": [(1, 3, "goal")], "derby.mp4": [(4, 6, "")]} and not said
    other = FCPXML.replace("UTF-8", "Shift_JIS")
    assert read(folder, written(tmp_path / "cut.xml", other))[0] == found


WRONG = [
    ("cut.edl", EDL.replace("00:00:02:00", "00:00:02"), "cut.edl, line 8: '002  DERBY001 V     C "),
    ("cut.edl", EDL.replace("00:00:03:10", "00:00:63:10"), "cut.edl, line 5: '00:00:63:10' is no time code."),
    ("cut.edl", "TITLE: none\n", "cut.edl: has 0 events; from 1 to 10000 are needed."),
    ("cut.otio", '{\n"OTIO_SCHEMA": }', "cut.otio, line 2: is not JSON (Expecting value)."),
    ("cut.otio", "[" * 100_000, "cut.otio: its lists are nested too deeply."),
    ("cut.otio", "[]", "cut.otio: holds no timeline."),
    ("cut.otio", '{"OTIO_SCHEMA": "Clip.0"}', "cut.otio: has the unknown schema 'Clip.0'."),
    ("cut.otio", otio.schema.Marker().to_json_string(), "cut.otio: holds no timeline."),
    ("cut.xml", "<xmeml>\n<sequence>", "cut.xml, line 2: is not XML (no element found)."),
    ("cut.xml", "<a:xmeml/>", "cut.xml, line 1: is not XML (unbound prefix)."),
    ("cut.xml", "<html/>", "cut.xml: is XML of 'html'; fcpxml or xmeml is needed."),
    ("cut.xml", FCP7.replace("<in>25</in>", ""), "cut.xml: is no edit list that can be read: it lacks"),
    ("cut.fcpxml", "<fcpxml/>", "cut.fcpxml: holds no timeline."),
]


@pytest.mark.parametrize(("name", "content", "said"), WRONG)
def test_an_edit_list_that_cannot_be_used_is_refused_in_a_sentence(folder, tmp_path, name, content, said):
    assert refused(folder, written(tmp_path / name, content)).startswith(said)


CIRCLE = "cut.xml: has a sequence that contains itself, or nests too deeply."
DECLARING = "cut.xml, line 1: its DOCTYPE declares entities or the like, which is refused."


def laughs() -> str:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    return f'<!DOCTYPE xmeml [<!ENTITY l0 "ha">{entities}]><xmeml><name>&l9;</name></xmeml>'


def compounds(last: str) -> str:
    """FCPXML of compound clips, ten times the next one in each, and in the last the one that is named."""

    def media(number: int, inside: str) -> str:
        clips = f'<ref-clip ref="{inside}" name="c" offset="0s" duration="1s"/>' * 10
        return f'<media id="m{number}"><sequence format="r1"><spine>{clips}</spine></sequence></media>'

    resources = "".join(media(i, f"m{i + 1}") for i in range(12)) + media(12, last)
    return f"<fcpxml><resources>{resources}</resources><project>{media(99, 'm0')}</project></fcpxml>"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (laughs(), DECLARING),
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', DECLARING),
        ("<a>" * 300 + "</a>" * 300, "cut.xml, line 1: is nested too deeply."),
        (compounds("none"), "cut.xml: comes to 1.23457e+14 clips; 10000 are read."),
        (FCP7.replace('<file id="f"/>', '<sequence id="s"/>'), CIRCLE),
        (compounds("m0"), CIRCLE),
    ],
    ids=["laughs", "outside", "deep", "compounds", "itself", "circle"],
)
def test_xml_that_grows_without_end_is_refused(folder, tmp_path, content, said):
    assert refused(folder, written(tmp_path / "cut.xml", content)) == said


def test_files_that_are_too_large_are_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "SIZE_LIMIT", 1000)
    for name in ("cut.edl", "cut.otio", "cut.xml", "match.txt"):
        path = written(tmp_path / name, " " * 1001)
        assert refused(folder, path) == f"{name}: is larger than the 0.001 MB that are read."
    monkeypatch.setattr(edit_files, "MOST_CLIPS", 2)
    monkeypatch.setattr(base, "SIZE_LIMIT", 100_000)
    assert "has 4 events; from 1 to 2" in refused(folder, written(tmp_path / "cut.edl", EDL))


def test_without_opentimelineio_a_sentence_says_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(otio.adapters, "available_adapter_names", lambda: ["otio_json"])
    said = 'cut.edl: is read with OpenTimelineIO and its adapters; pip install ".[edits]" brings them.'
    assert refused(folder, written(tmp_path / "cut.edl", EDL)) == said


def test_a_timeline_of_json_that_is_no_schema_is_refused(folder, tmp_path):
    path = written(tmp_path / "cut.otio", json.dumps({"OTIO_SCHEMA": "Timeline.1", "tracks": 3}))
    assert refused(folder, path).startswith("cut.otio: ")
