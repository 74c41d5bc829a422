"""Padding, windows in time, batch norm without padding, background and alignment."""

import pytest
import torch
from tiny_models import random_inputs, tiny_model

from modeling_davihd import modeling_davihd, streaming_davihd
from modeling_davihd.streaming_davihd import (
    DAViHDBatchNorm,
    FrameSource,
    HaloedStates,
    RunningSoftmaxSum,
    SegmentRows,
    align_adaptively,
    align_by_time,
    frame_mask,
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


@pytest.mark.parametrize("lengths", [[20, 20], [20, 7]], ids=["equal", "padded"])
def test_long_videos_pass_in_windows_with_the_same_scores(monkeypatch, lengths):
    model = tiny_model(modalities=["dynamics"])
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


def test_training_statistics_leave_padding_out():
    """Two videos in a padded batch teach a batch norm what they teach it joined without padding."""
    torch.manual_seed(0)
    states = torch.randn(2, 3, 8, 5)
    mask = frame_mask(torch.tensor([8, 3]), 8)
    joined = torch.cat((states[0], states[1, :, :3]), 1)[None]
    norms = [DAViHDBatchNorm(3) for _ in range(2)]
    for norm in norms:
        norm.update_due = True
    padded, whole = norms[0](states.masked_fill(~mask, 7.0), mask), norms[1](joined)
    assert torch.allclose(padded[0], whole[0, :, :8], atol=1e-6)
    assert torch.allclose(padded[1, :, :3], whole[0, :, 8:], atol=1e-6)
    assert torch.allclose(norms[0].running_mean, norms[1].running_mean, atol=1e-6)
    assert torch.allclose(norms[0].running_var, norms[1].running_var, atol=1e-6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_batch_norm_leave_padding_out(layout):
    """They are those of the two videos joined without padding, in the layout of the states."""
    torch.manual_seed(0)
    states, weighting = torch.randn(2, 2, 3, 8, 5, dtype=torch.float64) + 3
    mask = frame_mask(torch.tensor([8, 3]), 8)

    def join(videos: torch.Tensor) -> torch.Tensor:
        return torch.cat((videos[0], videos[1, :, :3]), 1)[None]

    padded = states.masked_fill(~mask, 7.0).contiguous(memory_format=layout).requires_grad_()
    joined = join(states).requires_grad_()
    norms = [DAViHDBatchNorm(3).double() for _ in range(2)]
    for norm in norms:
        norm.load_state_dict({"weight": torch.arange(1, 4), "bias": torch.arange(3)}, strict=False)
    output, expected = norms[0](padded, mask), norms[1](joined)
    assert output.is_contiguous(memory_format=layout)
    assert torch.allclose(join(output), expected)
    for result in (join(output), expected):
        (result * join(weighting)).sum().backward()
    assert torch.allclose(join(padded.grad), joined.grad)
    assert (padded.grad[1, :, 3:] == 0).all()
    for (name, found), (_, expected) in zip(*(norm.named_parameters() for norm in norms), strict=True):
        assert torch.allclose(found.grad, expected.grad), name


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
