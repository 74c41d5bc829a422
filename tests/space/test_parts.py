"""The parts of the Space by themselves: models, scoring, visits, and what visitors are told."""

import base64
import importlib.metadata
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import yaml
from films import BURST, damage, film_with_sound, make_film, number_of, tone, truncate
from paths import ROOT
from PIL import Image
from results import result_of

from modeling_davihd import DEFAULT_CHECKPOINT, media, media_tracks, sound_names
from modeling_davihd.clean_edges import EdgeCleaner
from modeling_davihd.highlights import Highlight
from modeling_davihd.writers import WriterError

SPACE = ROOT / "spaces_demo"
sys.path.append(str(SPACE))  # a Space's files import each other as a program's do

import handlers  # noqa: E402
import models  # noqa: E402
import pictures  # noqa: E402
import scoring  # noqa: E402
from limits import Limits  # noqa: E402
from visits import Visits  # noqa: E402

LIMITS = Limits(leave_seconds=0.1)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:::gradio")]


def score(film: Path, limits: Limits) -> scoring.Scored:
    detect = models.pipeline_for("davihd-small", 1)
    return scoring.score_film(detect, scoring.check_film(film, limits), "davihd-small", limits)


@pytest.fixture(scope="module")
def scored_film(tmp_path_factory):
    """A Space and a film of 20 seconds that it has scored."""
    film = film_with_sound(tmp_path_factory.mktemp("visit") / "film.mp4", BURST, 20)
    return handlers.Space(LIMITS), score(film, LIMITS)


def test_space_has_a_limit_for_models(monkeypatch):
    large = SimpleNamespace(siblings=[SimpleNamespace(rfilename="model.safetensors", size=2_000_000)])
    monkeypatch.setattr(models.HfApi, "model_info", lambda *_, **__: large)
    with pytest.raises(models.ModelError, match="owner/large has 2 MB; at most 1 MB are allowed"):
        models.pipeline_for("owner/large", 1)


def test_space_takes_a_folder_of_its_server_and_no_other(tmp_path):
    own = tmp_path / "my-model"
    own.symlink_to(DEFAULT_CHECKPOINT)
    space = handlers.Space(LIMITS, own)
    assert space.pipeline("my-model").model.config.modalities == ["dynamics"]
    with pytest.raises(models.ModelError, match="Models are named"):
        space.pipeline(str(own))


def test_space_says_so_when_the_hub_is_out_of_reach(monkeypatch):
    def fail(*_, **__):
        raise httpx.ConnectError("no route to host")

    monkeypatch.setattr(models.HfApi, "model_info", fail)
    with pytest.raises(models.ModelError, match="owner/model cannot be fetched from the Hub at the moment"):
        models.pipeline_for("owner/model", 1)


def test_space_tells_which_part_of_a_film_is_damaged(tmp_path):
    times = np.arange(200) / 10
    film = make_film(tmp_path / "film.mkv", times=times, fps=10, sounds=[(0.0, BURST)], rate=16000)
    truncate(film, 0.6)
    scoring.collect_media_warnings()
    (damage,) = score(film, LIMITS).damages
    assert damage.startswith("film.mkv: its ") and "breaks off at" in damage


def test_space_shows_what_a_file_says_as_text(tmp_path):
    """A field of a config.json put a picture of another server, and a link, into the page."""
    with pytest.raises(handlers.gr.Error) as told, handlers.errors_for_visitors(tmp_path):
        raise ValueError(f"{tmp_path / 'film.mp4'}: no field `<img src='http://elsewhere/1.png'>` & more.")
    expected = "film.mp4: no field `&lt;img src='http://elsewhere/1.png'&gt;` &amp; more."
    assert told.value.message == expected


def test_space_takes_no_pictures_over_its_limit(tmp_path):
    film = film_with_sound(tmp_path / "film.mp4", BURST[:32000], 2)
    score(film, LIMITS)
    with pytest.raises(media.MediaError, match="64 x 48 pixels; the decoding limit `pixels` is 3071"):
        score(film, replace(LIMITS, pixels=3071))


def test_space_measures_films_whose_headers_say_little(tmp_path, monkeypatch):
    film = film_with_sound(tmp_path / "film.mp4", BURST, 20)
    monkeypatch.setattr(scoring, "probe", lambda *one: replace(media.probe(*one), duration=None))
    score(film, Limits(minutes=0.5))
    with pytest.raises(media.MediaError, match="is too long; a film may last 0.25 minutes"):
        score(film, Limits(minutes=0.25))


def test_space_refuses_a_film_that_is_longer_than_it_claims(tmp_path):
    path = make_film(
        tmp_path / "film.mkv", times=np.arange(200) / 10, fps=10, sounds=[(0, BURST)], rate=16000
    )
    content = bytearray(path.read_bytes())
    claim = content.index(b"\x44\x89\x88") + 3  # Duration, an 8-byte float of milliseconds
    content[claim : claim + 8] = np.array(5000, ">f8").tobytes()
    path.write_bytes(content)
    assert scoring.check_film(path, Limits(minutes=0.25)).duration == 5
    with pytest.raises(media.MediaError) as refused:
        score(path, Limits(minutes=0.25))
    assert str(refused.value) == f"{path}: is too long; a film may last 0.25 minutes here."


def test_space_decodes_a_film_once_and_later_within_the_same_limits(tmp_path, monkeypatch):
    film, limits = film_with_sound(tmp_path / "film.mp4", BURST, 20), Limits(minutes=1 / 3)
    opened, open_media = [], media_tracks.open_media
    monkeypatch.setattr(media_tracks, "open_media", lambda *one: opened.append(one[1]) or open_media(*one))
    scored = score(film, limits)
    assert opened == [limits.decoding] * 3  # for the headers, the picture's length and the sound
    assert scored.result.log_mel is None  # it is large, and the strip shows it
    cut = scoring.choose_highlights(scored, scoring.CutOptions(count=1), EdgeCleaner())
    scoring.write(cut, tmp_path, "mp4")
    assert "* SOURCE FILE: film.mp4\n" in scoring.write(cut, tmp_path, "edl").read_text()
    scoring.playable_copy(cut, tmp_path)
    assert len(opened) > 3 and set(opened) == {limits.decoding}
    small = replace(cut, limits=media.DecodingLimits(duration=15))
    small = replace(small, highlights=[Highlight(14, 20, 1, 14)])
    with pytest.raises(media.LimitError, match="limit `duration` is 15"):
        scoring.playable_copy(small, tmp_path)
    with pytest.raises(WriterError, match="limit `duration` is 15"):
        scoring.write(small, tmp_path, "mp4")


def test_space_heeds_what_the_model_was_calibrated_to(tmp_path):
    film, detect = film_with_sound(tmp_path / "film.mp4", BURST, 20), models.pipeline_for("davihd-small", 1)
    detect.model.config.highlight_level, detect.model.config.highlight_confidence = 1.0, [[0.0, 0.5]]
    scored = scoring.score_film(detect, scoring.check_film(film, Limits()), "davihd-small", Limits())
    nothing = scoring.choose_highlights(scored, scoring.CutOptions(), EdgeCleaner())
    assert nothing.highlights == []
    with pytest.raises(WriterError, match="nothing stands out, so there is nothing to cut"):
        scoring.write(nothing, tmp_path, "mp4")
    [best] = scoring.choose_highlights(scored, scoring.CutOptions(count=1), EdgeCleaner()).highlights
    assert best.confidence == 0.5


@pytest.mark.parametrize(
    "name", ["", "model", "a/b/c", "/etc", "../..", "owner/..", "modeling_davihd/checkpoints"]
)
def test_space_opens_no_folder_of_the_server(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(models.ModelError, match="owner/name"):
        models.pipeline_for(name, 1)


def test_space_keeps_a_folder_until_the_next_one_is_good(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    visits = Visits(keep_seconds=3600, leave_seconds=3600)
    with visits.new_folder("a") as first:
        pass
    with pytest.raises(ValueError), visits.new_folder("a"):
        raise ValueError
    assert list(tmp_path.iterdir()) == [first]
    with visits.new_folder("a") as second:
        assert first.exists()
    assert list(tmp_path.iterdir()) == [second]


def test_space_removes_folders_that_were_kept_too_long(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    visits = Visits(keep_seconds=0, leave_seconds=3600)
    for session in ("a", "b"):
        with visits.new_folder(session) as folder:
            (folder / "film.mp4").touch()
    assert len(list(tmp_path.iterdir())) <= 1


def test_space_card_and_requirements_fit_the_package():
    card = yaml.safe_load((SPACE / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert card["sdk"] == "gradio" and (SPACE / card["app_file"]).is_file()
    assert card["sdk_version"].split(".")[:2] == importlib.metadata.version("gradio").split(".")[:2]
    assert len(card["short_description"]) <= 60
    assert (SPACE / "requirements.txt").read_text().startswith("davihd>=")
    assert (SPACE / "sample.mp4").read_bytes() == (ROOT / "examples" / "sample.mp4").read_bytes()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("0-5", 'spans: a list of [start, end] in seconds is needed, not "0-5".'),
        ([[0, 5], [6]], "highlight 2: [start, end] in seconds is needed, not [6]."),
        ([[0, "5"]], 'highlight 1: [start, end] in seconds is needed, not [0, "5"].'),
        ([[True, 5]], "highlight 1: [start, end] in seconds is needed, not [true, 5]."),
        ([[0, 10**400]], "highlight 1: [start, end] in seconds is needed, not [0, 1000000000000"),
        ([[0, float("nan")]], "highlight 1: [start, end] in seconds is needed, not [0, NaN]."),
        ([[0, 1]] * 501, "spans: has 501 highlights; 500 are allowed here."),
    ],
)
def test_space_tells_what_is_no_list_of_spans(sent, said):
    with pytest.raises(ValueError) as refused:
        scoring.as_spans(sent, LIMITS)
    assert str(refused.value).startswith(said) and len(str(refused.value)) < 120


def test_space_cuts_what_was_chosen_by_hand_and_keeps_one_reel(scored_film):
    space, scored = scored_film
    player, written, *_ = space.recut(scored, 1, 2, 30, [[12, 14.5], [3, 5]])
    highlights = json.loads(Path(written).read_text())["highlights"]
    assert [(one["start"], one["end"]) for one in highlights] == [(3, 5), (12, 14.5)]
    shown = [frame_in(one["thumbnail"]) for one in player.props["cut"]["highlights"]]
    assert shown == [round(10 * one["peak"]) + 5 for one in highlights]  # ten a second
    poster = frame_in(handlers.player_value(scored)["poster"])
    assert poster == 10 * np.argmax(scored.result.scores) + 5
    with pytest.raises(handlers.gr.Error, match="highlight 2: overlaps highlight 1"):
        space.recut(scored, 1, 2, 30, [[3, 5], [4, 6]])
    for end in (4, 5):
        space.reel(scored, 1, 2, 30, [[3, end]])
    [reel] = scored.result.source.parent.rglob("film.highlights.mp4")
    assert media.probe(reel).duration == pytest.approx(2, abs=0.2)


def frame_in(address: str) -> int:
    """The number of the frame that a picture of the page shows."""
    picture = Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/webp;base64,"))))
    return number_of(np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("name", ["film.wav", "film.mp4"])
def test_space_shows_no_picture_that_is_not_there(tmp_path, name):
    """Of a film of sound alone, and of one whose picture is damaged."""
    times = np.arange(10) / 10 if name == "film.mp4" else None
    film = make_film(tmp_path / name, times=times, fps=10, sounds=[(0.0, tone(1, 16000))], rate=16000)
    if times is not None:
        damage(film, "video", -1, 2)
    result, seen = replace(result_of([(0, 1)], duration=1.0), source=film), {}
    assert pictures.of_highlights(result, seen) == [None] and len(seen) == 1


def test_space_says_what_is_heard_and_hears_it_once(scored_film, monkeypatch):
    space, scored = scored_film
    first = space.choose(scored, scoring.CutOptions(count=1))
    assert all(one.sounds is not None for one in first.highlights) and scored.heard
    monkeypatch.setattr(sound_names, "classes_of", None)  # whoever listens again fails
    assert space.choose(scored, scoring.CutOptions(count=1)).highlights == first.highlights
