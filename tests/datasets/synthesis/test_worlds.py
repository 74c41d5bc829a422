"""The wider and the recorded world, films of several scenes, and that of single sounds."""

import itertools

import numpy as np
import pytest
from sounds import write_library, write_wav

from datasets_scripts.building.splits import SPLITS
from datasets_scripts.synthesis.delivery import CODECS, clip_peaks, coded, downmix, normalise_loudness
from datasets_scripts.synthesis.labels import Event, Ramp, ramp_seconds
from datasets_scripts.synthesis.library import Library, split_by_name
from datasets_scripts.synthesis.material import Material
from datasets_scripts.synthesis.scenes import Stretch
from datasets_scripts.synthesis.soundtrack import RECORDED_WORLDS, WORLDS, generate_soundtrack
from datasets_scripts.synthesis.spectacle import EVENTS
from datasets_scripts.synthesis.tools import RATE, of_split
from datasets_scripts.synthesis.wider import Shoot

KINDS = {
    "foreground": {"explosion": 0.8, "dog": 0.4, "speech": 1.0},
    "background": {"music": 12.0, "speech": 1.5, "rain": 9.0},
    "minor": {"door": 0.2},
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return Library.open(write_library(tmp_path_factory.mktemp("sounds"), KINDS))


class Listening:
    """A library that notes what is read of it."""

    def __init__(self, library):
        self._library, self.read_splits, self.read_kinds = library, set(), set()
        self.kinds, self.recordings = library.kinds, library.recordings

    def read(self, recording):
        self.read_splits.add(recording.split)
        self.read_kinds.add((recording.role, recording.kind))
        return self._library.read(recording)


def make(seed, world, library, **settings):
    return generate_soundtrack(seed, world=world, library=library, **settings)


@pytest.mark.parametrize("world", ["wider", "recorded", "single"])
def test_a_seed_always_gives_the_same_film(world, library):
    first, again, other = (make(seed, world, library, duration=20) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.waveform, again.waveform)
    assert first.events == again.events and first.beds == again.beds
    assert not np.array_equal(first.waveform, other.waveform)


@pytest.mark.parametrize("world", ["wider", "recorded", "single"])
@pytest.mark.parametrize("split", SPLITS)
def test_films_have_the_length_and_the_range_of_soundtracks(world, split, library):
    for seed, duration in ((0, 4.0), (1, 17.3), (2, 60.0)):
        track = make(seed, world, library, duration=duration, split=split, ramp=Ramp())
        assert track.waveform.dtype == track.labels.dtype == np.float32
        assert track.waveform.shape == (round(duration * RATE),)
        assert track.labels.shape == (int(np.ceil(duration)),)
        assert np.isfinite(track.waveform).all() and 0.005 < np.abs(track.waveform).max() <= 1
        assert track.labels.min() >= 0 and track.labels.max() <= 1
        assert all(0 <= event.start < event.end <= duration for event in track.events)
        assert all(0.3 <= event.prominence <= 1 for event in track.events)


@pytest.mark.parametrize("world", RECORDED_WORLDS)
def test_worlds_with_recordings_hear_those_of_their_split_alone(world, library):
    for split in SPLITS:
        ears = Listening(library)
        tracks = [make(seed, world, ears, duration=30, split=split) for seed in range(8)]
        assert ears.read_splits == {split}
        assert ("foreground", "speech") not in ears.read_kinds and len(ears.read_kinds) > 4
        assert {event.kind for track in tracks for event in track.events} & {"explosion", "dog"}


def test_the_recorded_world_needs_a_library():
    with pytest.raises(ValueError, match="library is None"):
        generate_soundtrack(0, world="recorded")
    with pytest.raises(ValueError, match="world is 'wide'; it must be one of generated, wider, recorded"):
        generate_soundtrack(0, world="wide")


def test_single_sounds_lie_apart_over_one_background(library):
    counts = []
    for seed in range(12):
        track = make(seed, "single", library, duration=120)
        assert len(track.beds) == 1
        assert all(first.end <= then.start for first, then in itertools.pairwise(track.events))
        assert max(event.end - event.start for event in track.events) < 6
        counts.append(len(track.events))
    assert min(counts) < 5 and 8 < max(counts) <= 12
    assert make(0, "single", None, duration=8).events


def test_a_silent_recording_is_named(tmp_path):
    write_wav(tmp_path / "foreground" / "bang" / "nothing.wav", np.zeros(RATE))
    with pytest.raises(ValueError, match="nothing.wav: is silent"):
        for seed in range(8):
            make(seed, "recorded", Library.open(tmp_path), duration=8, split=split_by_name("nothing.wav"))


@pytest.mark.parametrize("world", WORLDS)
def test_a_film_without_highlights_has_labels_of_zero(world, library):
    for seed in range(3):
        track = make(seed, world, library, duration=12, eventless=True, ramp=Ramp())
        assert track.events == [] and not track.labels.any() and track.waveform.any()
        assert track.beds == make(seed, world, library, duration=12).beds


def test_labels_rise_before_a_highlight_and_fall_after_it():
    labels = ramp_seconds([Event("bark", 10.0, 14.0, 0.8)], 30, Ramp(rise=2.5, fall=3.0))
    assert labels[10:14] == pytest.approx(0.8) and not labels[:7].any() and not labels[17:].any()
    assert (np.diff(labels[7:11]) > 0).all() and (np.diff(labels[13:18]) < 0).all()
    both = [Event("bark", 10.0, 14.0, 0.8), Event("cheer", 12.0, 16.0, 1.0)]
    assert ramp_seconds(both, 30, Ramp())[[10, 13]] == pytest.approx([0.8, 1.0], abs=0.2)


@pytest.mark.parametrize("split", SPLITS)
def test_a_stretch_of_action_is_one_long_highlight_of_high_weight(split):
    rng = np.random.default_rng(2)
    film = 0.1 * rng.standard_normal(40 * RATE).astype(np.float32)
    shoot = Shoot(rng, film, Material(split, None), [Stretch(0.0, 2.0)])
    shoot.add_action()
    (event,) = shoot.events
    assert event.kind == "action" and 8 <= event.end - event.start <= 25 and event.prominence >= 0.8
    levels = np.square(film).reshape(-1, RATE).mean(axis=1)
    inside = levels[int(event.start) + 1 : int(event.end)]
    assert np.median(inside) > 1.5 * 0.01 and levels[:2] == pytest.approx(0.01, rel=0.1)


def test_films_may_end_or_begin_in_digital_silence_in_which_nothing_is_a_highlight():
    silent = 0
    for seed in range(24):
        track = generate_soundtrack(seed, duration=12, world="wider", ramp=Ramp())
        sounding = np.flatnonzero(track.waveform)
        first, last = sounding[0] / RATE, sounding[-1] / RATE
        silent += first > 0.9 or last < 11
        assert all(first - 0.05 < event.start and event.end < last + 0.1 for event in track.events)
    assert 3 <= silent < 24


def test_events_come_in_their_splits_and_backgrounds_return():
    material = Material("validation", None)
    rng = np.random.default_rng(0)
    names = {kind.name for _ in range(40) for kind in material.kinds(rng, 3)}
    assert names & set(of_split(EVENTS, "validation")) and not names & set(of_split(EVENTS, "train"))
    heard = [material.bed(rng, "music", RATE)[0] for _ in range(8)]
    assert all(len(sound) == RATE for sound in heard)


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_moves_nothing_in_time(codec):
    rng = np.random.default_rng(0)
    film = 0.001 * rng.standard_normal(2 * RATE).astype(np.float32)
    film[RATE : RATE + 400] += 0.5 * np.sin(np.arange(400) * 0.4).astype(np.float32)
    heard = coded(film, CODECS[codec], CODECS[codec].bit_rates[-1])
    assert heard.shape == film.shape and heard.dtype == np.float32
    strong = np.flatnonzero(np.abs(heard) > 0.2)
    assert abs(strong[0] - RATE) < 0.02 * RATE and abs(strong[-1] - RATE - 400) < 0.02 * RATE


@pytest.mark.parametrize("step", [downmix, normalise_loudness, clip_peaks])
def test_delivery_changes_a_film_but_not_its_length(step):
    rng = np.random.default_rng(0)
    film = (rng.standard_normal(3 * RATE) * np.linspace(0.05, 1, 3 * RATE)).astype(np.float32)
    heard = step(rng, film)
    assert heard.shape == film.shape and heard.dtype == np.float32 and np.isfinite(heard).all()
    assert not np.allclose(heard, film)


@pytest.mark.parametrize(
    ("split", "events", "heard"),
    [
        ("train", [("engine_rev", 8.353)], [0.0903, -0.0197, -0.0141, 0.0139, 0.0019, -0.024]),
        ("validation", [("tyre_skid", 9.357), ("audience_laughter", 10.16)], [0, -0.0001, -0.0064, -0.0001]),
        ("test", [("vehicle_pass", 5.446)], [-0.002, 0.075, -0.0956, -0.0117, 0.0252, -0.0214]),
    ],
)
def test_the_generated_world_stays_as_it_is(split, events, heard):
    track = generate_soundtrack(1, duration=12, split=split)
    assert [(event.kind, event.start) for event in track.events] == events
    np.testing.assert_allclose(track.waveform[5000::24000][: len(heard)], heard, atol=1e-4)
