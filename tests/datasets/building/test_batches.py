"""Batches across videos: what encoders are sent, and whose features come back."""

import torch

from datasets_scripts.building.batches import IN_FLIGHT, Batches


class Encoder:
    """Doubles what it is sent, when asked for it."""

    def __init__(self):
        self.sent, self.waiting = [], 0

    def submit(self, segments):
        self.sent.append(segments.flatten().tolist())
        self.waiting += 1

        def result():
            self.waiting -= 1
            return 2 * segments

        return result


def segments(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None]


def test_batches_are_full_whatever_videos_the_segments_are_of():
    encoder = Encoder()
    batches = Batches(encoder.submit, size=4)
    first, second = batches.add(segments(1, 2, 3)), batches.add(segments(4, 5, 6, 7, 8, 9))
    assert encoder.sent == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert batches.has_sent(first) and not batches.has_sent(second)
    assert batches.take(first).flatten().tolist() == [2, 4, 6]
    batches.flush()
    assert encoder.sent[2] == [9] and batches.take(second).flatten().tolist() == [8, 10, 12, 14, 16, 18]
    batches.flush()
    assert len(encoder.sent) == 3 and encoder.waiting == 0


def test_few_batches_are_under_way_at_a_time():
    encoder = Encoder()
    batches = Batches(encoder.submit, size=1)
    tickets = batches.add(torch.arange(10.0)[:, None])
    assert encoder.waiting == IN_FLIGHT
    assert batches.take(tickets).flatten().tolist() == [2.0 * number for number in range(10)]


def test_a_video_that_is_given_up_leaves_no_trace_in_others_batches():
    disturbed, undisturbed = Encoder(), Encoder()
    for encoder, poison in ((disturbed, True), (undisturbed, False)):
        batches = Batches(encoder.submit, size=4)
        kept = [batches.add(segments(1, 2))]
        if poison:
            mark = batches.mark()
            batches.add(segments(*range(100, 111)))
            batches.rewind(mark)
        kept.append(batches.add(segments(3, 4, 5)))
        batches.flush()
        features = [batches.take(tickets).flatten().tolist() for tickets in kept]
        assert features == [[2, 4], [6, 8, 10]]
    assert disturbed.sent[-2:] == undisturbed.sent == [[1, 2, 3, 4], [5]]


def test_a_video_may_be_given_up_after_its_neighbours_segments_were_sent_with_its_own():
    encoder = Encoder()
    batches = Batches(encoder.submit, size=2)
    first = batches.add(segments(1))
    mark = batches.mark()
    batches.add(segments(50, 60, 70, 80, 90))
    batches.rewind(mark)
    second = batches.add(segments(2))
    assert batches.take(first).item() == 2 and batches.take(second).item() == 4
