import json

import pytest
from tiny_checkpoint import CALIBRATION, tiny_record

from examples.training.record import RECORD_FILE, Record
from modeling_davihd import DEFAULT_CHECKPOINT


@pytest.mark.parametrize("calibration", [None, CALIBRATION])
def test_a_record_survives_its_file(tmp_path, calibration):
    record = tiny_record(calibration=calibration)
    record.write(tmp_path / RECORD_FILE)
    assert Record.read(tmp_path / RECORD_FILE) == Record.find(tmp_path) == record


def test_a_file_has_the_fields_that_apply(tmp_path):
    path = tmp_path / RECORD_FILE
    tiny_record(fold=None, dataset_license=None, test=None, seconds_per_video=None).write(path)
    content = json.loads(path.read_text())
    assert content["fold"] is None and content["dataset_license"] is None and "test" not in content
    data = dict.fromkeys(("dataset_fingerprint", "dataset_license", "extraction", "fold"))
    tiny_record(dataset="synthetic", **data).write(path)
    assert not data.keys() & json.loads(path.read_text()).keys()


def test_the_record_in_the_package_is_written_as_it_is(tmp_path):
    Record.read(DEFAULT_CHECKPOINT / RECORD_FILE).write(tmp_path / RECORD_FILE)
    assert (tmp_path / RECORD_FILE).read_bytes() == (DEFAULT_CHECKPOINT / RECORD_FILE).read_bytes()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recipe": 1}, "recipe is 1; it needs to be an object"),
        ({"recipe": {}}, "recipe has no learning_rate"),
        ({"recipe": {**tiny_record().recipe, "learning_rate": "low"}}, "learning_rate is 'low'"),
        ({"videos": {"train": "many"}}, "videos.train is 'many'; it needs to be a whole number"),
        ({"history": [{"f1": None}]}, "history[0].f1 is None; it needs to be a number"),
        ({"test": {"f1": 0.5}}, "test has no map_50"),
        ({"fold": True}, "fold is True; it needs to be a whole number or null"),
        ({"parameters": None}, "parameters is None"),
        ({"extraction": []}, "extraction is []; it needs to be an object or null"),
        ({"calibration": {}}, "calibration has no level"),
        ({"calibration": CALIBRATION | {"level": "low"}}, "calibration.level is 'low'"),
        ({"calibration": CALIBRATION | {"confidence": [0.5]}}, "calibration.confidence[0] is 0.5"),
        ({"calibration": CALIBRATION | {"reliability": [{"picks": 1}]}}, "reliability[0] has no score"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, changes, told):
    path = tmp_path / RECORD_FILE
    path.write_text(json.dumps(tiny_record().content() | changes))
    for read in (lambda: Record.read(path), lambda: Record.find(tmp_path)):
        with pytest.raises(ValueError) as refused:
            read()
        assert str(path) in str(refused.value) and told in str(refused.value)


def test_a_missing_field_is_named(tmp_path):
    content = tiny_record().content()
    del content["best_epoch"]
    (tmp_path / RECORD_FILE).write_text(json.dumps(content))
    with pytest.raises(ValueError, match="it has no best_epoch"):
        Record.read(tmp_path / RECORD_FILE)


def test_what_is_not_json_is_told(tmp_path):
    path = tmp_path / RECORD_FILE
    for content in (b"{", b"\xff", b"[" * 10**5):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="training.json is not JSON"):
            Record.find(tmp_path)


@pytest.mark.parametrize("content", ["3", "[]", '{"loss": 1}'])
def test_another_programs_file_is_no_record(tmp_path, content):
    (tmp_path / RECORD_FILE).write_text(content)
    assert Record.find(tmp_path) is None
    with pytest.raises(ValueError, match="is not as examples/train.py writes it"):
        Record.read(tmp_path / RECORD_FILE)


def test_a_folder_without_a_record(tmp_path):
    assert Record.find(tmp_path) is None
