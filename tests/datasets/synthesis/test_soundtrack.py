"""Generated soundtracks."""

import json
import math

import numpy as np
import pytest
from paths import ROOT

from datasets_scripts.building.splits import SPLITS
from datasets_scripts.synthesis.soundtrack import BEDS, EVENTS, Event, generate_soundtrack, label_seconds
from datasets_scripts.synthesis.spectacle import EVENTS as SPECTACLE
from datasets_scripts.synthesis.tools import RATE, of_split


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("duration", [4.0, 17.3, 60.0])
def test_shapes_and_ranges(split, duration):
    track = generate_soundtrack(3, duration=duration, split=split)
    assert track.waveform.dtype == track.labels.dtype == np.float32
    assert track.waveform.shape == (round(duration * RATE),)
    assert track.labels.shape == (math.ceil(duration),)
    assert 0.005 < np.abs(track.waveform).max() <= 1
    assert track.labels.min() >= 0 and 0.3 < track.labels.max() <= 1


def test_a_seed_always_gives_the_same_soundtrack():
    first, again = (generate_soundtrack(11, duration=20) for _ in range(2))
    np.testing.assert_array_equal(first.waveform, again.waveform)
    assert first.events == again.events and first.beds == again.beds
    for other in (generate_soundtrack(12, duration=20), generate_soundtrack(11, duration=20, split="test")):
        assert not np.array_equal(first.waveform, other.waveform)


def test_the_global_random_state_plays_no_part():
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    generate_soundtrack(1, duration=8)
    np.testing.assert_array_equal(state, np.random.get_state()[1])


def test_splits_share_no_kind_of_sound():
    for table in (EVENTS, BEDS):
        kinds = [set(of_split(table, split)) for split in SPLITS]
        assert all(kinds) and len(set.union(*kinds)) == sum(map(len, kinds)) == len(table)
    for split in SPLITS:
        tracks = [generate_soundtrack(seed, duration=12, split=split) for seed in range(4)]
        assert {event.kind for track in tracks for event in track.events} <= set(of_split(EVENTS, split))
        assert {bed for track in tracks for bed in track.beds} <= set(of_split(BEDS, split))


@pytest.mark.parametrize("kind", [*EVENTS, *SPECTACLE])
def test_every_event_is_a_sound_of_its_duration(kind):
    made = {**EVENTS, **SPECTACLE}[kind]
    for seconds in (made.shortest, made.longest):
        sound = made.make(np.random.default_rng(5), seconds)
        assert len(sound) == pytest.approx(seconds * RATE, abs=2)
        assert np.isfinite(sound).all() and np.std(sound) > 1e-4


@pytest.mark.parametrize("bed", BEDS)
def test_every_bed_lasts_as_long_as_asked(bed):
    sound = BEDS[bed].make(np.random.default_rng(5), 21.0)
    assert sound.shape == (21 * RATE,) and np.isfinite(sound).all()
    assert np.std(sound[: 10 * RATE]) > 1e-4 and np.std(sound[-10 * RATE :]) > 1e-4


def test_events_lie_inside_and_are_graded():
    events = [event for seed in range(12) for event in generate_soundtrack(seed, duration=15).events]
    assert all(0 <= event.start < event.end <= 15 for event in events)
    grades = {event.prominence for event in events}
    assert min(grades) >= 0.1 and max(grades) <= 1 and len(grades) > 10


def test_labels_follow_the_events():
    events = [Event("bark", 5.0, 5.4, 0.5), Event("cheer", 20.0, 24.0, 1.0)]
    labels = label_seconds(events, 39.5)
    assert labels.shape == (40,) and labels.argmax() in (21, 22)
    assert labels[5] == pytest.approx(0.45**0.5, abs=0.06) and labels[22] == pytest.approx(1.0, abs=0.05)
    assert labels[22] > labels[24] > labels[26] > labels[27] > 0
    assert labels[12] < 0.03 and labels[35] == 0


def test_overlapping_events_count_once():
    one, two = (label_seconds([Event("bark", 3.0, 5.0, 0.8)] * count, 10) for count in (1, 2))
    np.testing.assert_allclose(one, two)


def test_an_event_at_the_very_end_is_labelled():
    assert label_seconds([Event("bark", 9.97, 9.99, 0.8)], 10)[-1] > 0.5


def test_highlights_can_be_heard_but_loudness_alone_does_not_give_them_away():
    from scipy.stats import spearmanr

    correlations, shares = [], []
    for seed in range(20):
        track = generate_soundtrack(seed, duration=30)
        power = np.square(track.waveform.reshape(30, RATE)).mean(axis=1)
        correlations.append(spearmanr(power, track.labels)[0])
        shares.append((track.labels > 0.3).mean())
    assert 0.05 < np.mean(correlations) < 0.45
    assert 0.05 < np.mean(shares) < 0.3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seed": 0, "split": "valid"}, "split is 'valid'; it must be one of train, validation, test"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 0, "duration": 2.0}, "duration is 2.0 s"),
        ({"seed": 0, "duration": float("nan")}, "duration is nan s"),
    ],
)
def test_bad_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        generate_soundtrack(**arguments)


def test_the_sample_of_the_examples_is_still_what_the_generator_makes():
    truth = json.loads((ROOT / "examples" / "sample.json").read_text())
    track = generate_soundtrack(truth["seed"], duration=truth["duration"], split=truth["split"])
    np.testing.assert_allclose(truth["labels"], track.labels, atol=1e-4)
