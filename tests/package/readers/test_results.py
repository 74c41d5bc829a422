"""Lists that people have changed, as highlights of their film; no media are needed."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modeling_davihd.highlights import Sound
from modeling_davihd.media import MediaInfo
from modeling_davihd.readers import ListWarning, read_result
from modeling_davihd.writers import HighlightResult, write_outputs

FILM = MediaInfo(Path("/films/match.mp4"), 20.0, has_video=True, has_audio=True, fps=25.0, nominal_fps=25.0)
SCORES = [0.1] * 4 + [0.9, 0.8] + [0.1] * 4 + [0.2, 0.7, 0.6, 0.1] + [0.0] * 6
EDGES = {
    "start": {"from": 4.2, "to": 4.0, "at": "shot"},
    "end": {"from": 6.0, "to": 6.0, "at": None},
}
CHEER = {"name": "cheering", "confidence": 0.9}
OURS = {
    "version": "0.1.0",
    "model": "davihd-small",
    "source": "match.mp4",
    "duration": 20.0,
    "scores": SCORES,
    "highlights": [
        {
            "start": 4.0,
            "end": 6.0,
            "score": 0.85,
            "peak": 4.0,
            "confidence": 0.91,
            "sounds": [CHEER],
            "edges": EDGES,
        },
        {"start": 11.0, "end": 13.0, "score": 0.650001, "peak": 11.0, "confidence": 0.8},
    ],
}
EVENT = "001  AX       V     C        00:00:{} 00:00:{} 00:00:00:00 00:00:01:00\n"


def written(path: Path, content: str | dict, encoding: str = "utf-8") -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding=encoding)
    return path


def highlights(path: Path) -> list[dict]:
    return [one.as_dict() for one in read_result(path, FILM).highlights]


def test_what_nobody_changed_stays_and_the_rest_follows_from_the_curve(tmp_path):
    same = read_result(written(tmp_path / "a.highlights.json", OURS), FILM)
    assert [one.as_dict() for one in same.highlights] == OURS["highlights"]
    assert (same.model_id, same.duration, same.fps) == ("davihd-small", 20.0, 25.0)
    first, second = OURS["highlights"]
    edited = [{"start": "0:15", "end": 16.5, "kind": "own goal"}, first | {"end": 5.5}, second | {"score": 1}]
    edited[1]["note"] = "shorter"
    found = highlights(written(tmp_path / "b.highlights.json", OURS | {"highlights": edited}))
    score = pytest.approx((0.9 + 0.4) / 1.5)
    assert found == [
        {"start": 4.0, "end": 5.5, "score": score, "peak": 4.0, "sounds": [CHEER]},
        {"start": 11.0, "end": 13.0, "score": pytest.approx(0.65), "peak": 11.0},
        {"start": 15.0, "end": 16.5, "score": 0.0, "peak": 15.0, "sounds": [{"name": "own goal"}]},
    ]


def test_a_highlight_that_reaches_the_end_of_a_partial_second_is_the_same(tmp_path):
    last = {"start": 18.5, "end": 20.4, "score": 0.2, "peak": 20.0}
    content = OURS | {"duration": 20.4, "scores": [0.0] * 20 + [0.5], "highlights": [last]}
    assert highlights(written(tmp_path / "match.json", content)) == [last]


def test_a_table_may_have_been_through_a_german_spreadsheet(tmp_path):
    table = "Score;Notiz;END;start;sounds\n\n;;;;\n0,5;Tor, schön;0:13,5;11;dög, bell\n;neu;00:00:06;4,25;\n"
    for encoding in ("utf-8-sig", "cp1252"):
        first, second = highlights(written(tmp_path / "match.csv", table.replace("\n", "\r\n"), encoding))
        assert first == {"start": 4.25, "end": 6.0, "sounds": []}
        names = [{"name": "dög"}, {"name": "bell"}]
        assert second == {"start": 11.0, "end": 13.5, "score": 0.5, "sounds": names}
    tabs = "sep=\t\nstart\tend\tpeak\n1\t2\t1,5\n3\t4\n"
    first, second = highlights(written(tmp_path / "match.csv", tabs, "utf-16"))
    assert (first["peak"], second) == (1.5, {"start": 3.0, "end": 4.0})


def test_other_lists_are_of_the_film_unless_they_name_another(tmp_path):
    found = highlights(written(tmp_path / "goals.txt", "0:11,5 - 0:13 own goal\nMatch.mov:\n1-2\n"))
    assert found == [
        {"start": 1.0, "end": 2.0},
        {"start": 11.5, "end": 13.0, "sounds": [{"name": "own goal"}]},
    ]
    assert highlights(written(tmp_path / "labels.txt", "1,5\t2,5\tgoal\n"))[0]["start"] == 1.5
    edl = EVENT.format("01:05", "02:00") + EVENT.format("04:00", "05:00").replace("001  AX   ", "002  CARD7")
    edl += EVENT.format("07:00", "08:00") + "* FROM CLIP NAME: derby.mp4\n"
    with pytest.warns(ListWarning, match="cut.edl: derby.mp4: is not match.mp4; left out"):
        found = highlights(written(tmp_path / "cut.edl", edl))
    assert found == [{"start": 1.2, "end": 2.0}, {"start": 4.0, "end": 5.0}]


@pytest.mark.parametrize(
    ("fps", "changes"),
    [
        (25.0, {"timecode": "23:59:56:00"}),
        (30000 / 1001, {"timecode": "10:59:59;10", "picture_start": 0.04}),
        (12.5, {"reel": "A001C02"}),
        (27.3, {"nominal_fps": 60.0}),
        (None, {"has_video": False}),
    ],
    ids=["over midnight", "drop frame", "counted twice", "varying", "sound"],
)
def test_our_own_edit_lists_come_back_to_the_frame(tmp_path, fps, changes):
    film = replace(FILM, **{"fps": fps, "nominal_fps": fps} | changes)
    found = {"duration": 20.0, "scores": np.ones(20)}
    result = HighlightResult.of_film(film, found, "m").recut([(1, 2.345), (3.3, 4.7), (18, 20)])
    named = replace(result.highlights[1], sounds=(Sound("dog"), Sound("bell")))
    result = replace(result, highlights=[result.highlights[0], named, result.highlights[2]])
    for path in write_outputs(result, tmp_path, ["edl", "otio", "fcpxml", "xmeml", "markers"]):
        again = read_result(path, film)
        assert np.allclose(again.segments, result.segments, rtol=0, atol=0.501 / (fps or 25))
        assert [one.sounds for one in again.highlights] == [None, named.sounds, None]
        [same] = write_outputs(again, tmp_path / "again", ["edl"])
        assert same.read_bytes() == (tmp_path / same.name).read_bytes()


def test_a_marker_of_one_moment_is_left_out(tmp_path):
    event = EVENT.format("01:00", "01:01") + " |C:ResolveColorBlue |M:{} |D:{}\n"
    path = written(tmp_path / "l.edl", event.format("Marker 1", 50) + "002" + event.format("goal", 1)[3:])
    with pytest.warns(ListWarning, match="l.edl, clip 2: uses nothing of match.mp4; it is left out"):
        assert highlights(path) == [{"start": 1.0, "end": 3.0}]


def csv_of(*rows: str) -> str:
    return "\n".join(["start,end", *rows])


def ours(*spans: tuple) -> dict:
    return OURS | {"highlights": [dict(zip(("start", "end"), span, strict=True)) for span in spans]}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("l.csv", csv_of("1,2", "5,4"), "l.csv, line 3: goes from 5 s to 4 s; 0 <= start < end is needed."),
        (
            "l.csv",
            csv_of("1,2", "19,30"),
            "l.csv, line 3: goes from 19 s to 30 s, but match.mp4 ends at 20 s.",
        ),
        (
            "l.csv",
            csv_of("3,6", "1,3.5"),
            "l.csv, line 2: overlaps l.csv, line 3 (from 1 s to 3.5 s and 3 s to",
        ),
        (
            "l.csv",
            csv_of("1,2", "1,2"),
            "l.csv, line 3: overlaps l.csv, line 2 (from 1 s to 2 s and 1 s to 2 s)",
        ),
        ("l.csv", csv_of("1,soon"), "l.csv, line 2: end is 'soon'; seconds or a time such as 1:02"),
        ("l.csv", csv_of("1,"), "l.csv, line 2: end is ''; seconds or a time"),
        ("l.csv", csv_of("1:75,2:00"), "l.csv, line 2: start is '1:75'; seconds or a time"),
        ("l.csv", csv_of("1,2,3"), "l.csv, line 2: needs 2 values, one for each column."),
        ("l.csv", csv_of(), "l.csv: holds no highlight."),
        ("l.csv", "", "l.csv: has no columns; start and end are needed."),
        ("l.csv", "begin;end\n1;2\n", "l.csv: has the columns 'begin,end'; start and end are needed."),
        ("l.csv", "start,end,end\n1,2,3\n", "l.csv: has the column 'end' twice."),
        ("l.csv", "start,end,score\n1,2,high\n", "l.csv, line 2: score is 'high'; a number is needed."),
        (
            "l.csv",
            "video,start,end\nderby.mp4,1,2\n",
            "l.csv: holds no highlight of match.mp4, but of derby.mp4.",
        ),
        (
            "l.json",
            ours((1, 2), (5, 4)),
            "l.json, highlight 2: goes from 5 s to 4 s; 0 <= start < end is nee",
        ),
        (
            "l.json",
            ours((1, 2), (19, 30)),
            "l.json, highlight 2: goes from 19 s to 30 s, but match.mp4 ends at",
        ),
        ("l.json", ours((1, "x")), "l.json, highlight 1: end is 'x'; seconds or a time such"),
        ("l.json", ours((1, 10**400)), "l.json, highlight 1: end is 1000000000"),
        ("l.json", ours(), "l.json: holds no highlight."),
        (
            "l.json",
            ours((1, 2)) | {"source": "derby.mp4"},
            "l.json: holds no highlight of match.mp4, but of derb",
        ),
        (
            "l.json",
            ours((1, 2)) | {"duration": 30},
            "l.json: has 20 scores for 30 s; one for each second is nee",
        ),
        (
            "l.json",
            ours((1, 2)) | {"scores": [0, None]},
            "l.json, second 1: score is None; a number is needed.",
        ),
        ("l.json", ours((1, 2)) | {"highlights": 3}, "l.json: its highlights are no list."),
        (
            "l.json",
            OURS | {"highlights": [{"start": 1, "end": 2, "edges": {"start": EDGES["start"]}}]},
            'l.json, highlight 1: the edge end is None; {"from": ...',
        ),
        ("l.json", [1], 'l.json: needs to be {"source": ..., "highlights": [...]}, as davihd writes it.'),
        ("l.json", {"a.mp4": [0.5]}, 'l.json: needs to be {"source": ..., "highlights": [...]}'),
        ("l.json", "{\n", "l.json, line 2: is not JSON"),
        ("l.txt", "0:04-0:02", "l.txt, line 1: goes from 4 s to 2 s; 0 <= start < end is needed."),
        (
            "l.txt",
            "0:00 Intro",
            "l.txt, line 1: is '0:00 Intro'; 1:02:03-1:02:20 and words, or a film.mp4: is n",
        ),
        ("l.txt", "derby.mp4:\n1-2\n", "l.txt: holds no highlight of match.mp4, but of derby.mp4."),
        (
            "l.edl",
            EVENT.format("19:00", "30:00"),
            "l.edl, clip 1: goes from 19 s to 30 s, but match.mp4 ends at",
        ),
        ("l.doc", "", "l.doc: its name must end in .csv, .json, .txt, .edl, .otio, .fcpxml, .xml."),
    ],
)
def test_nonsense_is_refused_in_a_sentence(tmp_path, name, content, said):
    path = written(tmp_path / name, content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError) as error:
        read_result(path, FILM)
    assert str(error.value).replace(f"{tmp_path}/", "").startswith(said)


def test_a_list_without_scores_leaves_them_open(tmp_path):
    result = read_result(written(tmp_path / "l.csv", csv_of("1,2")), FILM)
    assert not result.scored and math.isnan(result.highlights[0].peak)
    [moved] = result.recut([(1, 3)]).highlights
    assert moved.as_dict() == {"start": 1.0, "end": 3.0}
    named = read_result(written(tmp_path / "l.txt", "1-2 goal"), FILM).recut([(1, 2.5)])
    assert named.highlights[0].sounds == (Sound("goal"),)
