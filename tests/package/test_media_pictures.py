"""What the pictures of a reel look like: colours and orientation, with NumPy as the independent reader."""

import gc
import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from av.codec.context import Flags
from film_contents import SMALL, decode, shown
from films import make_film, numbered_frame

from modeling_davihd import media_encoders
from modeling_davihd.media import (
    MediaError,
    ReelOptions,
    Shot,
    cut_clips,
    cut_films,
    cut_reel,
    probe,
    write_film,
)
from modeling_davihd.media_encoders import ENCODERS, Encoding

# AVCOL_SPC, with the shares of red and blue in the brightness; AVCOL_RANGE.
BT709, UNKNOWN, BT601, BT2020 = 1, 2, 5, 9
SHARES = {BT709: (0.2126, 0.0722), UNKNOWN: (0.299, 0.114), BT601: (0.299, 0.114), BT2020: (0.2627, 0.0593)}
LIMITED, FULL = 1, 2
HLG, PQ = 18, 16
PATCHES = np.array([[255] * 3, [0] * 3, [128] * 3, [224, 172, 138], [200, 40, 40], [50, 60, 190]], np.uint8)
CHART = PATCHES.reshape(2, 3, 3).repeat(32, 0).repeat(32, 1)


def scales(matrix: int, extent: int, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A 3 x 3 matrix from RGB in [0, 1] to Y, Cb, Cr, the levels of each, and what is added to them."""
    red, blue = SHARES[matrix]
    brightness = np.array([red, 1 - red - blue, blue])
    rows = [brightness, ([0, 0, 1] - brightness) / (2 - 2 * blue), ([1, 0, 0] - brightness) / (2 - 2 * red)]
    unit = 2.0 ** (bits - 8)
    if extent == FULL:
        return np.array(rows), np.full(3, 2.0**bits - 1), np.array([0, 128, 128]) * unit
    return np.array(rows), np.array([219, 224, 224]) * unit, np.array([16, 128, 128]) * unit


def stored(picture: np.ndarray, matrix: int, extent: int, bits: int) -> np.ndarray:
    """RGB uint8 (H, W, 3) as the planes of yuv420p, one above the other."""
    rows, levels, zeros = scales(matrix, extent, bits)
    planes = np.round(picture / 255 @ rows.T * levels + zeros).astype(np.uint8 if bits == 8 else np.uint16)
    chroma = planes[::2, ::2, 1:].transpose(2, 0, 1).reshape(-1, picture.shape[1])
    return np.concatenate([planes[..., 0], chroma])


def seen(path) -> tuple[np.ndarray, av.VideoFrame]:
    """The middle frame of a reel as RGB float (H, W, 3), as its own tags have it, and the frame."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    frame = frames[len(frames) // 2]
    planes, height = frame.to_ndarray().astype(float), frame.height
    chroma = planes[height:].reshape(2, height // 2, -1).repeat(2, 1).repeat(2, 2)
    rows, levels, zeros = scales(frame.colorspace, frame.color_range, 10 if "10" in frame.format.name else 8)
    ycc = (np.stack([planes[:height], *chroma], -1) - zeros) / levels
    return ycc @ np.linalg.inv(rows).T * 255, frame


def patches(picture: np.ndarray) -> np.ndarray:
    """The colours in the middle of the patches of CHART."""
    return picture[16::32, 16::32].reshape(-1, 3)


def still_film(path, frame, matrix=UNKNOWN, extent=0, transfer=UNKNOWN, *, rotation=0, aspect=1):
    """Half a second of one frame, in FFV1 with tags. Only an mp4 keeps the shape of its pixels."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=10)
        video.width, video.height, video.pix_fmt = frame.width, frame.height, frame.format.name
        context = video.codec_context
        context.colorspace, context.color_range, context.color_trc = matrix, extent, transfer
        context.color_primaries = {BT2020: BT2020}.get(matrix, UNKNOWN)
        context.sample_aspect_ratio = aspect
        video.set_display_rotation(rotation)
        for number in range(5):
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize(
    ("pixels", "matrix", "extent", "transfer", "rotation"),
    [
        ("yuv420p", BT709, FULL, BT709, 90),
        ("yuv420p", BT601, LIMITED, UNKNOWN, 0),
        ("yuv420p10le", BT2020, LIMITED, HLG, 0),
        ("yuv420p10le", BT709, FULL, UNKNOWN, 180),
        ("bgr0", UNKNOWN, 0, UNKNOWN, 0),
        ("gbrp10le", 0, FULL, UNKNOWN, 270),
    ],
)
def test_a_reel_has_the_colours_of_the_film(tmp_path, pixels, matrix, extent, transfer, rotation):
    upright = np.rot90(CHART, rotation // 90)
    if pixels.startswith("yuv"):
        planes = stored(CHART, matrix, extent, 10 if "10" in pixels else 8)
        frame = av.VideoFrame.from_ndarray(planes, format=pixels)
    else:
        frame = av.VideoFrame.from_ndarray(CHART, format="rgb24").reformat(format=pixels)
    path = still_film(tmp_path / "film.mkv", frame, matrix, extent, transfer, rotation=rotation)
    cut_reel(path, [(0, 0.4)], tmp_path / "reel.mp4")
    picture, tagged = seen(tmp_path / "reel.mp4")
    assert np.abs(patches(picture) - patches(upright)).max() <= 3
    colours = (matrix, extent) if pixels.startswith("yuv") else (BT709, LIMITED)
    assert (tagged.colorspace, tagged.color_range, tagged.color_trc) == (*colours, transfer)
    assert ("10" in tagged.format.name) == ("10" in pixels)


DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"


@pytest.fixture(scope="module")
def hdr_film(tmp_path_factory):
    """Ten frames of HDR10, with what it says of the display and of its light."""
    path = tmp_path_factory.mktemp("hdr") / "film.mp4"
    said = f"log-level=error:bframes=0:master-display={DISPLAY}:max-cll=1000,400"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx265", 25, {"preset": "ultrafast", "x265-params": said})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p10le"
        context = video.codec_context
        context.colorspace = context.color_primaries = BT2020
        context.color_range, context.color_trc = LIMITED, PQ
        planes = stored(CHART, BT2020, LIMITED, 10)
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p10le")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def said_of_light(frame) -> list[float]:
    """Twelve numbers of the display, in thousandths where they are of colours, and the light levels."""
    numbers = np.frombuffer(bytes(frame.side_data["MASTERING_DISPLAY_METADATA"]), np.int32)[:20]
    levels = np.frombuffer(bytes(frame.side_data["CONTENT_LIGHT_LEVEL"]), np.int32)
    values = numbers[::2] / numbers[1::2]
    return [*(values[:8] * 1000), *values[8:], *levels]


def test_pictures_stay_in_memory_no_longer_than_they_are_used(tmp_path, hdr_film):
    gc.collect()
    gc.disable()
    try:
        cut_reel(hdr_film, [(0.0, 0.4)], tmp_path / "reel.mp4", options=ReelOptions(codec="h264"))
        assert not any(isinstance(one, av.VideoFrame) for one in gc.get_objects())
    finally:
        gc.enable()


@pytest.mark.parametrize(("codec", "name"), [(None, "hevc"), ("av1", "av1"), ("h264", "h264")])
def test_hdr_of_ten_bits_stays_so_where_the_codec_allows(tmp_path, hdr_film, codec, name):
    cut_reel(hdr_film, [(0.08, 0.36)], tmp_path / "reel.mp4", options=ReelOptions(codec=codec))
    with av.open(str(tmp_path / "reel.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec.canonical_name == name
        assert {packet.duration * packet.time_base for packet in container.demux(stream) if packet.size} == {
            Fraction(1, 25)
        }
    picture, frame = seen(tmp_path / "reel.mp4")
    assert (frame.colorspace, frame.color_range) == (BT2020, LIMITED)
    assert (frame.color_primaries, frame.color_trc) == (BT2020, PQ)
    assert np.abs(patches(picture) - PATCHES).max() <= 5
    assert frame.format.name == ("yuv420p" if name == "h264" else "yuv420p10le")
    if name != "h264":
        with av.open(str(tmp_path / "reel.mp4")) as reel, av.open(str(hdr_film)) as film:
            ours, theirs = (said_of_light(next(one.decode(video=0))) for one in (reel, film))
        assert ours == pytest.approx(theirs, rel=0.01)


LIGHT = np.array([[0] * 3, [20] * 3, [203] * 3, [990] * 3, [150, 60, 40], [30, 50, 120]])  # cd/m2, BT.2020
TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])


def hdr_signal(light: np.ndarray, transfer: int) -> np.ndarray:
    """What stands for so much light, from 0 to 1, in PQ, or in HLG on a display of 1000 cd/m2."""
    if transfer == PQ:
        power = (light / 10_000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    scene = (light / 1000) ** (1 / 1.2)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_beside_sdr_becomes_sdr(tmp_path, transfer):
    chart = 255 * hdr_signal(LIGHT.reshape(2, 3, 3).repeat(32, 0).repeat(32, 1).astype(float), transfer)
    frame = av.VideoFrame.from_ndarray(stored(chart, BT2020, LIMITED, 10), format="yuv420p10le")
    hdr = probe(still_film(tmp_path / "hdr.mkv", frame, BT2020, LIMITED, transfer))
    sdr = probe(make_film(tmp_path / "sdr.mp4", times=[0, 0.1], fps=10, size=(48, 32)))
    cut_films([Shot(hdr, 0, 0.4), Shot(sdr, 0, 0.2)], tmp_path / "reel.mp4")
    picture, tagged = seen(tmp_path / "reel.mp4")
    white = np.maximum(LIGHT @ TO_BT709.T, 0) / 203
    expected = 255 * (white * (1 + white * (203 / 1000) ** 2) / (1 + white)) ** (1 / 2.4)
    assert np.abs(patches(picture) - expected).max() <= 5
    tags = (tagged.colorspace, tagged.color_primaries, tagged.color_trc, tagged.format.name)
    assert tags == (BT709, BT709, BT709, "yuv420p")
    shutil.copy(hdr.path, tmp_path / "other.mkv")
    cut_films([Shot(hdr, 0, 0.2), Shot(probe(tmp_path / "other.mkv"), 0, 0.2)], tmp_path / "reel.mp4")
    assert seen(tmp_path / "reel.mp4")[1].color_trc == transfer


@pytest.mark.parametrize(("width", "height"), [(2, 2), (70, 8)])
def test_small_pictures_of_ten_bits_make_reels(tmp_path, width, height):
    frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
    path = still_film(tmp_path / "film.mkv", frame.reformat(format="yuv420p10le"))
    cut_reel(path, [(0, 0.4)], tmp_path / "reel.mp4")
    assert (probe(tmp_path / "reel.mp4").width, probe(tmp_path / "reel.mp4").height) == (width, height)


def test_a_codec_without_an_encoder_is_a_sentence(tmp_path, hdr_film, monkeypatch):
    monkeypatch.setitem(ENCODERS, "av1", ("libnone", {}))
    with pytest.raises(MediaError, match="codec is av1; PyAV .* lacks libnone and offers h264, hevc"):
        cut_reel(hdr_film, [(0, 0.2)], tmp_path / "reel.mp4", options=ReelOptions(codec="av1"))
    with pytest.raises(ValueError, match="codec is 'vp9'"):
        ReelOptions(codec="vp9")
    monkeypatch.setitem(ENCODERS, "hevc", ("libnone", {}))
    cut_reel(hdr_film, [(0, 0.2)], tmp_path / "reel.mp4")
    assert seen(tmp_path / "reel.mp4")[1].format.name == "yuv420p"


def test_the_encoder_of_the_machine_is_used_if_it_works(tmp_path, hdr_film, monkeypatch):
    film = make_film(tmp_path / "film.mp4", times=np.arange(8) / 10, fps=10, size=(64, 64))
    reel, options = tmp_path / "reel.mp4", ReelOptions(encoder="hardware")
    monkeypatch.setattr(media_encoders, "HARDWARE", {"nonesuch": {}})
    media_encoders.hardware_encoding.cache_clear()
    cut_reel(film, [(0, 0.8)], reel, options=options)
    assert [number for _, number in shown(reel)[0]] == list(range(8))
    # x264 stands for a machine's encoder that takes pictures in another form.
    own = Encoding("libx264", {"bf": "0", "x264-params": "stitchable=1"}, "nv12")
    monkeypatch.setattr(media_encoders, "hardware_encoding", lambda codec, size, deep: own)
    cut_reel(film, [(0, 0.8)], tmp_path / "own.mp4", options=options)
    assert [number for _, number in shown(tmp_path / "own.mp4")[0]] == list(range(8))
    assert b"stitchable=1" in (tmp_path / "own.mp4").read_bytes() and b"stitchable=1" not in reel.read_bytes()
    cut_reel(hdr_film, [(0, 0.2)], reel, options=options)  # whose light it would lose
    assert seen(reel)[1].format.name == "yuv420p10le"


def test_reels_are_cut_where_numpy_finds_no_instructions_beyond_its_own(tmp_path, monkeypatch):
    film = make_film(tmp_path / "film.mp4", times=np.arange(4) / 10, fps=10, size=(64, 64))
    for said in ({}, {"SIMD Extensions": {"baseline": ["NEON"]}}):
        monkeypatch.setattr(np, "show_config", lambda mode, said=said: said)
        cut_reel(film, [(0, 0.4)], tmp_path / "reel.mp4")
        assert [number for _, number in shown(tmp_path / "reel.mp4")[0]] == list(range(4))


def test_an_encoder_that_fails_or_reorders_does_not_work():
    assert media_encoders._works(Encoding("libx264", {"bf": "0"}, "yuv420p"), (64, 64))
    for encoder, options, pixels in (("libx264", {"bf": "2"}, "yuv420p"), ("libx264", {}, "gbrpf32le")):
        assert not media_encoders._works(Encoding(encoder, options, pixels), (64, 64))
    with pytest.raises(ValueError, match="encoder is 'magic'"):
        ReelOptions(encoder="magic")


def test_a_written_film_says_how_its_colours_are_meant(tmp_path):
    write_film(tmp_path / "film.mp4", [CHART] * 5, None, fps=5, sampling_rate=16000)
    picture, tagged = seen(tmp_path / "film.mp4")
    assert np.abs(patches(picture) - PATCHES).max() <= 3
    assert (tagged.colorspace, tagged.color_range) == (BT709, LIMITED)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_stand_upright(tmp_path, rotation, mirrored):
    path = make_film(
        tmp_path / "phone.mp4", times=[0, 1], fps=1, size=(96, 64), rotation=rotation, mirrored=mirrored
    )
    upright = np.rot90(numbered_frame(1, 96, 64), rotation // 90)[:, :: -1 if mirrored else 1]
    cut_reel(path, [(1, 2)], tmp_path / "reel.mp4")
    picture, _ = seen(tmp_path / "reel.mp4")
    assert picture.shape == upright.shape and np.abs(picture - upright)[4::8, 4::8].max() < 40
    _, frames, _ = decode(path, frames=SMALL)
    corners = frames[1, 0][[5, 5, -5, -5], [5, -5, 5, -5]]
    assert np.abs(corners - upright[[5, 5, -5, -5], [5, -5, 5, -5]].astype(int)).max() < 40


# Interlaced films


def bar(place: int) -> np.ndarray:
    """A white bar on black, `place` pixels from the left: uint8 (48, 96, 3)."""
    picture = np.zeros((48, 96, 3), np.uint8)
    picture[:, place : place + 16] = 255
    return picture


def interlaced_film(path, fields, first: str):
    """25 frames a second of 50 fields, of which `first` ("tff" or "bff") comes first, in MPEG-2."""
    upper = 0 if first == "tff" else 1
    graph = av.filter.Graph()
    source = graph.add_buffer(width=96, height=48, format="yuv420p", time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("setfield", first), graph.add("buffersink")).configure()
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.bit_rate = 96, 48, 4_000_000
        video.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        for number, (early, late) in enumerate(zip(fields[::2], fields[1::2], strict=True)):
            woven = early.copy()
            woven[1 - upper :: 2] = late[1 - upper :: 2]
            frame = av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p")
            frame.pts = number
            graph.push(frame)
            container.mux(video.encode(graph.pull()))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize("first", ["tff", "bff"])
def test_an_interlaced_film_makes_a_reel_without_combs(tmp_path, first):
    path = interlaced_film(tmp_path / "film.ts", [bar(2 * place) for place in range(40)], first)
    cut_reel(path, [(0.2, 0.6)], tmp_path / "reel.mp4")
    with av.open(str(tmp_path / "reel.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(np.arange(10) / 25, abs=1e-3)
    assert not any(frame.interlaced_frame for frame in frames)
    for number, frame in enumerate(frames, start=5):
        picture = frame.to_ndarray(format="gray").astype(int)
        assert np.abs(np.diff(picture[4:-4], axis=0)).max() < 40  # rows beside each other agree
        assert np.flatnonzero(picture[24] > 128)[0] == pytest.approx(4 * number, abs=1)


# Films whose shape changes on the way


def disc(width: int, height: int, aspect: Fraction) -> np.ndarray:
    """A white disc on grey, round where pixels are `aspect` times as wide as high: uint8 (H, W, 3)."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot((columns + 0.5 - width / 2) * float(aspect), rows + 0.5 - height / 2)
    return np.where(distance < 16, 255, 100).astype(np.uint8)[..., None].repeat(3, 2)


def changing_film(path, shapes):
    """A second for each shape, (width, height, aspect), one after the other in one stream of MPEG-2."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height = shapes[0][:2]
        for second, (width, height, aspect) in enumerate(shapes):
            encoder = av.CodecContext.create("mpeg2video", "w")
            encoder.width, encoder.height, encoder.pix_fmt, encoder.bit_rate = (
                width,
                height,
                "yuv420p",
                2_000_000,
            )
            encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
            encoder.sample_aspect_ratio = aspect
            frame = av.VideoFrame.from_ndarray(disc(width, height, aspect), format="rgb24")
            packets = []
            for number in range(25):
                frame.pts, frame.time_base = 25 * second + number, Fraction(1, 25)
                packets += encoder.encode(frame)
            for packet in [*packets, *encoder.encode(None)]:
                packet.stream = video
                container.mux(packet)
    return path


def roundness(path, middle: float):
    """(width, height) of a reel, and how wide and how high the disc in its frame at `middle` seconds is."""
    with av.open(str(path)) as container:
        frame = next(frame for frame in container.decode(video=0) if frame.time >= middle)
    white = frame.to_ndarray(format="gray") > 180
    return (frame.width, frame.height), (white.any(0).sum(), white.any(1).sum())


@pytest.mark.parametrize(
    ("shapes", "sizes"),
    [
        ([(64, 48, Fraction(1)), (64, 48, Fraction(4, 3))], [(64, 48), (86, 48)]),
        ([(96, 48, Fraction(1)), (48, 96, Fraction(1))], [(96, 48), (48, 96)]),
    ],
)
def test_what_is_round_stays_round_where_the_shape_changes(tmp_path, shapes, sizes):
    path = changing_film(tmp_path / "film.ts", shapes)
    clips = [tmp_path / "1.mp4", tmp_path / "2.mp4"]
    cut_reel(path, [(0, 2)], tmp_path / "reel.mp4")
    cut_clips(path, [(0, 1), (1, 2)], clips)
    for clip, size in zip(clips, sizes, strict=True):
        shape, (width, height) = roundness(clip, 0.5)
        assert shape == size and width == pytest.approx(32, abs=2) and height == pytest.approx(32, abs=2)
    for time in (0.5, 1.5):
        shape, (width, height) = roundness(tmp_path / "reel.mp4", time)
        assert shape == sizes[0] and width == pytest.approx(height, abs=2)


def test_pixels_have_the_shape_that_the_container_says(tmp_path):
    frame = av.VideoFrame.from_ndarray(disc(32, 48, Fraction(2)), format="rgb24").reformat(format="yuv420p")
    path = still_film(tmp_path / "film.mp4", frame, rotation=90, aspect=2)
    cut_reel(path, [(0, 0.5)], tmp_path / "reel.mp4")
    shape, (width, height) = roundness(tmp_path / "reel.mp4", 0.2)
    assert shape == (48, 64) and width == pytest.approx(32, abs=2) and height == pytest.approx(32, abs=2)
