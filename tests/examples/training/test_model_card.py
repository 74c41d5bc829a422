import dataclasses

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from tiny_checkpoint import CALIBRATION, tiny_record
from transformers import AutoConfig

from examples.training.eval_results import results_in, write_eval_results
from examples.training.model_card import GENERATED_NOTICE, METRIC_NAMES, model_card, write_model_card
from examples.training.tables import METRIC_COLUMNS
from modeling_davihd import DAViHDConfig


def test_a_card_has_the_figures_and_what_others_need_to_know():
    test = {metric: 0.1 * place for place, metric in enumerate(METRIC_COLUMNS)}
    card = ModelCard(model_card(tiny_record(test=test), "alice/whole"))
    figures = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert figures == pytest.approx(test, abs=1e-4)
    assert card.data.license == "apache-2.0" and "alice/whole" in card.text
    assert {one.dataset_name for one in card.data.eval_results} == {"films, split test"}
    for section in ("## Use", "## Training", "## Figures on the test videos", "## Limits"):
        assert section in card.text
    assert GENERATED_NOTICE in card.text and "1,234 parameters" in card.text


def test_its_metadata_name_what_the_hub_knows(tmp_path):
    assert ModelCard(model_card(tiny_record(), "alice/whole")).data.datasets is None
    assert results_in(tmp_path) == []
    of_hub = {"dataset": "bob/films", "dataset_revision": "f00d" * 10, "base_model": "bob/base"}
    data = ModelCard(model_card(tiny_record(**of_hub), "alice/whole")).data
    assert (data.pipeline_tag, data.datasets) == ("video-classification", ["bob/films"])
    assert data.base_model == "bob/base"
    write_eval_results(tmp_path, tiny_record(**of_hub), METRIC_NAMES)
    [file] = results_in(tmp_path)
    entries = parse_eval_result_entries(yaml.safe_load(file.read_text()))
    assert {entry.task_id for entry in entries} == set(METRIC_NAMES)
    assert {(entry.dataset_id, entry.dataset_revision, entry.value) for entry in entries} == {
        ("bob/films", "f00d" * 10, 0.5)
    }
    file.write_text("- value: 3\n")
    with pytest.raises(ValueError, match=f"{file.name} holds no results"):
        results_in(tmp_path)


def test_without_test_videos_it_tells_of_the_validation():
    record = tiny_record(test=None, seconds_per_video=None)
    card = ModelCard(model_card(record, "alice/whole"))
    assert "## Figures on the validation videos" in card.text
    assert card.data.eval_results[0].dataset_name == "films, split validation"


def test_it_says_what_the_data_are_and_how_the_epoch_was_chosen():
    text = model_card(tiny_record(), "model")
    assert "generated data alone" in text and "licence as cc0-1.0" in text
    assert "chosen on the test videos" not in text
    text = model_card(tiny_record(sounds="12ab" * 16), "model")
    assert "of recordings (library 12ab12ab12ab)" in text and "generated data alone" not in text
    text = model_card(tiny_record(generated=False, selection="test", dataset_license=None), "model")
    assert "generated data" not in text and "Its card gives" not in text
    assert "chosen on the test videos" in text


def test_it_shows_how_surely_the_model_picks_where_that_was_measured():
    text = " ".join(model_card(tiny_record(calibration=CALIBRATION), "model").split())
    assert "scores at least 0.12" in text and "At most 3 %" in text and "80 of them" in text
    assert "| 0.400 | 50 | 46 | 0.92 |" in text and "Confidences compare" in text
    assert "What stands out" not in model_card(tiny_record(), "model")


def test_it_says_how_to_use_the_model():
    hears = model_card(tiny_record(), "alice/model")
    assert 'pipeline("video-highlight-detection", model="alice/model"' in hears and "does not see" in hears
    config = DAViHDConfig(modalities=["visual", "dynamics"]).to_diff_dict()
    headless = model_card(tiny_record(config=config), "alice/model")
    assert "visual_features=..., log_mel=..." in headless and "encoders of visual features" in headless
    assert "features were made with statistics" in headless
    config = AutoConfig.for_model("baseline_umt").to_diff_dict()
    card = ModelCard(model_card(tiny_record(config=config), "alice/model"))
    assert "UMT (Liu et al., CVPR 2022)" in card.text and "visual_features=..., sem" in card.text
    assert "davihd highlight film.mp4" in card.text and "arxiv:2602.03891" not in card.data.tags
    config = AutoConfig.for_model("baseline_triplesumm").to_diff_dict()
    assert "A film has no text" in model_card(tiny_record(config=config), "alice/model")


def test_it_is_written_for_the_folder_or_for_the_repository(tmp_path):
    record = dataclasses.replace(tiny_record(), parameters=5)
    write_model_card(tmp_path / "mine", record)
    assert "# mine" in (tmp_path / "mine" / "README.md").read_text()
    write_model_card(tmp_path / "mine", record, "alice/theirs")
    text = (tmp_path / "mine" / "README.md").read_text()
    assert "# theirs" in text and "alice/theirs" in text
