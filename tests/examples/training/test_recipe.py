import argparse
import re

import pytest
from paths import ROOT

from examples.training.recipe import Recipe, add_recipe_options, given_fields, read_recipe, recipe_of

PRESETS = sorted(path.parent for path in (ROOT / "configuration").glob("*/training.yaml"))


@pytest.mark.parametrize("folder", PRESETS, ids=lambda folder: folder.name)
def test_every_preset_has_a_recipe(folder):
    assert Recipe(**read_recipe(folder)).epochs > 1


def test_the_papers_recipes():
    found = {}
    for name in ("davihd-mrhisum", "davihd-tvsum"):
        recipe = Recipe(**read_recipe(ROOT / "configuration" / name))
        found[name] = (recipe.learning_rate, recipe.batch_size, recipe.epochs)
        assert (recipe.weight_decay, recipe.gradient_clip) == (1e-4, 0.5)
    assert found == {"davihd-mrhisum": (1e-5, 16, 200), "davihd-tvsum": (5e-6, 8, 400)}


def test_the_command_line_overrides_the_file(tmp_path):
    (tmp_path / "training.yaml").write_text("epochs: 7\nclip_seconds: [30, 60]\nseed: 3\n")
    parser = argparse.ArgumentParser()
    add_recipe_options(parser)
    options = parser.parse_args(["--epochs", "9", "--gradient-checkpointing", "--learning-rate", "0.5"])
    recipe = recipe_of(tmp_path, given_fields(options))
    assert (recipe.epochs, recipe.seed, recipe.clip_seconds) == (9, 3, (30, 60))
    assert recipe.gradient_checkpointing and recipe.learning_rate == 0.5


def test_a_checkpoint_to_start_from_may_lie_beside_the_recipe(tmp_path):
    (tmp_path / "training.yaml").write_text("start: before\n")
    assert recipe_of(tmp_path, {}).start == "before"  # perhaps one of the Hub
    (tmp_path / "before").mkdir()
    assert recipe_of(tmp_path, {}).start == str(tmp_path / "before")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epoch: 3", "unknown key 'epoch'; did you mean 'epochs'"),
        ("epochs: many", "epochs is 'many'; it needs to be int"),
        ("epochs: 0", "epochs is 0; it needs to be at least 1"),
        ("learning_rate: -1.0", "learning_rate is -1.0"),
        ("learning_rate: .nan", "learning_rate is nan"),
        ("schedule: linear", "schedule is 'linear'; it needs to be one of constant"),
        ("metric: loss", "metric is 'loss'"),
        ("loss: ranking", "loss is 'ranking'; it needs to be one of mse, mse+correlation+ranking"),
        ("stream_dropout: 1.0", "stream_dropout is 1.0; it needs to be 0 to 0.9"),
        ("dataset: synthetic", "needs batch_seconds"),
        ("clip_seconds: [1]", "4 or more"),
        ("- 3", "holds no"),
        ("a: [", "is not YAML"),
    ],
)
def test_wrong_recipes_are_told_in_a_sentence(tmp_path, text, told):
    (tmp_path / "training.yaml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(told)):
        recipe_of(tmp_path, {})


def test_a_folder_without_a_recipe(tmp_path):
    with pytest.raises(ValueError, match="has no training.yaml"):
        read_recipe(tmp_path)


def test_batches_leave_enough_steps():
    base = Recipe(batch_size=16, least_steps=8)
    assert [base.fitted_to(videos).batch_size for videos in (5, 16, 100, 1000)] == [1, 2, 12, 16]
    assert Recipe(batch_size=8).fitted_to(9).batch_size == 8


def test_learning_rates():
    short = Recipe(learning_rate=1.0, warmup_steps=200, epochs=50)
    assert [short.learning_rate_at(step, 1) for step in (0, 9, 10)] == [0.1, 1.0, 1.0]
    cosine = Recipe(learning_rate=2.0, schedule="cosine", warmup_steps=10, epochs=11)
    rates = [cosine.learning_rate_at(step, 10) for step in range(110)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == pytest.approx(2.0)
    assert max(rates) == pytest.approx(2.0) and rates[-1] < 0.05
    assert all(later <= rate for rate, later in zip(rates[10:], rates[11:], strict=False))
    exponential = Recipe(learning_rate=1.0, schedule="exponential")
    assert [exponential.learning_rate_at(step, 2) for step in (0, 1, 2, 4)] == [1, 1, 0.99, 0.99**2]
    assert Recipe(learning_rate=0.3).learning_rate_at(10**6, 5) == 0.3
