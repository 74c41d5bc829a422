"""What the sound of a reel is like: how loud, and when."""

import av
import numpy as np
import pytest
from film_contents import decode
from films import click_times, clicks, make_film, tone

from modeling_davihd import media_reading, media_resampling
from modeling_davihd.media import MediaWarning, cut_reel, probe
from modeling_davihd.media_reading import Sound
from modeling_davihd.media_tracks import Decoded, Track

BROWSER = "film.mkv"  # its time stamps are rounded to milliseconds


def heard(path) -> np.ndarray:
    """All of a film's sound as stereo float32 (2, n) at 48 kHz."""
    info = probe(path)
    return Sound(Track(info, "audio"), 0.0, 48000, 2).take(100 * 48000)


def surround(amplitude: float, *, seconds: float = 2.0) -> np.ndarray:
    """5.1: a tone of its own in every channel, (n, 6)."""
    pitches = (300, 400, 500, 60, 600, 700)
    return np.stack([tone(seconds, 48000, hertz=hertz, amplitude=amplitude) for hertz in pitches], axis=1)


def loudness(sound: np.ndarray) -> float:
    return float(np.sqrt((sound[:, 9600:-9600] ** 2).mean()))


def test_a_reel_of_surround_sound_is_as_loud_as_its_downmix(tmp_path):
    sound = surround(0.2)
    path = make_film(tmp_path / "tape.wav", sounds=[(0, sound)], layout="5.1")
    left, right, centre, _, back_left, back_right = sound.T
    mix = np.stack([left, right]) + np.sqrt(0.5) * (centre + np.stack([back_left, back_right]))
    assert np.abs(heard(path) - mix)[:, 4800:-4800].max() < 2e-3
    cut_reel(path, [(0, 2)], tmp_path / "reel.mp4")
    assert loudness(heard(tmp_path / "reel.mp4")) == pytest.approx(loudness(mix), rel=0.03)


def test_loud_surround_sound_does_not_clip(tmp_path):
    path = make_film(tmp_path / "tape.wav", sounds=[(0, surround(0.9))], layout="5.1")
    cut_reel(path, [(0, 2)], tmp_path / "reel.mp4")
    reel = np.abs(heard(tmp_path / "reel.mp4"))
    assert 0.8 < reel.max() < 1
    assert (reel > 0.94).mean() < 0.05  # the tops of waves are not cut off


@pytest.mark.parametrize("missing", [0.03, 0.012])
def test_small_gaps_in_the_sound_do_not_add_up(tmp_path, missing):
    sounds = [(second, clicks(1 - missing, 48000, [0.5])) for second in range(8)]
    path = make_film(tmp_path / BROWSER, sounds=sounds, audio_codec="pcm_s16le")
    cut_reel(path, [(0, 8)], tmp_path / "reel.mp4")
    for film in (path, tmp_path / "reel.mp4"):
        assert click_times(decode(film)[0], 16000) == pytest.approx(np.arange(8) + 0.5, abs=0.008)


def test_sound_that_drifts_stays_in_step_without_a_gap(tmp_path):
    stretch, rate, size = 1.004, 48000, 960
    sound = tone(12, rate, amplitude=0.1) + clicks(12, rate, np.arange(11) + 0.9)
    times = np.arange(600) * size / rate * stretch + np.random.default_rng(0).uniform(0, 0.01, 600)
    sounds = [(time, sound[i * size : (i + 1) * size]) for i, time in enumerate(times)]
    path = make_film(tmp_path / BROWSER, sounds=sounds, audio_codec="pcm_s16le")
    cut_reel(path, [(0, 12)], tmp_path / "reel.mp4")
    for film in (path, tmp_path / "reel.mp4"):
        waveform = decode(film)[0]
        assert click_times(waveform, 16000) == pytest.approx((np.arange(11) + 0.9) * stretch, abs=0.016)
        power = np.convolve(waveform[1600:190000] ** 2, np.full(160, 1 / 160), "valid")
        # The tone is never gone for 10 ms, and once for less, where the drift is first noticed.
        assert power.min() > 1e-4 and (power < 0.003).mean() < 0.002


@pytest.mark.parametrize("following", [{}, media_resampling.IN_STEP_AGAIN])
def test_the_sound_is_the_same_whatever_frames_it_comes_in(following):
    sound = (30000 * tone(2.7, 44100)).astype(np.int16)[None]

    def resampled(size: int) -> np.ndarray:
        pieces = [av.AudioFrame.from_ndarray(sound[:, at : at + size], "s16", "mono") for at in starts(size)]
        for piece in pieces:
            piece.sample_rate = 44100
        items = [Decoded(at / 44100, 0.0, piece, 0) for at, piece in zip(starts(size), pieces, strict=True)]
        resampler = media_resampling.Resampler(pieces[0], 16000, "mono", 4000, following)
        frames = [frame for item in [*items, None] for frame in resampler.resample(item)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames])

    def starts(size: int) -> range:
        return range(0, sound.shape[1], size)

    whole = resampled(sound.shape[1])
    assert len(whole) == pytest.approx(2.7 * 16000, abs=40)
    for size in (441, 1024, 50000):
        assert np.array_equal(resampled(size), whole)


def test_sound_in_shreds_needs_few_resamplers_and_stays_where_it_is(tmp_path, monkeypatch):
    made = []
    resampler = media_reading.Resampler
    monkeypatch.setattr(media_reading, "Resampler", lambda *how: made.append(how) or resampler(*how))
    starts = np.cumsum(np.resize([0.06] * 9 + [1.2], 110))
    shreds = [(start, tone(0.01, 48000, hertz=1000)) for start in starts]
    path = make_film(tmp_path / BROWSER, sounds=shreds, audio_codec="pcm_s16le")
    whole, before = heard(path), len(made)
    monkeypatch.setattr(media_reading, "MOST_BEGUN", 20)
    torn = heard(path)
    assert before > 100 > 40 > len(made) - before
    assert torn.shape == whole.shape
    assert np.abs(click_times(torn[0], 48000) - starts + starts[0]).max() < 0.002


def test_sound_that_keeps_changing_its_form_is_left_out_in_part(tmp_path, monkeypatch):
    parts = b""
    for rate in (16000, 24000) * 4:
        made = make_film(tmp_path / "part.aac", sounds=[(0, tone(0.5, rate))], rate=rate, audio_codec="aac")
        parts += made.read_bytes()
    path = tmp_path / "changing.aac"
    path.write_bytes(parts)
    whole = heard(path)
    monkeypatch.setattr(media_reading, "MOST_BEGUN", 2)
    monkeypatch.setattr(media_reading, "MOST_FORMS", 3)
    with pytest.warns(MediaWarning, match="changes its form over 3 times") as caught:
        sound = heard(path)
    assert len(caught) == 1
    loud, all_loud = ((np.abs(one[0]) > 0.25).sum() for one in (sound, whole))
    assert 0.3 * all_loud < loud < 0.8 * all_loud
