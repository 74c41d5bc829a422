"""What the pictures of a reel look like: colours and orientation, with NumPy as the independent reader."""

import av
import numpy as np
import pytest
from film_contents import SMALL, decode
from films import make_film, numbered_frame

from modeling_davihd.media import cut_reel, write_film

# AVCOL_SPC, with the shares of red and blue in the brightness; AVCOL_RANGE.
BT709, UNKNOWN, BT601, BT2020 = 1, 2, 5, 9
SHARES = {BT709: (0.2126, 0.0722), UNKNOWN: (0.299, 0.114), BT601: (0.299, 0.114), BT2020: (0.2627, 0.0593)}
LIMITED, FULL = 1, 2
HLG = 18
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
    rows, levels, zeros = scales(frame.colorspace, frame.color_range, 8)
    ycc = (np.stack([planes[:height], *chroma], -1) - zeros) / levels
    return ycc @ np.linalg.inv(rows).T * 255, frame


def patches(picture: np.ndarray) -> np.ndarray:
    """The colours in the middle of the patches of CHART."""
    return picture[16::32, 16::32].reshape(-1, 3)


def chart_film(path, frame: av.VideoFrame, matrix: int, extent: int, transfer: int, rotation: int):
    """Half a second of one frame, in FFV1 with tags."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=10)
        video.width, video.height, video.pix_fmt = frame.width, frame.height, frame.format.name
        context = video.codec_context
        context.colorspace, context.color_range, context.color_trc = matrix, extent, transfer
        context.color_primaries = {BT2020: BT2020}.get(matrix, UNKNOWN)
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
    path = chart_film(tmp_path / "film.mkv", frame, matrix, extent, transfer, rotation)
    cut_reel(path, [(0, 0.4)], tmp_path / "reel.mp4")
    picture, tagged = seen(tmp_path / "reel.mp4")
    assert np.abs(patches(picture) - patches(upright)).max() <= 3
    colours = (matrix, extent) if pixels.startswith("yuv") else (BT709, LIMITED)
    assert (tagged.colorspace, tagged.color_range, tagged.color_trc) == (*colours, transfer)


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
