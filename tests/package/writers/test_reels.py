"""What lies beside a reel of several films."""

import json
from pathlib import Path

import opentimelineio
import pytest
from films import make_film, tone

from modeling_davihd.highlights import Highlight
from modeling_davihd.media import ReelOptions, probe
from modeling_davihd.reels import Pick
from modeling_davihd.writers import HighlightResult
from modeling_davihd.writers.reels import Reel

SAID = "1\n00:00:01,000 --> 00:00:01,500\nHello\n\n2\n00:00:02,300 --> 00:00:04,000\nGoal!\n"


@pytest.fixture(scope="module")
def picks(tmp_path_factory) -> list[Pick]:
    """A film with subtitles, and a tape."""
    folder = tmp_path_factory.mktemp("films")
    film = make_film(folder / "match.mp4", times=[n / 10 for n in range(50)], fps=10, size=(32, 32))
    (folder / "match.srt").write_text(SAID)
    tape = make_film(folder / "tape.wav", sounds=[(0, tone(5, 8000))], rate=8000)
    scored = {"duration": 5.0, "scores": [0.0, 0.0, 1.0, 1.0, 0.0]}
    films = [HighlightResult.of_film(probe(path), scored, "davihd-small") for path in (film, tape)]
    spans = [(films[0], 2.0, 4.0), (films[1], 1.0, 3.0), (films[0], 0.5, 1.3)]
    return [Pick(one, Highlight(start, end, 0.75, start), 1.5) for one, start, end in spans]


def test_lists_say_what_is_where(picks, tmp_path):
    reel = Reel(picks, tmp_path / "best.mp4", ReelOptions(fade=0.6), relative_to=tmp_path)
    assert {path.name for path in reel.write(["srt", "json", "mp4", "otio"])} == {
        path.name for path in tmp_path.iterdir()
    }
    content = json.loads((tmp_path / "best.json").read_text())
    assert probe(tmp_path / "best.mp4").duration == pytest.approx(content["duration"], abs=0.001)
    assert content["duration"] == pytest.approx(4.8 - 0.6 - 0.4)
    assert [Path(one["source"]).name for one in content["films"]] == ["match.mp4", "tape.wav"]
    assert content["films"][0] | {"source": ""} == {
        "source": "",
        "duration": 5.0,
        "median": 0.0,
        "deviation": 0.489898,
    }
    times = [(one["at"], one["until"], one["start"], one["end"]) for one in content["highlights"]]
    assert times == [(0, 1.7, 2, 4), (1.7, 3.2, 1, 3), (3.2, 3.8, 0.5, 1.3)]
    assert content["highlights"][0]["prominence"] == 1.5
    assert (tmp_path / content["films"][0]["source"]).resolve() == picks[0].film.source
    assert (tmp_path / "best.srt").read_text() == (
        "1\n00:00:00,300 --> 00:00:01,700\nGoal!\n\n2\n00:00:03,500 --> 00:00:03,800\nHello\n"
    )
    timeline = opentimelineio.adapters.read_from_file(str(tmp_path / "best.otio"))
    pictures, sounds = timeline.tracks
    assert [clip.duration().to_seconds() for clip in pictures] == pytest.approx([1.7, 1.5, 0.6], abs=0.03)
    kinds = [[type(clip).__name__ for clip in track] for track in timeline.tracks]
    assert kinds == [["Clip", "Gap", "Clip"], ["Gap", "Clip", "Gap"]]


def test_without_subtitles_there_is_no_file_of_them(picks, tmp_path):
    assert Reel(picks[1:2], tmp_path / "new" / "best.mp4").write(["srt"]) == []
