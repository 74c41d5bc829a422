import numpy as np
import pytest
import torch
from sounds import write_library

from examples.training.generated import SyntheticBatches, SyntheticClips, Worlds
from examples.training.recipe import Recipe
from modeling_davihd import DAViHDFeatureExtractor

GENERATED = Worlds({"generated": 1.0})


def recipe(**fields) -> Recipe:
    return Recipe(dataset="synthetic", batch_seconds=30, steps_per_epoch=1, **fields)


def test_generated_batches_are_repeatable_and_shared_by_processes():
    extractor = DAViHDFeatureExtractor()
    whole = SyntheticBatches(extractor, GENERATED, 0, 30, [5, 10])
    first, again, other = whole[3], whole[3], whole[4]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["labels"].numel() == other["labels"].numel() == 30
    assert not torch.equal(first["log_mel"].flatten()[:1000], other["log_mel"].flatten()[:1000])
    parts = [SyntheticBatches(extractor, GENERATED, 0, 30, [5, 10], rank, 2)[3]["labels"] for rank in (0, 1)]
    assert torch.equal(parts[0], first["labels"][::2]) and torch.equal(parts[1], first["labels"][1::2])
    with pytest.raises(ValueError, match="4 processes need a clip of 10 s each"):
        SyntheticBatches(extractor, GENERATED, 0, 30, [5, 10], 0, 4)


def test_worlds_are_drawn_by_their_shares(monkeypatch):
    monkeypatch.setattr(Worlds, "soundtrack", lambda self, *given, eventless: (*given, eventless))
    worlds = Worlds.of_recipe(recipe(generated_share=1, wider_share=3, eventless_share=0.1))
    drawn = [worlds.draw(seed, 30) for seed in range(400)]
    assert drawn == [worlds.draw(seed, 30) for seed in range(400)]
    assert {given[:3] for given in drawn} == {(seed, 30, "train") for seed in range(400)}
    assert 250 < sum(world == "wider" for *_, world, _ in drawn) < 350
    assert 20 < sum(eventless for *_, eventless in drawn) < 60


def test_without_sounds_nothing_is_recorded(tmp_path):
    assert Worlds.of_recipe(recipe(recorded_share=5)).names == ["generated"]
    with pytest.raises(ValueError, match="need --sounds"):
        Worlds.of_recipe(recipe(generated_share=0, recorded_share=5))
    sounds = str(write_library(tmp_path))
    worlds = Worlds.of_recipe(recipe(generated_share=0, recorded_share=5, sounds=sounds))
    assert worlds.names == ["recorded"]
    with pytest.raises(ValueError, match="holds no recorded sounds"):
        Worlds.of_recipe(recipe(sounds=str(tmp_path / "foreground")))


def test_clips_of_several_worlds_take_turns_and_say_when_their_events_are():
    clips = SyntheticClips(
        DAViHDFeatureExtractor(), Worlds({"generated": 1, "wider": 1}), "validation", 4, 7, 20
    )
    assert [len(labels) for labels in clips.labels] == [20] * 4
    for labels, events, spans in zip(clips.labels, clips.events, clips.summaries["events"], strict=True):
        assert [tuple(event[1:]) for event in events] == spans
        for _, start, end in events:
            assert 0 <= start < end <= 20.5 and labels[int(start) : int(np.ceil(end))].max() > 0.2


def test_clips_without_events_have_none():
    clips = SyntheticClips(
        DAViHDFeatureExtractor(), Worlds({"generated": 1, "wider": 1}), "test", 2, 7, 12, eventless=True
    )
    assert clips.events == [[], []] and not np.any(clips.labels)
