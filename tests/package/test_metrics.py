import importlib.util
import json
import shutil
import socket
import threading
from pathlib import Path

import evaluate
import numpy as np
import pytest
from paths import GOLDEN
from scipy import stats

from modeling_davihd import metrics
from modeling_davihd.metrics import load_metric
from modeling_davihd.metrics.highlight_detection import METRICS, event_scores, highlight_scores
from modeling_davihd.metrics.highlight_detection.scores import (
    dense_ranks,
    kendall,
    knapsack_summary,
    spearman,
)

PUBLISHED = json.loads((GOLDEN / "metrics_cases.json").read_text())
CASES, SAMPLE = PUBLISHED["cases"], PUBLISHED["mrhisum_sample"]
PUBLISHED_NAMES = {
    "f1": "F1",
    "map_50": "mAP@50",
    "map_15": "mAP@15",
    "spearman": "spearman_rho",
    "kendall": "kendall_tau",
    "hit_at_1": "hit_at_1",
    "top5_map": "top5_mAP",
    "map_11pt": "mAP",
}


def golden_inputs(cases=CASES, step=1):
    """Predictions and references of golden cases, in reversed time if step is -1."""
    return [[np.float32(case[name])[::step] for case in cases] for name in ("scores", "labels")]


@pytest.fixture(scope="module")
def golden_results():
    return highlight_scores(*golden_inputs(), per_video=True)


@pytest.fixture(scope="module")
def metric():
    return load_metric("highlight_detection")


@pytest.fixture(scope="module")
def videos():
    random = np.random.default_rng(5)
    lengths = (7, 1, 31, 0, 12, 202)
    return [random.random(n).tolist() for n in lengths], [random.random(n).tolist() for n in lengths]


# Agreement with the published evaluation


@pytest.mark.parametrize("name", METRICS)
def test_agrees_with_the_published_values(golden_results, name):
    published = PUBLISHED_NAMES[name]
    for case, value in zip(CASES, golden_results["per_video"][name], strict=True):
        doubtful = case["tie_dependent"].get(published) or case["arithmetic_dependent"].get(published)
        low, high = doubtful or (case["expected"][published],) * 2
        tolerance = 1e-3 if doubtful else 1e-6  # the published range holds ties that float32 made or broke
        assert low - tolerance <= value <= high + tolerance, (case["id"], case["kind"])


def test_agrees_with_the_published_means_of_cases_without_ties():
    expected = PUBLISHED["aggregate_of_unambiguous_cases"]
    result = highlight_scores(*golden_inputs([CASES[i] for i in expected["ids"]]))
    for name, published in PUBLISHED_NAMES.items():
        assert result[name] == pytest.approx(expected["values"][published], abs=1e-6), name


@pytest.mark.parametrize("name", ["spearman", "kendall", "hit_at_1", "map_11pt"])
def test_agrees_with_the_published_means_where_the_earlier_second_wins_there_too(golden_results, name):
    assert golden_results[name] == pytest.approx(
        PUBLISHED["aggregate_stable_sort"][PUBLISHED_NAMES[name]], abs=1e-6
    )


def test_f1_of_reversed_time_is_the_published_one_under_the_opposite_rule_for_ties():
    result = highlight_scores(*golden_inputs(step=-1), per_video=True)
    assert result["f1"] == pytest.approx(PUBLISHED["aggregate_stable_sort"]["F1"], abs=1e-6)
    for case, value in zip(CASES, result["per_video"]["f1"], strict=True):
        expected = case["expected_stable_sort"].get("F1", case["expected"]["F1"])
        assert value == pytest.approx(expected, abs=1e-6), case["id"]


# Agreement with TripleSumm's


TRIPLESUMM = json.loads((GOLDEN / "triplesumm_metrics_cases.json").read_text())
TRIPLESUMM_NAMES = {"kendall": "ktau", "spearman": "srho", "map_50": "map50", "map_15": "map15"}


def triplesumm_inputs(ids):
    """What the metric takes of those cases, with -100 where a mask has ended."""
    cases = [TRIPLESUMM["cases"][number] for number in ids]
    labels = [case["gt"][: case["evaluated_frames"]] for case in cases]
    tails = [[-100] * (case["length"] - len(one)) for case, one in zip(cases, labels, strict=True)]
    return {
        "predictions": [case["pred"] for case in cases],
        "references": [one + tail for one, tail in zip(labels, tails, strict=True)],
    }


@pytest.mark.parametrize("name", TRIPLESUMM_NAMES)
def test_agrees_with_the_published_values_of_triplesumm(metric, name):
    inputs = triplesumm_inputs(range(len(TRIPLESUMM["cases"])))
    found = metric.compute(**inputs, protocol="triplesumm", per_video=True)["per_video"][name]
    theirs, scale = TRIPLESUMM_NAMES[name], 100 if name.startswith("map") else 1
    for case, value in zip(TRIPLESUMM["cases"], found, strict=True):
        expected = case["expected"][theirs]
        low, high = case["tie_dependent"].get(theirs) or (np.nan if expected is None else expected,) * 2
        np.testing.assert_allclose(np.clip(scale * value, low, high), scale * value, atol=1e-7)


def test_agrees_with_the_published_means_of_triplesumm(metric):
    for name, expected in TRIPLESUMM["aggregate"].items():
        options = {"protocol": "triplesumm", "batch_size": int(name.rpartition("_")[2])}
        result = metric.compute(**triplesumm_inputs(expected["ids"]), **options)
        for ours, theirs in TRIPLESUMM_NAMES.items():
            value = expected["result"][theirs]
            found = result[ours] * (100 if ours.startswith("map") else 1)
            assert found == pytest.approx(np.nan if value is None else value, abs=1e-7, nan_ok=True), name


def test_protocols_are_told_apart(metric):
    with pytest.raises(
        ValueError, match="The protocol is 'mrhisum'; it needs to be one of davihd, triplesumm"
    ):
        metric.compute(predictions=[GOOD], references=[GOOD], protocol="mrhisum")
    with pytest.raises(ValueError, match="The protocol 'triplesumm' takes no events"):
        metric.compute(predictions=[GOOD], references=[GOOD], protocol="triplesumm", events=[[]])
    with pytest.raises(ValueError, match="Video 0: the reference is -100 at second 1"):
        metric.compute(predictions=[GOOD], references=[[0.1, -100, 0.2]], protocol="triplesumm")
    assert "f1" not in metric.compute(predictions=[GOOD], references=[GOOD], protocol="triplesumm")


# The rules


def test_of_tied_seconds_the_earlier_comes_first():
    flat, early, late = [0.5] * 4, [1.0, 0.9, 0.1, 0.0], [0.0, 0.1, 0.9, 1.0]
    result = highlight_scores([flat, flat, early, late], [early, late, flat, flat], per_video=True)[
        "per_video"
    ]
    assert result["f1"] == [1.0, 0.0, 1.0, 0.0]
    assert result["hit_at_1"] == [1.0, 0.0, 0.5, 0.5]


def test_tied_segments_of_the_reference_go_to_the_earlier():
    reference = [0.1, 0.2, 0.3, 0.4, 0.5] + [0.5, 0.4, 0.3, 0.2, 0.1] + [0.0] * 10
    rising = np.arange(20.0)
    result = highlight_scores([rising, rising[::-1]], [reference] * 2, per_video=True)["per_video"]
    assert result["map_15"] == [0.25, 1.0]


def test_map_segments_are_five_seconds_and_the_last_may_be_shorter():
    reference = [0.0] * 5 + [0.1] * 5 + [0.0] * 5 + [0.9]
    prediction = [0.5] * 5 + [0.0, 0.0, 0.0, 0.0, 2.0] + [0.1] * 5 + [0.45]
    result = highlight_scores([prediction], [reference])
    assert result["map_15"] == pytest.approx(1 / 2)  # the last segment ranks second
    assert result["map_50"] == pytest.approx((1 / 2 + 2 / 3) / 2)  # and the second one third


def test_constant_sequences_count_zero_in_the_correlations():
    result = highlight_scores([[0.3] * 9, np.arange(9)], [np.arange(9) / 9] * 2)
    assert (result["spearman"], result["kendall"]) == (0.5, 0.5)


def test_references_of_zeros_count_zero_and_stay_in_the_mean():
    rising = np.arange(12) / 12
    result = highlight_scores([rising, rising], [np.zeros(12), rising])
    assert (result["f1"], result["map_50"], result["map_15"], result["n_videos"]) == (0.5, 0.5, 0.5, 2)


def test_videos_under_two_seconds_are_skipped_and_counted(videos):
    long_enough = [[video for video in given if len(video) >= 2] for given in videos]
    result, expected = highlight_scores(*videos), highlight_scores(*long_enough)
    assert (result.pop("n_videos"), result.pop("skipped")) == (4, 2)
    assert (expected.pop("n_videos"), expected.pop("skipped")) == (4, 0)
    assert result == expected
    scores, labels = ([case[name] for case in PUBLISHED["skipped_cases"]] for name in ("scores", "labels"))
    with pytest.raises(ValueError, match="None of the 2 videos is 2 seconds long or longer"):
        highlight_scores(scores, labels)


def test_seconds_without_a_reference_are_left_out(metric, videos):
    """As transformers' `Trainer` pads a batch: predictions with anything, references with -100."""
    longest = max(map(len, videos[0]))
    padded = [
        np.array([one + [filling] * (longest - len(one)) for one in kind])
        for kind, filling in zip(videos, (np.nan, -100), strict=True)
    ]
    assert metric.compute(predictions=padded[0], references=padded[1]) == highlight_scores(*videos)


def test_values_per_video_line_up_with_the_input(videos):
    result = highlight_scores(*videos, per_video=True)
    assert set(result["per_video"]) == set(METRICS)
    for name, values in result["per_video"].items():
        assert [value is None for value in values] == [False, True, False, True, False, False]
        assert np.nanmean(np.array(values, dtype=float)) == pytest.approx(result[name])
        assert values[4] == highlight_scores([videos[0][4]], [videos[1][4]])[name]
    assert json.loads(json.dumps(result)) == result


# Correlations are SciPy's


def tied_pairs():
    random = np.random.default_rng(11)
    lengths = [2, 3, 4, 5, *random.integers(6, 300, 60), 1300]
    for seconds, levels in zip(lengths, random.integers(2, 30, len(lengths)), strict=True):
        yield random.integers(0, levels, seconds) / 7, random.integers(0, 4, seconds) * 0.25
        yield random.standard_normal(seconds), random.integers(0, levels, seconds) / levels


@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
@pytest.mark.parametrize("ours, theirs", [(kendall, stats.kendalltau), (spearman, stats.spearmanr)])
def test_correlations_are_exact_on_ties(ours, theirs):
    for first, second in tied_pairs():
        expected = np.nan_to_num(theirs(first, second).statistic)
        found = ours(dense_ranks(first), dense_ranks(second))
        assert found == pytest.approx(expected, abs=1e-12), len(first)


# Knapsack


def test_knapsack_reproduces_a_published_summary():
    summary = knapsack_summary(np.array(SAMPLE["gtscore"]), np.array(SAMPLE["change_points"]))
    assert summary.tolist() == SAMPLE["gt_summary"]


def test_knapsack_f1(metric):
    shots = {"change_points": [SAMPLE["change_points"]] * 2, "gt_summaries": [SAMPLE["gt_summary"]] * 2}
    truth = SAMPLE["gtscore"]
    opposite = [1 - score for score in truth]
    result = metric.compute(predictions=[truth, opposite], references=[truth] * 2, per_video=True, **shots)
    assert result["per_video"]["knapsack_f1"][0] == 1.0
    assert result["per_video"]["knapsack_f1"][1] < 0.5
    assert result["knapsack_f1"] == pytest.approx(np.mean(result["per_video"]["knapsack_f1"]))


def test_knapsack_takes_the_earlier_of_equal_shots_and_never_more_than_its_capacity():
    shots = np.array([[0, 4], [4, 7], [7, 10], [10, 13], [13, 20]])
    assert np.flatnonzero(knapsack_summary(np.full(20, 0.5), shots)).tolist() == [4, 5, 6]
    assert not knapsack_summary(np.ones(6), np.array([[0, 3], [3, 6]])).any()


# Events


def curve(seconds, *peaks):
    """A score for each second: 1 within each [start, end), 0.1 elsewhere."""
    scores = np.full(seconds, 0.1)
    for start, end in peaks:
        scores[start:end] = 1.0
    return scores


def test_an_event_is_found_by_a_pick_within_a_second():
    picks = [curve(60, (20, 25))] * 4
    result = event_scores(picks, [[[26, 30]], [[26.1, 30]], [[10, 19]], [[10, 18.9]]])
    assert (result["events_found"], result["n_events"], result["event_recall"]) == (2, 4, 0.5)
    assert (result["picks_right"], result["n_picks"], result["event_precision"]) == (2, 4, 0.5)


def test_as_many_are_picked_as_there_are_events_over_all_videos():
    found, missed = curve(60, (10, 14), (30, 34), (50, 54)), curve(60, (30, 34))
    result = event_scores([found, missed, missed], [[[10, 14], [30, 34], [50, 54]], [[5, 8]], []])
    assert (result["event_recall"], result["event_precision"], result["n_picks"]) == (0.75, 0.75, 4)


def test_a_pick_that_covers_two_events_finds_both():
    result = event_scores([curve(60, (20, 30))], [[[20, 23], [26, 30]]])
    assert (result["events_found"], result["picks_right"], result["n_picks"]) == (2, 1, 1)


def test_a_flat_curve_finds_nothing():
    result = event_scores([np.zeros(60)], [[[20, 23]]], kinds=[["horn"]])
    assert (result["event_recall"], result["event_precision"], result["n_picks"]) == (0.0, 0.0, 0)
    assert result["kinds"] == {"horn": {"event_recall": 0.0, "events_found": 0, "n_events": 1}}


def test_recall_of_every_kind_of_event():
    videos = [curve(60, (10, 14)), curve(60, (30, 34))]
    result = event_scores(videos, [[[10, 14]], [[5, 8], [30, 34]]], kinds=[["horn"], ["cheer", "horn"]])
    recall = {kind: values["event_recall"] for kind, values in result["kinds"].items()}
    assert recall == {"cheer": 0.0, "horn": 1.0}


def test_events_join_the_other_metrics(metric):
    video = curve(60, (10, 14), (30, 34))
    events = [[[10, 14], [50, 52]]]
    result = metric.compute(predictions=[video], references=[video], events=events, per_video=True)
    assert (result["event_recall"], result["event_precision"], result["f1"]) == (0.5, 0.5, 1.0)
    assert "event_recall" not in result["per_video"]


BAD_EVENTS = {
    "1 predictions and events of 2 videos": ([[[0, 1]], []], None),
    "None of the 1 videos has an event": ([[]], None),
    "Video 0: the events cannot be read as numbers": ([[["a", 2]]], None),
    r"Video 0: the events have shape \(1, 3\)": ([[[0, 1, 2]]], None),
    r"Video 0: an event is \[2.0, 1.0\]": ([[[0, 1], [2, 1]]], None),
    r"Video 0: an event is \[0.0, inf\]": ([[[0, np.inf]]], None),
    "one name for each event": ([[[0, 1]]], [["horn", "cheer"]]),
}


@pytest.mark.parametrize("message", BAD_EVENTS)
def test_bad_events_are_refused_by_name(message):
    events, kinds = BAD_EVENTS[message]
    with pytest.raises(ValueError, match=message):
        event_scores([GOOD], events, kinds=kinds)
    with pytest.raises(ValueError, match="Video 0: scores must be finite"):
        event_scores([[0.1, np.nan]], [[[0, 1]]])


# Input that cannot be scored


GOOD = [0.1, 0.9, 0.4]
BAD = {
    "Video 1: the prediction is nan at second 2": ([GOOD, [0.1, 0.2, np.nan]], [GOOD] * 2),
    "Video 0: the prediction is inf at second 0": ([[np.inf, 0.2, 0.1]], [GOOD]),
    "Video 0: the reference is nan at second 1": ([GOOD], [[0.1, np.nan, 0.2]]),
    "Video 1: the reference is -0.5 at second 1; it must be 0 or more": (
        [GOOD] * 2,
        [GOOD, [0.1, -0.5, 0.2]],
    ),
    "Video 1: the prediction has 2 seconds and the reference 3": ([GOOD, [0.1, 0.2]], [GOOD] * 2),
    r"Video 0: the prediction has shape \(1, 3\)": ([[GOOD]], [GOOD]),
    "Video 0: the reference cannot be read as numbers": ([GOOD], [["a", "b", "c"]]),
    "There are 1 predictions and 2 references": ([GOOD], [GOOD] * 2),
    "predictions and references are empty": ([], []),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_sequences_are_refused_by_name(message):
    with pytest.raises(ValueError, match=message):
        highlight_scores(*BAD[message])


BAD_SHOTS = {
    "Only one of change_points and gt_summaries": (GOOD, [[[0, 3]]], None),
    "There are 2 change_points and 1 gt_summaries for 1 videos": (GOOD, [[[0, 3]]] * 2, [[0, 1, 0]]),
    "Video 0: change_points are float64 of shape": (GOOD, [[[0.0, 3.0]]], [[0, 1, 0]]),
    r"Video 0: change_points are int64 of shape \(2,\)": (GOOD, [[0, 3]], [[0, 1, 0]]),
    "Video 0: the change_points cannot be read": (GOOD, [[[0, 3], [3]]], [[0, 1, 0]]),
    "Video 0: change_points run from 0 to 4": (GOOD, [[[0, 2], [2, 4]]], [[0, 1, 0]]),
    "Video 0: change_points run from 0 to 3": (GOOD, [[[0, 2], [1, 3]]], [[0, 1, 0]]),
    r"Video 0: the gt_summary of shape \(2,\) needs 3 zeros and ones": (GOOD, [[[0, 3]]], [[0, 1]]),
    "Video 0: the gt_summary of shape": (GOOD, [[[0, 3]]], [[0, 2, 0]]),
    "Video 0: the prediction is -1 at second 0; it must be 0 or more": ([-1, 0, 1], [[[0, 3]]], [[0, 1, 0]]),
}


@pytest.mark.parametrize("message", BAD_SHOTS)
def test_bad_shots_are_refused_by_name(message):
    prediction, change_points, gt_summaries = BAD_SHOTS[message]
    with pytest.raises(ValueError, match=message):
        highlight_scores([prediction], [GOOD], change_points=change_points, gt_summaries=gt_summaries)


# As a module of `evaluate`


def test_unknown_metrics_are_refused_with_the_known_names():
    with pytest.raises(
        ValueError, match="no metric named 'accuracy'; the known metrics are: highlight_detection"
    ):
        load_metric("accuracy")


def test_loads_and_computes_without_a_network(monkeypatch, videos):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("opened a connection"))
    result = load_metric("highlight_detection").compute(predictions=videos[0], references=videos[1])
    assert result == highlight_scores(*videos)


def test_input_in_batches_and_as_arrays_gives_the_same(metric, videos):
    expected = metric.compute(predictions=videos[0], references=videos[1], per_video=True)
    for part in (slice(0, 2), slice(2, None)):
        metric.add_batch(predictions=[np.array(v) for v in videos[0][part]], references=videos[1][part])
    assert metric.compute(per_video=True) == expected
    for prediction, reference in zip(*videos, strict=True):
        metric.add(prediction=prediction, reference=reference)
    assert metric.compute(per_video=True) == expected


def test_differences_below_float32_are_kept(metric):
    prediction = np.array([[1.0, 1.0 + 1e-12]])
    assert metric.compute(predictions=prediction, references=[[0.0, 1.0]])["f1"] == 1.0


def test_a_refused_input_leaves_the_module_usable(metric, videos):
    with pytest.raises(ValueError, match="Video 0: the prediction has 2 seconds and the reference 3"):
        metric.compute(predictions=[[0.1, 0.2]], references=[GOOD])
    assert metric.compute(predictions=videos[0], references=videos[1]) == highlight_scores(*videos)


def test_combines_with_other_modules(metric, videos):
    both = evaluate.combine({"ours": metric, "again": load_metric("highlight_detection")})
    result = both.compute(predictions=videos[0], references=videos[1])
    assert result["ours_f1"] == result["again_f1"] == highlight_scores(*videos)["f1"]


def test_several_processes_share_one_result(tmp_path, videos):
    modules = [
        load_metric(
            "highlight_detection", num_process=2, process_id=i, experiment_id="two", cache_dir=str(tmp_path)
        )
        for i in range(2)
    ]
    results = {}

    def work(process, part):
        modules[process].add_batch(predictions=videos[0][part], references=videos[1][part])
        results[process] = modules[process].compute(per_video=True)

    other = threading.Thread(target=work, args=(1, slice(3, None)))
    other.start()
    work(0, slice(0, 3))
    other.join()
    assert results == {0: highlight_scores(*videos, per_video=True), 1: None}


# As a Space


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The demo of a copy of the folder, as a Space has it: alone and under another name."""
    folder = tmp_path_factory.mktemp("space") / "app"
    shutil.copytree(Path(metrics.__file__).parent / "highlight_detection", folder)
    spec = importlib.util.spec_from_file_location("metric_space_app", folder / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_app_shows_every_metric_of_every_video(app):
    headers, *rows = app.table("[[0.1, 0.9, 0.2], [1]]", "[[0, 1, 0.5], [1]]")
    assert headers == ["metric", "mean", "video 0", "video 1"]
    assert [row[0] for row in rows] == list(METRICS)
    assert rows[0] == ["f1", "1.0000", "1.0000", "skipped"]
    assert len(app.results(*app.EXAMPLE).value["data"]) == len(METRICS)


@pytest.mark.parametrize(
    "predictions, message",
    [
        ("[[0.1, 0.2", "The predictions are not valid JSON"),
        ("[0.1, 0.2]", "The predictions must be a list with one list of numbers per video"),
        ("[]", "The predictions must be a list with one list of numbers per video"),
        ('[["a", "b"]]', "The predictions must hold nothing but numbers"),
        ("[[0.1, 0.2, 0.3]]", "Video 0: the prediction has 3 seconds and the reference 2"),
        ("[[0.1, NaN]]", "Video 0: the prediction is nan at second 1"),
    ],
)
def test_app_says_what_is_wrong(app, predictions, message):
    with pytest.raises(app.gr.Error, match=message):
        app.results(predictions, "[[0.5, 1.0]]")
