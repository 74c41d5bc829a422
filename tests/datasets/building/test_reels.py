"""Reels, found in the films that they were cut from."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from films import make_film, tone
from scipy.signal import resample_poly

from datasets_scripts.building.label_files.films import Films
from datasets_scripts.building.label_files.reading import read_labels
from modeling_davihd.engines.errors import DatasetError, UsageError
from modeling_davihd.media import MediaError, cut_reel
from modeling_davihd.readers import ListWarning

RATE = 16000
CUTS = [("a.mp4", 3, 7), ("b.mp4", 20.2, 22.4), ("a.mp4", 21.33, 26), ("a.mp4", 27, 30), ("b.mp4", 0, 2.16)]


def eventful(seed: int, seconds: int = 30) -> np.ndarray:
    """Faint noise (n,), in which every second something else is heard for a while, noise or a tone."""
    random = np.random.default_rng(seed)
    sound = random.normal(0, 0.01, seconds * RATE).astype(np.float32)
    for begin in range(0, seconds * RATE, RATE):
        count = int(random.uniform(0.2, 1) * RATE)
        pitch = random.uniform(150, 3000)
        heard = random.normal(0, 0.1, count) if random.random() < 0.7 else tone(1, RATE, hertz=pitch)[:count]
        sound[begin : begin + count] += heard
    return sound


SOUNDS = {"a.mp4": eventful(0), "b.mp4": eventful(1)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for name, sound in SOUNDS.items():
        make_film(folder / name, sounds=[(0.0, sound)], rate=RATE)
    make_film(folder / "silent.mp4", times=[0.0, 0.5], fps=2)
    return folder


def cut(path: Path, cuts, rate: int = RATE, gain: float = 1.0, fade: float = 0.0, **options) -> Path:
    """A reel of pieces of SOUNDS; one of None is of noise that is in no film."""
    pieces = []
    for name, start, end in cuts:
        whole = np.random.default_rng(9).normal(0, 0.1, 30 * RATE) if name is None else SOUNDS[name]
        piece = whole[round(start * RATE) : round(end * RATE)]
        ramp = np.linspace(0, 1, len(piece)) * (end - start)
        pieces.append(piece * np.clip(np.minimum(ramp, ramp[::-1]) / max(fade, 1e-9), 0, 1))
    sound = resample_poly(gain * np.concatenate(pieces), rate, RATE).astype(np.float32)
    return make_film(path, sounds=[(0.0, sound)], rate=rate, **options)


def ranges(folder: Path, *reels: Path, labels: tuple[Path, ...] = ()):
    """The (film, start, end) that were found, sorted, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ListWarning)
        found = read_labels(labels, Films(folder), reels=reels)
    cuts = [(film, *one[:2]) for film, video in found.videos.items() for one in video.intervals]
    return sorted(cuts), [str(one.message).replace(f"{reels[0].parent}/", "") for one in caught]


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("reel.mp3", {"rate": 44100, "gain": 0.3}, 0.002),
        ("reel.mkv", {"rate": 48000, "fade": 0.02, "audio_codec": "libopus"}, 0.012),
    ],
)
def test_a_reel_is_found_whatever_codec_rate_and_loudness_it_has(folder, tmp_path, name, options, tolerance):
    found, said = ranges(folder, cut(tmp_path / name, CUTS, **options))
    assert [one[0] for one in found] == [one[0] for one in sorted(CUTS)] and not said
    np.testing.assert_allclose([one[1:] for one in found], [one[1:] for one in sorted(CUTS)], atol=tolerance)


def test_what_is_in_no_film_is_said(folder, tmp_path):
    titled = [(None, 0, 3), *CUTS[:2], (None, 4, 6), CUTS[3], (None, 7, 8)]
    (tmp_path / "reels").mkdir()
    cut(tmp_path / "reels" / "one.m4a", titled)
    cut(tmp_path / "reels" / "two.m4a", CUTS[2:3])
    found, said = ranges(folder, tmp_path / "reels")
    np.testing.assert_allclose([one[1:] for one in found], [one[1:] for one in sorted(CUTS[:4])], atol=0.02)
    gaps = ("0.0-3.0", "9.2-11.2", "14.2-15.2")
    assert said == [f"reels/one.m4a: {gap} s is in no film of {folder}; it is left out." for gap in gaps]


def test_a_reel_goes_with_a_list_and_is_no_film_itself(folder, tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    reel = cut(tmp_path / "reel.mp4", CUTS[:1])
    (tmp_path / "b.txt").write_text("0:01-0:02\n")
    found, _ = ranges(tmp_path, reel, labels=(tmp_path / "b.txt",))
    assert found == [("a.mp4", 3, 7), ("b.mp4", 1, 2)]


def test_a_cut_in_silence_is_seen(tmp_path):
    (tmp_path / "films").mkdir()
    sound = SOUNDS["a.mp4"][: 20 * RATE].copy()
    for start, end in ((0, 1), (5, 8), (11, 14), (19, 20)):
        sound[start * RATE : end * RATE] = 0
    film = make_film(
        tmp_path / "films" / "a.mp4", times=np.arange(200) / 10, fps=10, sounds=[(0.0, sound)], rate=RATE
    )
    cut_reel(film, [(2, 5.4), (12.6, 19.5)], tmp_path / "reel.mp4")
    found, said = ranges(film.parent, tmp_path / "reel.mp4")
    assert found == [("a.mp4", 2, 5.4), ("a.mp4", 12.6, 19.5)] and not said


def test_a_reel_that_cannot_be_found_is_refused_in_a_sentence(folder, tmp_path):
    for reel, said in [
        (cut(tmp_path / "other.mp4", [(None, 0, 4)]), "other.mp4: nothing of its sound is in the films of "),
        (folder / "silent.mp4", "silent.mp4: has no sound, by which alone it can be found in films."),
        (make_film(tmp_path / "short.wav", sounds=[(0.0, SOUNDS["a.mp4"][:900])], rate=RATE), "nothing of"),
    ]:
        with pytest.raises(DatasetError, match=said):
            ranges(folder, reel)
    with pytest.raises(MediaError, match=r"absent.mp4: there is no such file"):
        ranges(folder, tmp_path / "absent.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="empty: holds no reel"):
        ranges(folder, tmp_path / "empty")
    with pytest.raises(UsageError, match="Neither --labels nor --reels is given"):
        read_labels([], Films(folder))
