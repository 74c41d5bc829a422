"""Clean edges of highlights: films with changes of shots and pauses whose times are known."""

from contextlib import closing
from dataclasses import replace

import av
import numpy as np
import pytest
from films import make_film, tone
from paths import GOLDEN
from results import result_of, written
from safetensors.numpy import load_file

from modeling_davihd import clean_edges, cli
from modeling_davihd.clean_edges import Cutting, EdgeCleaner
from modeling_davihd.media import MediaWarning, Pictures, probe, write_film
from modeling_davihd.media_tracks import Track
from modeling_davihd.shots import SIZE, shot_changes
from modeling_davihd.writers import HighlightResult, write_outputs

FPS = 10
CUT = 5.3  # seconds


def shot(number: int, moment: int) -> np.ndarray:
    """A picture of one of two shots, in which something moves."""
    picture = np.full((48, 64, 3), [(30, 60, 160), (220, 120, 40)][number], np.uint8)
    picture[20:28, 2 * moment % 48 :][:, :8] = 255
    return picture


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory):
    """Ten seconds with a change of shots after 5.3, and beeps."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    frames = [shot(int(number >= CUT * FPS), number) for number in range(10 * FPS)]
    beeps = tone(10, 16000) * (np.arange(160000) % 16000 < 4000)
    write_film(path, frames, beeps, fps=FPS, sampling_rate=16000)
    return path


def found_in(film, segments, duration: float) -> HighlightResult:
    """A film with highlights there, their peaks in the middle."""
    result = result_of(segments, duration=duration)
    highlights = [replace(one, peak=(one.start + one.end) / 2) for one in result.highlights]
    return replace(result, source=film, film=probe(film), highlights=highlights)


def test_a_list_keeps_its_edges_unless_they_are_to_be_cleaned(two_shots, tmp_path):
    listed = tmp_path / "film.csv"
    listed.write_text("start,end,sounds\n2,5,dog\n")
    options = ["cut", str(two_shots), "--from", str(listed), "--output-dir", str(tmp_path / "out")]
    options += ["--formats", "csv"]
    for more, end in (([], 5), (["--pad-after", "1"], 6), (["--snap", "shots"], CUT)):
        assert cli.main([*options, *more]) == 0
        table = (tmp_path / "out" / "film.highlights.csv").read_text()
        assert table == f"start,end,sounds\n2.0,{float(end)},dog\n"


def blues(path) -> list[bool]:
    """Of each picture of a film, whether it is of the first shot."""
    with av.open(str(path)) as container:
        colours = [frame.to_ndarray(format="rgb24").mean((0, 1)) for frame in container.decode(video=0)]
    return [bool(colour[2] > colour[0]) for colour in colours]


def test_no_clip_shows_a_picture_of_the_other_shot(two_shots, tmp_path):
    result = EdgeCleaner().clean(found_in(two_shots, [(2, 5), (6, 9)], 10), Cutting())
    assert result.segments == [(2, pytest.approx(CUT)), (pytest.approx(CUT), 9)]
    moved = result.highlights[0].as_dict()["edges"]
    assert moved["start"] == {"from": 2, "to": 2, "at": None}
    assert moved["end"] == {"from": 5, "to": pytest.approx(CUT), "at": "shot"}
    first, second = write_outputs(result, tmp_path, ["clips"])
    assert blues(first) == [True] * 33 and blues(second) == [False] * 37
    assert written(result, tmp_path, "csv").read_text().startswith("start,end,score,peak\n2.0,5.3,")
    assert '"end": {"from": 5.0, "to": 5.3, "at": "shot"}' in written(result, tmp_path, "json").read_text()


def test_nothing_is_looked_for_twice_nor_without_being_asked(two_shots, monkeypatch):
    result, known = found_in(two_shots, [(2, 5), (6, 9)], 10), {}
    once = EdgeCleaner().clean(result, Cutting(), known)
    assert sorted(known) == [2, 5, 6, 9]
    monkeypatch.setattr(clean_edges, "Pictures", None)  # whoever decodes fails
    assert EdgeCleaner().clean(result, Cutting(), known).highlights == once.highlights
    assert EdgeCleaner().clean(result, Cutting(snap=())) is result
    roomy = EdgeCleaner().clean(result, Cutting(snap=(), before=0.5, after=2.0))
    assert roomy.segments == [(1.5, pytest.approx(5.8)), (pytest.approx(5.8), 10)]


def test_edges_go_to_pauses_between_words(tmp_path):
    words = load_file(GOLDEN / "silero.safetensors")["samples"][:26000] / np.float32(32768)  # 1.6 s
    silence = np.zeros(16000, np.float32)
    sound = np.concatenate([words, words, silence, words, silence[:8000], words, words])
    film = make_film(tmp_path / "film.wav", sounds=[(0, sound)], rate=16000)
    result = EdgeCleaner().clean(found_in(film, [(3, 6)], len(sound) / 16000), Cutting())
    [(start, end)] = result.segments
    assert start == pytest.approx(2 * len(words) / 16000 + 0.5, abs=0.1)
    assert end == pytest.approx(3 * len(words) / 16000 + 1.25, abs=0.1)
    assert [edge.at for edge in result.highlights[0].edges] == ["pause", "pause"]


def test_pictures_that_cannot_be_decoded_leave_the_sound(two_shots, monkeypatch):
    def fail(*_):
        raise clean_edges.MediaError("film.mp4: cannot be seen.")

    monkeypatch.setattr(Pictures, "between", fail)
    result = found_in(two_shots, [(2, 5)], 10)
    with pytest.warns(MediaWarning, match=r"^film\.mp4: cannot be seen: no edge of a highlight goes"):
        assert EdgeCleaner().clean(result, Cutting()).segments == result.segments


def test_pictures_begin_with_the_one_on_show(tmp_path):
    times = np.cumsum(np.random.default_rng(0).choice([0.1, 0.2, 4.0], 40)).round(1)
    film = make_film(tmp_path / "film.mp4", times=times - times[0], fps=10, keyframe_every=100)
    film, end = probe(film), times[-1]
    with closing(Pictures(film, SIZE)) as pictures:
        every = dict(pictures.between(0, end))
        for start in (2.5, 9.0, 30.0, 7.0, end + 9, 0):
            seen = dict(pictures.between(start, start + 6))
            first = max(time for time in every if time <= start)
            assert list(seen) == [time for time in every if first <= time <= start + 6]
            assert all(np.array_equal(seen[time], every[time]) for time in seen)
    with closing(Track(film, "video")) as track:
        assert len(list(track.frames(end))) < len(every) / 1.5  # the others no picture is made from


def test_slides_that_stand_for_seconds_are_shots():
    slides = [np.full((54, 96, 3), colour, np.uint8) for colour in (60, 200, 120, 20)]
    changes = shot_changes(zip([0.0, 3.5, 4.0, 9.0], slides, strict=True))
    assert [since for _, since in changes] == [3.5, 4.0, 9.0]


def test_fades_are_cut_where_they_are_dark_and_motion_is_no_change():
    lights = np.concatenate(
        [np.ones(20), np.linspace(1, 0, 10), np.zeros(8), np.linspace(0, 1, 10), np.ones(20)]
    )
    wide = np.kron(np.random.default_rng(0).integers(0, 255, (9, 60, 3)), np.ones((10, 10, 1)))
    pictures = [
        (n / 10, (wide[:, 5 * n :][:, :160] * light).astype(np.uint8)) for n, light in enumerate(lights)
    ]
    assert [since for _, since in shot_changes(pictures)] == pytest.approx([2.9, 3.4, 3.9])
