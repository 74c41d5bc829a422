import av
from results import result_of, written

from modeling_davihd.highlights import Sound


def test_cues_are_the_highlights(tmp_path):
    heard = [(Sound("cheering", 0.93), Sound("a<b> & c", 0.8)), ()]
    path = written(result_of([(12, 20.25), (3601.5, 3610)], duration=4000, sounds=heard), tmp_path, "vtt")
    assert path.read_text(encoding="utf-8").split("\n\n")[1] == (
        "1\n00:00:12.000 --> 00:00:20.250\nHighlight 1, score 0.75: cheering, a&lt;b&gt; &amp; c"
    )
    with av.open(str(path)) as container:
        cues = [(packet.pts, packet.duration, bytes(packet)) for packet in container.demux() if packet.size]
    assert [(start, length) for start, length, _ in cues] == [(12000, 8250), (3601500, 8500)]
    assert cues[1][2] == b"Highlight 2, score 0.75"
