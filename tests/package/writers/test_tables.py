import csv
import json
from dataclasses import replace

import pytest
from results import SEGMENTS, result_of, written

from modeling_davihd.highlights import Calibration, Sound


def test_json_holds_everything(tmp_path):
    result = result_of(name="Finále 決勝.mp4")
    text = written(result, tmp_path, "json").read_text(encoding="utf-8")
    read = json.loads(text)
    assert list(read) == ["version", "model", "source", "duration", "scores", "highlights"]
    assert (read["version"], read["model"], read["duration"]) == ("1.2.3", "davihd-small", 600.0)
    assert read["source"] == "Finále 決勝.mp4" and "決勝" in text
    assert read["scores"] == pytest.approx(result.scores, abs=5e-7)
    assert read["highlights"][1] == {"start": 40.52, "end": 47.0, "score": 0.75, "peak": 40.52}


def test_a_confidence_is_told_where_it_is_known(tmp_path):
    result = result_of(calibration=Calibration(confidence=[[0.0, 0.91]]))
    result = replace(result, highlights=[replace(one, confidence=0.91) for one in result.highlights])
    read = json.loads(written(result, tmp_path, "json").read_text())
    assert [one["confidence"] for one in read["highlights"]] == [0.91] * 3
    with written(result, tmp_path, "csv").open(newline="") as file:
        assert [row["confidence"] for row in csv.DictReader(file)] == ["0.91"] * 3
    empty = written(replace(result, highlights=[]), tmp_path, "csv").read_text()
    assert empty == "start,end,score,peak,confidence\n"


def test_what_is_heard_is_told_where_somebody_listened(tmp_path):
    heard = [(Sound("cheering", 0.93), Sound("applause", 0.8)), (), ()]
    result = result_of(sounds=heard)
    read = json.loads(written(result, tmp_path, "json").read_text())
    assert [one["sounds"] for one in read["highlights"]] == [
        [{"name": "cheering", "confidence": 0.93}, {"name": "applause", "confidence": 0.8}],
        [],
        [],
    ]
    with written(result, tmp_path, "csv").open(newline="") as file:
        assert [row["sounds"] for row in csv.DictReader(file)] == ["cheering, applause", "", ""]
    empty = written(replace(result, highlights=[], listened=True), tmp_path, "csv").read_text()
    assert empty == "start,end,score,peak,sounds\n"


def test_csv_has_one_row_a_highlight(tmp_path):
    with written(result_of(), tmp_path, "csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["start", "end", "score", "peak"]
    assert [(float(row["start"]), float(row["end"])) for row in rows] == SEGMENTS
    assert {float(row["score"]) for row in rows} == {0.75}
