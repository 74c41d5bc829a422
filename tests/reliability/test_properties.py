"""What holds for any input, tried on generated ones: the same ones each time."""

import csv
import json
import math
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from edit_readers import fcpxml_spans, spans_of, timeline_of
from films import film_with_sound, make_film, tone
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from opentimelineio.url_utils import filepath_from_url
from tiny_models import TINY, one_video, random_inputs, tiny_model

from modeling_davihd import DAViHDFeatureExtractor, modeling_davihd, streaming_davihd
from modeling_davihd.feature_extraction_davihd import LogMelStream
from modeling_davihd.highlights import Highlight, find_highlights
from modeling_davihd.media import FrameSampling, stream_segments
from modeling_davihd.metrics.highlight_detection import highlight_scores
from modeling_davihd.writers import HighlightResult, write_outputs
from modeling_davihd.writers.timecodes import editing_rate

QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def tries(count: int):
    return settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=QUIET)


# Highlights: curves of any shape and size, limits that are no whole numbers

CURVES = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=90).map(np.array)
ROUGH = st.integers(0, 2**32).flatmap(
    lambda seed: st.integers(1, 400).map(lambda n: np.random.default_rng(seed).random(n) ** 4)
)
ANY_CURVE = CURVES | ROUGH
LENGTHS = st.tuples(st.floats(0.1, 12), st.floats(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@tries(150)
@given(ANY_CURVE, LENGTHS, st.none() | st.integers(1, 9), st.none() | st.floats(0.1, 200), st.floats(0, 9))
def test_highlights_are_sorted_disjoint_and_within_every_limit(scores, lengths, top_k, duration, gap):
    shortest, longest = lengths
    options = {"min_length": shortest, "max_length": longest, "merge_gap": gap}
    found = find_highlights(scores, top_k=top_k, duration=duration, **options)
    edges = [edge for one in found for edge in (one.start, one.end)]
    assert edges == sorted(edges) and all(0 <= edge <= len(scores) for edge in edges)
    for one in found:
        assert min(shortest, len(scores)) - 1e-9 <= one.end - one.start <= longest + 1e-9
        assert one.start <= one.peak < one.end
        span = 1e-9 * max(1, np.abs(scores).max())
        assert scores.min() - span <= one.score <= scores.max() + span
    assert top_k is None or len(found) <= top_k
    assert duration is None or sum(one.end - one.start for one in found) <= duration + 1e-9
    again = find_highlights(scores, top_k=top_k, duration=duration, **options)
    assert found == again


@tries(80)
@given(ANY_CURVE, LENGTHS, st.floats(0.5, 90), st.floats(0, 60))
def test_more_time_never_keeps_less(scores, lengths, duration, more):
    options = {"min_length": lengths[0], "max_length": lengths[1]}
    kept = []
    for seconds in (duration, duration + more):
        found = find_highlights(scores, duration=seconds, **options)
        kept.append(sum((one.score - scores.min()) * (one.end - one.start) for one in found))
    assert kept[1] >= kept[0] - 1e-5 * np.ptp(scores) * len(scores)


@tries(80)
@given(ROUGH, st.floats(1e-6, 1e6), st.sampled_from([{}, {"top_k": 3}, {"duration": 20}]))
def test_highlights_do_not_depend_on_the_scale(scores, scale, options):
    plain, scaled = (find_highlights(curve, **options) for curve in (scores, scores * scale))
    assert [(one.start, one.end, one.peak) for one in plain] == [(o.start, o.end, o.peak) for o in scaled]


# Metrics

VIDEO = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(-100, 100, width=32), min_size=n, max_size=n),
        st.lists(st.floats(0, 1, width=32), min_size=n, max_size=n),
    )
)
VIDEOS = st.lists(VIDEO, min_size=1, max_size=6)
FRACTIONS = ("f1", "map_50", "map_15", "hit_at_1", "top5_map", "map_11pt")


@tries(60)
@given(VIDEOS, st.randoms(use_true_random=False))
def test_metrics_keep_their_bounds_and_know_no_order_of_videos(videos, random):
    predictions, references = zip(*videos, strict=True)
    found = highlight_scores(predictions, references, per_video=True)
    assert all(-1e-6 <= found[name] <= 1 + 1e-6 for name in FRACTIONS)
    assert all(-1 - 1e-9 <= found[name] <= 1 + 1e-9 for name in ("spearman", "kendall"))
    order = list(range(len(videos)))
    random.shuffle(order)
    shuffled = highlight_scores(
        [predictions[i] for i in order], [references[i] for i in order], per_video=True
    )
    for name, values in found["per_video"].items():
        assert shuffled["per_video"][name] == [values[i] for i in order]
        assert shuffled[name] == pytest.approx(found[name], abs=1e-12)


@tries(60)
@given(st.permutations(range(1, 41)), st.integers(2, 40), st.floats(0.01, 100), st.floats(-50, 50))
def test_perfect_is_one_and_reversed_is_the_opposite(values, seconds, scale, offset):
    reference = np.array(values[:seconds]) / 40
    perfect = highlight_scores([reference * scale + offset], [reference])
    parts = [values[:seconds][start : start + 5] for start in range(0, seconds, 5)]
    tied = len({Fraction(sum(part), len(part)) for part in parts}) < len(parts)  # five-second means
    for name in ("f1", "spearman", "kendall") + (() if tied else ("map_50", "map_15")):
        assert perfect[name] == pytest.approx(1), name
    assert perfect["hit_at_1"] == reference.max()
    opposite = highlight_scores([-reference], [reference])
    assert opposite["spearman"] == pytest.approx(-1) and opposite["kendall"] == pytest.approx(-1)
    assert opposite["hit_at_1"] == reference.min()
    assert opposite["f1"] <= 1 / max(1, seconds // 2)  # an odd number shares its middle second at the most
    for name in FRACTIONS:
        if tied and name.startswith("map_"):
            continue
        rounding = 1 / 11 if name.startswith(("top5", "map_11")) else 0  # see eleven_point_average_precision
        assert opposite[name] <= perfect[name] + rounding


@tries(40)
@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=40, unique=True), st.integers(0, 2**32))
def test_nothing_is_better_than_the_truth(reference, seed):
    prediction = np.random.default_rng(seed).normal(size=len(reference))
    found, perfect = (highlight_scores([one], [reference]) for one in (prediction, reference))
    for name in ("f1", "spearman", "kendall", "hit_at_1"):
        assert found[name] <= perfect[name] + 1e-9


# Chunks


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    sound = np.random.default_rng(0).normal(0, 0.1, (round(7.3 * 44100), 2)).astype(np.float32)
    times = np.cumsum(np.random.default_rng(1).uniform(0.02, 0.09, 120))
    folder = tmp_path_factory.mktemp("films")
    return make_film(folder / "film.mkv", times=times, fps=30, sounds=[(0.2, sound)], rate=44100)


def streamed(film: Path, seconds: int) -> tuple[np.ndarray, np.ndarray, float]:
    chunks = list(stream_segments(film, frames=FrameSampling(2, 16, 12), chunk_seconds=seconds))
    return (
        np.concatenate([chunk.waveform for chunk in chunks]),
        np.concatenate([chunk.frames for chunk in chunks]),
        chunks[-1].end,
    )


@tries(8)
@given(st.integers(1, 12))
def test_a_film_is_the_same_in_chunks_of_any_length(film, seconds):
    whole, parts = streamed(film, 30), streamed(film, seconds)
    assert np.array_equal(whole[0], parts[0]) and np.array_equal(whole[1], parts[1])
    assert whole[2] == parts[2]


@tries(25)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.sampled_from([62.5, 1]))
def test_a_spectrogram_is_the_same_in_chunks_of_any_lengths(chunks, rate):
    extractor = DAViHDFeatureExtractor(log_mel_rate=rate)
    waveform = torch.randn(sum(chunks), 16000, generator=torch.Generator().manual_seed(sum(chunks))) / 9
    stream = LogMelStream(extractor)
    pieces = [stream.add(rows) for rows in waveform.split(chunks)]
    parts, whole = torch.cat([*pieces, stream.finish()], 1), extractor.log_mel(waveform)
    assert parts.shape == whole.shape == (128, math.ceil(rate * len(waveform)))
    assert (parts - whole).abs().max() < 1e-5


@tries(7)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(8, 15))
def test_scores_are_the_same_in_windows_of_any_length(lengths, exponent):
    model = tiny_model(modalities=["dynamics"])
    inputs = random_inputs(model.config, lengths)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming_davihd, "_WINDOW_ELEMENTS", 2**30)
        whole = model(**inputs).scores
        patch.setattr(streaming_davihd, "_WINDOW_ELEMENTS", 2**exponent)
        assert (model(**inputs).scores - whole).abs().max() < 1e-5


@tries(7)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.integers(10, 15),
    st.integers(13, 16),
    st.sampled_from([None, 5]),
)
def test_scores_are_the_same_where_states_are_computed_when_read(lengths, exponent, held, baseline):
    model = tiny_model(modalities=["dynamics"], log_mel_baseline_seconds=baseline)
    inputs = random_inputs(model.config, lengths)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        whole = model(**inputs).scores
        patch.setattr(streaming_davihd, "_WINDOW_ELEMENTS", 2**exponent)
        patch.setattr(modeling_davihd, "_HELD_ELEMENTS", 2**held)
        assert (model(**inputs).scores - whole).abs().max() < 1e-5


# Padding

MODELS = {
    names: tiny_model(modalities=list(names)).double()
    for names in (("visual",), ("semantic",), ("dynamics",), ("visual", "semantic", "dynamics"))
}


@tries(15)
@given(st.sampled_from(list(MODELS)), st.lists(st.integers(1, 24), min_size=1, max_size=5))
def test_a_batch_of_any_lengths_scores_each_video_as_if_alone(names, lengths):
    model = MODELS[names]
    inputs = random_inputs(model.config, lengths)
    inputs = {name: one.double() if one.is_floating_point() else one for name, one in inputs.items()}
    inputs.pop("labels")
    with torch.no_grad():
        together = model(**inputs).scores
        for row, length in enumerate(lengths):
            alone = model(**one_video(inputs, model.config, row, length)).scores[0]
            assert (together[row, :length] - alone).abs().max() < 1e-9
            assert (together[row, length:] == 0).all()
    assert TINY["score_hidden_dim"] == model.config.score_hidden_dim


# Writers: every file comes back from a reader that is not ours

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
NAMES = NAMES.filter(lambda name: name not in (".", "..") and len(name.encode()) < 100)
RATES = st.none() | st.sampled_from([1, 23.976, 24000 / 1001, 25, 30000 / 1001, 50, 60, 240])


@st.composite
def results(draw, least: float = 1.0) -> HighlightResult:
    duration = draw(st.floats(least, 9000))
    edges = sorted(draw(st.lists(st.floats(0, duration), max_size=24, unique=True)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    highlights = [Highlight(a, b, draw(st.floats(0, 1)), a) for a, b in pairs]
    scores = np.random.default_rng(len(edges)).random(math.ceil(duration))
    name = draw(NAMES) + ".mp4"
    return HighlightResult(Path("/films") / name, duration, scores, highlights, "m", "1", fps=draw(RATES))


def written(result: HighlightResult, folder: Path, kind: str) -> Path:
    [path] = write_outputs(result, folder, [kind])
    assert [one.name for one in folder.iterdir()] == [path.name]
    return path


@tries(40)
@given(results())
def test_json_and_csv_come_back(tmp_path_factory, result):
    read = json.loads(written(result, tmp_path_factory.mktemp("json"), "json").read_bytes())
    assert read["scores"] == pytest.approx(result.scores, abs=5e-7) and read["duration"] == result.duration
    assert same(read["highlights"], result)
    path = written(result, tmp_path_factory.mktemp("csv"), "csv")
    with path.open(encoding="utf-8", newline="") as file:
        assert same(list(csv.DictReader(file)), result)


def same(rows: list[dict], result: HighlightResult) -> bool:
    """Whether start and end of the rows are those of the highlights, to the microsecond."""
    found = np.array([(row["start"], row["end"]) for row in rows], float).reshape(-1, 2)
    return len(rows) == len(result.highlights) and np.allclose(
        found, np.reshape(result.segments, (-1, 2)), rtol=0, atol=6e-7
    )


@tries(40)
@given(results())
def test_edit_lists_come_back(tmp_path_factory, result):
    rate, folder = editing_rate(result.fps), tmp_path_factory.mktemp("lists")
    lists = write_outputs(result, folder, ["edl", "otio", "xmeml", "fcpxml"])
    spans, recorded = fcpxml_spans(lists[3], rate), 0
    for (first, last, at), (start, end) in zip(spans, result.segments, strict=True):
        assert abs(first / rate - start) <= 0.501 / rate and last > first and at == recorded
        assert abs((last - first) / rate - (end - start)) <= 1.001 / rate
        recorded += last - first
    for path in lists[:3]:
        for track in timeline_of(path, float(rate)).tracks:
            assert spans_of(track) == spans
            for clip in track:
                if path.suffix != ".edl":  # which does not say how long the film is
                    assert clip.available_range().contains(clip.source_range)
                    assert filepath_from_url(clip.media_reference.target_url) == str(result.source)


@tries(40)
@given(results(least=30))
def test_chapters_come_back(tmp_path_factory, result):
    text = written(result, tmp_path_factory.mktemp("chapters"), "chapters").read_text(encoding="utf-8")
    lines = [re.fullmatch(r"((?:\d+:)?\d?\d:\d\d) (\S.*)", line) for line in text.splitlines()]
    parts = [[int(part) for part in line[1].split(":")] for line in lines]
    seconds = [sum(part * 60**i for i, part in enumerate(reversed(clock))) for clock in parts]
    assert seconds[0] == 0 and len(seconds) >= 3
    assert np.diff([*seconds, result.duration]).min() >= 10


@pytest.fixture(scope="module")
def short_film(tmp_path_factory) -> Path:
    return film_with_sound(tmp_path_factory.mktemp("short") / "film.mp4", tone(6, 16000), 6)


@tries(5)
@given(st.lists(st.floats(0, 6), min_size=2, max_size=6, unique=True).map(sorted))
def test_reels_and_clips_come_back(tmp_path_factory, short_film, edges):
    pairs = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if b - a > 0.2]
    assume(pairs)
    highlights = [Highlight(a, b, 0.5, a) for a, b in pairs]
    result = HighlightResult(short_film, 6.0, np.ones(6), highlights, "m", "1", fps=10)
    folder = tmp_path_factory.mktemp("films")
    [reel, *clips] = write_outputs(result, folder, ["mp4", "clips"])
    assert len(clips) == len(pairs) and len(list(folder.iterdir())) == 1 + len(pairs)
    lengths = [b - a for a, b in pairs]
    for path, length in zip([reel, *clips], [sum(lengths), *lengths], strict=True):
        with av.open(str(path)) as container:
            frames = [frame.time for frame in container.decode(video=0)]
            assert frames == sorted(frames) and frames[0] < 0.2
            container.seek(0)
            samples = sum(frame.samples for frame in container.decode(audio=0))
        assert samples / 16000 == pytest.approx(length, abs=0.15 * len(pairs))
        assert frames[-1] == pytest.approx(length, abs=0.2 * len(pairs))
