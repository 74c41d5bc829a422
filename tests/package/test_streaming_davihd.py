"""Padding, windows in time, background and alignment."""

import math

import numpy as np
import pytest
import torch
from tiny_models import SILENCE, TWO_VIEWS, one_video, random_inputs, silence, tiny_model
from torch.utils._python_dispatch import TorchDispatchMode

from modeling_davihd import DAViHDFeatureExtractor, modeling_davihd, streaming_davihd
from modeling_davihd.streaming_davihd import (
    FrameSource,
    HaloedStates,
    RunningSoftmaxSum,
    SegmentRows,
    align_adaptively,
    align_by_time,
    median_of_film,
    medians_of_seconds,
    medians_of_windows,
    running_median,
)


def test_rows_are_the_real_segments_and_find_their_way_back():
    states = torch.randn(2, 4, 3)
    segments = SegmentRows.of_batch(2, 4, torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]]))
    assert segments.lengths.tolist() == [4, 1] and segments.num_segments == 4
    states[1, 1:] = torch.nan
    rows = segments.gather(states)
    assert torch.equal(rows, torch.cat((states[0], states[1, :1])))
    assert torch.equal(segments.scatter(rows), states.nan_to_num(0))


@pytest.mark.parametrize("attention_mask", [None, torch.ones(2, 4)], ids=["none", "ones"])
def test_without_padding_rows_are_the_states(attention_mask):
    states = torch.randn(2, 4, 3)
    segments = SegmentRows.of_batch(2, 4, attention_mask)
    assert segments.mask is None and segments.lengths.tolist() == [4, 4]
    assert segments.gather(states) is states and segments.scatter(states) is states


@pytest.mark.parametrize("lengths", [None, torch.tensor([9, 4])], ids=["equal", "padded"])
def test_windows_are_cut_from_the_whole_with_a_halo(lengths):
    haloed = HaloedStates(FrameSource.held(torch.randn(2, 3, 9, 5)), lengths)
    whole, velocity, mean = haloed.window(0, 9), haloed.velocity(0, 9), haloed.share_of_mean(0, 9)
    assert (velocity[:, :, 1] == 0).all()
    shares = 0
    for start, end in ((0, 1), (1, 2), (2, 6), (6, 9)):
        assert torch.equal(haloed.window(start, end), whole[:, :, start : end + 2])
        assert torch.equal(haloed.velocity(start, end), velocity[:, :, start : end + 2])
        shares = shares + haloed.share_of_mean(start, end)
    torch.testing.assert_close(shares, mean)


def test_padded_states_stay_channels_last():
    """Convolutions and pooling would take up to six times as long."""
    states = torch.randn(2, 4, 8, 6).contiguous(memory_format=torch.channels_last)
    source = FrameSource.held(states)
    haloed = HaloedStates(source, torch.tensor([8, 3]))
    for window in (haloed.window(0, 8), haloed.velocity(0, 8)):
        assert window.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "lengths, changes",
    [([20, 20], {}), ([20, 7], {}), ([20, 7], TWO_VIEWS)],
    ids=["equal", "padded", "padded, two views"],
)
def test_long_videos_pass_in_windows_with_the_same_scores(monkeypatch, lengths, changes):
    model = tiny_model(modalities=["dynamics"], **changes)
    inputs = random_inputs(model.config, lengths)
    with torch.no_grad():
        whole = model(**inputs, output_attentions=True)
        monkeypatch.setattr(streaming_davihd, "_WINDOW_ELEMENTS", 5000)
        monkeypatch.setattr(modeling_davihd, "_HELD_ELEMENTS", 3000)  # fewer than the first block gives
        windows = model(**inputs, output_attentions=True)
    assert (whole.scores - windows.scores).abs().max() < 1e-5
    for name in ("time_attentions", "velocity_attentions"):
        for found, expected in zip(windows[name], whole[name], strict=True):
            assert (found - expected).abs().max() < 1e-6


def test_a_running_softmax_is_that_of_all_windows():
    logits, values = torch.randn(2, 2, 3, 12, 5) * 50  # overflows unless the peak is subtracted
    pool = RunningSoftmaxSum()
    for window in (slice(0, 1), slice(1, 8), slice(8, 12)):
        pool.add(logits[:, :, window], values[:, :, window])
    weights = logits.softmax(2)
    torch.testing.assert_close(pool.result(), (weights * values).sum(2))
    torch.testing.assert_close(pool.channel_mean(logits[:, :, 3:7]), weights[:, :, 3:7].mean(1))


def test_background_is_the_running_median_of_the_medians_of_each_second(monkeypatch):
    monkeypatch.setattr(streaming_davihd, "_MEDIAN_BLOCK", 4)
    log_mel = torch.randn(1, 688, 128)  # 11 s
    encoder = tiny_model(log_mel_baseline_seconds=5).dynamics_encoder
    sound = encoder._prepare(log_mel.transpose(1, 2), SegmentRows.of_batch(1, 11))
    source = FrameSource.above_background(sound.log_mel, sound.background, sound.second_of_frame)
    found = source.all()[:, 0]
    second_of_frame = [int(frame / 62.5) for frame in range(688)]
    seconds = [
        log_mel[0, [owner == second for owner in second_of_frame]].median(0).values for second in range(11)
    ]
    for frame, second in enumerate(second_of_frame):
        window = torch.stack(seconds[max(0, second - 2) : second + 3])
        assert torch.allclose(log_mel[0, frame] - found[0, frame], window.median(0).values, atol=1e-6)


def views_of(log_mel: torch.Tensor, **changes) -> torch.Tensor:
    """What the first block reads of log-Mel (1, F, M) of whole seconds: (1, V, M, F)."""
    segments = SegmentRows.of_batch(1, int(log_mel.shape[2] / 62.5))
    sound = tiny_model(modalities=["dynamics"], **changes).dynamics_encoder._prepare(log_mel, segments)
    return FrameSource.above_background(sound.log_mel, sound.background, sound.second_of_frame).all()


def medians_with_silence(seconds: int, *spans: tuple[int, int]) -> torch.Tensor:
    """Medians (1, seconds, 3) of seconds of sound, but for the silence of the spans."""
    medians = torch.randn(1, seconds, 3, generator=torch.Generator().manual_seed(2))
    for start, end in spans:
        medians[:, start:end] = SILENCE
    return medians


def test_the_second_view_is_above_the_median_of_the_whole_film():
    log_mel = torch.randn(1, 128, 625)  # 10 s
    found = views_of(log_mel, log_mel_baseline_seconds=3, log_mel_film_background=True)
    assert torch.equal(found[:, :1], views_of(log_mel, log_mel_baseline_seconds=3))
    seconds = medians_of_seconds(log_mel.mT, torch.tensor([625]), SegmentRows.of_batch(1, 10), 62.5)
    assert torch.equal(found[:, 1], log_mel.mT - seconds.median(1, keepdim=True).values)


@pytest.mark.parametrize("seconds, least", [(31, 8), (5, 2), (3, 3)])
def test_a_background_leaves_silence_out_where_enough_of_its_seconds_sound(seconds, least):
    medians = medians_with_silence(100, (0, 6), (20, 23), (30, 31), (60, 64), (97, 100))
    found = running_median(medians, seconds, least)[0]
    sounds = medians[0, :, 0] != SILENCE
    windows = [slice(max(0, one - seconds // 2), one + seconds // 2 + 1) for one in range(100)]
    known = [one for one in range(100) if sounds[one] and sounds[windows[one]].sum() >= least]
    for second, background in enumerate(found):
        source = max((one for one in known if one <= second), default=known[0])
        window = windows[source]
        assert torch.equal(background, medians[0, window][sounds[window]].median(0).values), second


def test_silence_around_a_film_leaves_its_background_alone():
    """Neither the sound before a silent end nor the sound after a silent beginning is lifted."""
    film = medians_with_silence(40)
    between = medians_with_silence(90, (0, 20), (60, 90))
    between[:, 20:60] = film
    alone, found = running_median(film, 31, 8), running_median(between, 31, 8)
    assert torch.equal(found[:, 20:60], alone)
    assert torch.equal(median_of_film(between, 8), median_of_film(film, 8))
    assert not torch.equal(running_median(between, 31, None)[:, 20:60], alone)


def test_where_too_little_sounds_silence_is_the_background():
    medians = medians_with_silence(30, (0, 10), (13, 30))
    assert torch.equal(running_median(medians, 5, 4), running_median(medians, 5, None))
    assert torch.equal(median_of_film(medians, 4), median_of_film(medians, None))


def test_silence_stays_below_the_background_however_long_it_is():
    """Its own level would become its background, and it would seem to rise in the midst of silence."""
    log_mel = torch.randn(1, 128, 6250)  # 100 s
    log_mel[:, :, 1250:5000] = SILENCE
    found = views_of(
        log_mel, log_mel_baseline_seconds=31, log_mel_sounding_seconds=8, log_mel_film_background=True
    )
    quiet = found[:, :, 1250:5000]
    assert quiet.max() < -15 and (quiet == quiet[:, :, :1]).all()
    assert found[:, :, :1250].mean().abs() < 0.1 and found[:, :, 5000:].mean().abs() < 0.1


@pytest.mark.parametrize("lengths", [[40], [40, 3, 1]], ids=["one", "padded"])
def test_a_film_without_silence_scores_the_same_bit_for_bit_with_the_rule(lengths):
    changes = {"modalities": ["dynamics"], "log_mel_baseline_seconds": 5, "log_mel_film_background": True}
    plain, ruled = tiny_model(**changes), tiny_model(**changes, log_mel_sounding_seconds=5)
    inputs = random_inputs(plain.config, lengths)
    assert torch.equal(plain(**inputs).scores, ruled(**inputs).scores)
    silence(inputs, plain.config, 0, (20, 26))
    assert not torch.equal(plain(**inputs).scores, ruled(**inputs).scores)


def test_padding_never_changes_a_score_of_a_film_with_silence():
    lengths = [30, 1, 12, 7, 20]
    model = tiny_model(modalities=["dynamics"], **TWO_VIEWS).double()
    inputs = random_inputs(model.config, lengths)
    for row, spans in ((0, [(0, 9), (14, 16)]), (2, [(4, 12)]), (3, [(0, 5), (6, 7)]), (4, [(0, 20)])):
        silence(inputs, model.config, row, *spans)
    inputs = {name: one.double() if one.is_floating_point() else one for name, one in inputs.items()}
    scores = model(**inputs).scores
    for row, length in enumerate(lengths):
        alone = model(**one_video(inputs, model.config, row, length)).scores[0]
        assert (scores[row, :length] - alone).abs().max() < 1e-9


@pytest.mark.parametrize("seconds", [1, 2, 40])
def test_a_film_of_silence_lies_on_its_background(seconds):
    frames = math.ceil(62.5 * seconds)
    assert (views_of(torch.full((1, 128, frames), SILENCE), **TWO_VIEWS) == 0).all()


@pytest.mark.parametrize(
    "sound, sounding",
    [("nothing", False), ("dither", False), ("noise", False), ("quiet room", True), ("quiet tone", True)],
)
def test_silence_is_told_from_quiet_recordings(sound, sounding):
    rng = np.random.default_rng(0)
    time, noise = np.arange(32000) / 16000, rng.standard_normal(32000)
    waveform = {
        "nothing": 0 * noise,
        "dither": np.round(rng.random(32000) - rng.random(32000)) / 2**15,
        "noise": 10 ** (-90 / 20) * noise,
        "quiet room": 10 ** (-75 / 20) * noise,
        "quiet tone": 10 ** (-80 / 20) * np.sin(2 * np.pi * 440 * time),
    }[sound]
    extractor = DAViHDFeatureExtractor(log_mel_rate=62.5)
    log_mel = torch.as_tensor(extractor(audio=waveform.astype(np.float32), sampling_rate=16000).log_mel)
    medians = medians_of_seconds(log_mel.mT, torch.tensor([125]), SegmentRows.of_batch(1, 2), 62.5)
    _, known = medians_of_windows(medians.mT[:, None], least=1)
    assert known.item() is sounding


class LargestTensor(TorchDispatchMode):
    """Remembers how many bytes the largest tensor made meanwhile takes."""

    bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            self.bytes = max(self.bytes, tensor.untyped_storage().nbytes())
        return result


def test_backgrounds_of_hours_take_the_memory_of_their_seconds():
    medians = torch.randn(1, 7200, 8)
    with LargestTensor() as largest:
        running_median(medians, 31, 8)
        median_of_film(medians, 8)
    assert largest.bytes < 3 * medians.untyped_storage().nbytes()  # all windows would be 31 times as large


@pytest.mark.parametrize("pooling", [1, 4, 32])
def test_each_second_takes_the_rows_that_it_shares_time_with(pooling):
    segments = SegmentRows.of_batch(2, 9, (torch.arange(9) < torch.tensor([[9], [7]])).long())
    lengths = torch.ceil(segments.lengths * 62.5).long() // pooling
    rows = torch.randn(2, int(lengths.max()), 3, dtype=torch.float64)
    found = align_by_time(rows, lengths, segments, pooling)
    for video, length in enumerate(segments.lengths.tolist()):
        start = torch.arange(int(lengths[video]), dtype=torch.float64) * pooling / 62.5
        for second in range(length):
            shared = (start + pooling / 62.5).clamp(max=second + 1) - start.clamp(min=second)
            weights = shared.clamp(min=0)
            expected = weights @ rows[video, : len(start)] / weights.sum()
            torch.testing.assert_close(found[video, second], expected)


def test_adaptive_alignment_pools_each_video_by_itself():
    segments = SegmentRows.of_batch(2, 9, (torch.arange(9) < torch.tensor([[9], [6]])).long())
    rows, lengths = torch.randn(2, 5, 3), torch.tensor([5, 3])
    found = align_adaptively(rows, lengths, segments)
    for video, (length, count) in enumerate(zip(lengths.tolist(), segments.lengths.tolist(), strict=True)):
        expected = torch.nn.functional.adaptive_avg_pool1d(rows[video, :length].T, count).T
        torch.testing.assert_close(found[video, :count], expected)
