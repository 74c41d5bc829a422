import numpy as np
import pytest
import torch
import torchaudio

from examples.training.reading import mean_over_seconds
from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel
from modeling_davihd.feature_extraction_davihd import LogMelStream

EVERYTHING = ["pixel_values", "waveform", "log_mel", "attention_mask"]


def whole_file_log_mel(waveform: torch.Tensor) -> torch.Tensor:
    """torchaudio's own spectrogram of the whole file at once."""
    mel = torchaudio.transforms.MelSpectrogram(16000, 2048, hop_length=256, n_mels=128)
    return (mel(waveform) + 1e-8).log()


def sound(seconds: int) -> torch.Tensor:
    """Noise whose level spans 120 dB."""
    torch.manual_seed(seconds)
    return torch.randn(seconds * 16000) * 10 ** torch.linspace(-6, 0, seconds * 16000)


@pytest.mark.parametrize("seconds", [1, 2, 3, 7, 64])
def test_log_mel_is_that_of_the_whole_file(seconds):
    waveform = sound(seconds)
    log_mel = DAViHDFeatureExtractor()(audio=waveform, sampling_rate=16000).log_mel[0]
    assert log_mel.shape == (128, -(-seconds * 125 // 2))
    assert (log_mel - whole_file_log_mel(waveform)[:, : log_mel.shape[1]]).abs().max() < 1e-4


@pytest.mark.parametrize("rate", [62.5, 1])
@pytest.mark.parametrize("chunk", [1, 2, 5, 11])
def test_log_mel_in_chunks_is_that_in_one_pass(chunk, rate):
    extractor = DAViHDFeatureExtractor(log_mel_rate=rate)
    rows = sound(11).view(11, 16000)
    stream = LogMelStream(extractor)
    pieces = [stream.add(rows[start : start + chunk]) for start in range(0, 11, chunk)]
    joined = torch.cat([*pieces, stream.finish()], 1)
    assert joined.shape == (128, 688 if rate == 62.5 else 11)
    assert (joined - extractor.log_mel(rows)).abs().max() < 1e-5


def test_one_frame_a_second_is_the_mean_over_each_second():
    rows = sound(3).view(3, 16000)
    full = DAViHDFeatureExtractor().log_mel(rows)
    seconds = DAViHDFeatureExtractor(log_mel_rate=1).log_mel(rows)
    first = (full[:, :62].sum(1) + full[:, 62] / 2) / 62.5  # frame 62 straddles the seconds 0 and 1
    second = (full[:, 62] / 2 + full[:, 63:125].sum(1)) / 62.5
    assert torch.allclose(seconds[:, 0], first, atol=1e-4)
    assert torch.allclose(seconds[:, 1], second, atol=1e-4)


def test_the_released_grid_takes_62_frames_for_a_second():
    """So that second 125 of a film is what sounds at 124 s; in chunks and of a dataset's rows, too."""
    rows = torch.zeros(130, 16000)
    rows[124] = sound(1)
    extractor = DAViHDFeatureExtractor(log_mel_rate=1, log_mel_grid="released")
    full, released = DAViHDFeatureExtractor().log_mel(rows), extractor.log_mel(rows)
    assert released.shape == (128, 130) and released.mean(0).argmax() == 125
    for second in (0, 1, 124, 125, 129):
        expected = full[:, 62 * second : 62 * (second + 1)].mean(1)
        assert torch.allclose(released[:, second], expected, atol=1e-4)
    torch.testing.assert_close(mean_over_seconds(full.T, 130, 62), released.T, atol=1e-4, rtol=0)


def test_silence_is_the_log_of_the_offset():
    log_mel = DAViHDFeatureExtractor()(audio=np.zeros(16000), sampling_rate=16000).log_mel
    assert torch.allclose(log_mel, torch.tensor(1e-8).log())


class Decoder:
    """As `datasets` gives with torchcodec: no dict, but asked as one."""

    def get_all_samples(self):
        raise NotImplementedError

    def __getitem__(self, key: str):
        return {"array": np.full(8000, 0.5, np.float32), "sampling_rate": 8000}[key]


@pytest.mark.parametrize(
    "audio, rate, channels_first",
    [
        (np.full((2, 48000), 0.5, np.float32), 48000, True),
        (np.full((44100, 2), 0.5), 44100, False),
        (np.full(8000, 2**14, np.int16), 8000, None),
        (torch.full((16000,), 2**30, dtype=torch.int32), 16000, None),
        ([0.5] * 8000, 8000, None),
        (np.full(8000, 0.5)[::-1], 8000, True),
        ({"array": np.full(8000, 0.5), "sampling_rate": 8000, "path": "a.wav"}, None, None),
        (Decoder(), 8000, None),
        ({"array": np.full((2, 8000), 0.5), "sampling_rate": 8000}, None, True),
    ],
    ids=[
        "stereo",
        "channels last",
        "int16",
        "int32",
        "floats",
        "backwards",
        "dict",
        "decoder",
        "stereo dict",
    ],
)
def test_any_kind_of_sound_keeps_its_level(audio, rate, channels_first):
    extractor = DAViHDFeatureExtractor(EVERYTHING)
    waveform = extractor(audio=audio, sampling_rate=rate, channels_first=channels_first).waveform
    assert waveform.shape == (1, 1, 16000)
    assert torch.allclose(waveform[0, 0, 1000:-1000], torch.tensor(0.5), atol=5e-3)


def test_arrays_are_read_as_whisper_reads_them():
    """Two dimensions are a batch, of arrays as of lists; with channels, three are."""
    extractor = DAViHDFeatureExtractor(EVERYTHING)
    both = np.stack([sound(2), sound(2).flip(0)])
    one_by_one = extractor(audio=list(both), sampling_rate=16000).waveform
    assert one_by_one.shape == (2, 2, 16000)
    dicts = [{"array": one, "sampling_rate": 16000} for one in both]
    for batch in (both, torch.from_numpy(both), both.tolist(), dicts):
        rate = None if batch is dicts else 16000
        assert torch.equal(extractor(audio=batch, sampling_rate=rate).waveform, one_by_one)
    stereo = np.stack([both, -both], 1)
    for first, batch in ((True, stereo), (False, stereo.swapaxes(1, 2)), (True, list(stereo))):
        found = extractor(audio=batch, sampling_rate=16000, channels_first=first).waveform
        assert found.shape == (2, 2, 16000) and found.abs().max() == 0


def test_batch_is_padded_at_the_end():
    extractor = DAViHDFeatureExtractor(EVERYTHING, image_size=8)
    frames = [torch.randint(256, (n, 8, 8, 3), dtype=torch.uint8) for n in (3, 2)]
    batch = extractor(frames, [sound(3), sound(2)[:-100]], 16000)
    assert batch.pixel_values.shape == (2, 3, 1, 3, 8, 8)
    assert batch.waveform.shape == (2, 3, 16000)
    assert batch.log_mel.shape == (2, 128, 188)
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    alone = extractor(frames[1], sound(2)[:-100], 16000)
    assert torch.equal(batch.log_mel[1, :, :125], alone.log_mel[0])
    assert torch.equal(batch.waveform[1, :2], alone.waveform[0])
    assert torch.equal(batch.pixel_values[1, :2], alone.pixel_values[0])


def test_only_what_the_model_reads_is_made():
    batch = DAViHDFeatureExtractor()(audio=sound(1), sampling_rate=16000)
    assert set(batch) == {"log_mel", "attention_mask"}


def test_frames_are_scaled_and_normalised():
    extractor = DAViHDFeatureExtractor(
        EVERYTHING, image_size=16, image_mean=[0, 0.5, 1], image_std=[1, 0.5, 0.25]
    )
    frames = np.zeros((1, 1, 40, 60, 3), np.uint8) + np.array([0, 255, 51], np.uint8)
    pixels = extractor(frames).pixel_values
    assert pixels.shape == (1, 1, 1, 3, 16, 16)
    assert torch.allclose(pixels[0, 0, 0, :, 3, 3], torch.tensor([0.0, 1.0, -3.2]), atol=1e-5)


def test_sound_and_picture_may_differ_by_a_second():
    extractor = DAViHDFeatureExtractor(EVERYTHING, image_size=8)
    frames = torch.randint(256, (4, 8, 8, 3), dtype=torch.uint8)
    assert extractor(frames, sound(3), 16000).waveform[0, 3].abs().max() == 0
    longer = extractor(frames, sound(5), 16000).pixel_values[0]
    assert torch.equal(longer[4], longer[3])
    with pytest.raises(ValueError, match="Video 0 has 4 s of `frames` and 7 s of `audio`"):
        extractor(frames, sound(7), 16000)


def test_numpy_output():
    batch = DAViHDFeatureExtractor()(audio=[sound(1), sound(2)], sampling_rate=16000, return_tensors="np")
    assert isinstance(batch["log_mel"], np.ndarray)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "Neither `frames` nor `audio`"),
        ({"audio": sound(1)}, "`sampling_rate` is None"),
        ({"audio": sound(1), "sampling_rate": 0}, "`sampling_rate` is 0"),
        ({"audio": sound(1), "sampling_rate": 44100.5}, "`sampling_rate` is 44100.5"),
        ({"audio": sound(1) * 1e30, "sampling_rate": 16000}, "huge"),
        ({"audio": np.zeros(0), "sampling_rate": 8000}, "`audio` is empty"),
        ({"audio": np.zeros((8000, 2)), "sampling_rate": 8000}, "8000 sounds of 2 samples; .*channels_first"),
        (
            {"audio": [np.zeros((2, 99))], "sampling_rate": 8000},
            "`audio` holds .* 99.; `channels_first` needs",
        ),
        ({"audio": np.zeros((2, 2, 99)), "sampling_rate": 8000}, "`audio` holds a sound of shape .2, 99."),
        (
            {"audio": np.zeros((99, 2)), "sampling_rate": 8000, "channels_first": True},
            "`audio` holds a sound of shape .99, 2., which has 99 channels",
        ),
        ({"audio": "film.wav", "sampling_rate": 8000}, "`audio` is str 'film.wav'"),
        ({"audio": ["film.wav"], "sampling_rate": 8000}, "`audio` holds str 'film.wav'|`audio` holds"),
        ({"audio": [None], "sampling_rate": 8000}, "`audio` holds NoneType None"),
        ({"audio": []}, "`audio` is list"),
        (
            {"audio": {"bytes": b"", "path": "a.wav"}},
            "`audio` is a dict of 'bytes', 'path'; it needs 'array'",
        ),
        (
            {"audio": {"array": [0.0], "sampling_rate": 8000}, "sampling_rate": 9000},
            "that of `audio` is 8000",
        ),
        ({"audio": np.array([0.0, np.nan]), "sampling_rate": 8000}, "NaN"),
        ({"audio": np.zeros(9, np.uint8), "sampling_rate": 8000}, "`audio` holds torch.uint8"),
        ({"frames": np.zeros((2, 8, 8, 3))}, "`frames` holds torch.float64"),
        ({"frames": np.zeros((2, 8, 8, 4), np.uint8)}, "`frames` holds"),
        ({"frames": [], "audio": None}, "`frames` is list .* list of at least one"),
        ({"frames": [None]}, "`frames` holds NoneType"),
    ],
)
def test_wrong_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DAViHDFeatureExtractor(EVERYTHING)(**arguments)


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="`model_input_names` holds"):
        DAViHDFeatureExtractor(["sound"])
    with pytest.raises(ValueError, match="`log_mel_rate` is 50"):
        DAViHDFeatureExtractor(log_mel_rate=50)
    with pytest.raises(ValueError, match="`log_mel_grid` is 'minutes'"):
        DAViHDFeatureExtractor(log_mel_grid="minutes")
    with pytest.raises(ValueError, match="`log_mel_grid` is 'released'; it needs a `log_mel_rate` of 1"):
        DAViHDFeatureExtractor(log_mel_grid="released")
    with pytest.raises(ValueError, match="`hop_length` is 512; .* need 256"):
        DAViHDFeatureExtractor(hop_length=512, log_mel_rate=1)


def test_save_and_load_also_through_the_auto_class(tmp_path):
    from transformers import AutoFeatureExtractor

    extractor = DAViHDFeatureExtractor(EVERYTHING, log_mel_rate=1, frames_per_segment=16, image_size=112)
    extractor.save_pretrained(tmp_path)
    DAViHDConfig().save_pretrained(tmp_path)
    for loaded in (
        DAViHDFeatureExtractor.from_pretrained(tmp_path),
        AutoFeatureExtractor.from_pretrained(tmp_path),
    ):
        assert type(loaded) is DAViHDFeatureExtractor
        assert loaded.to_dict() == extractor.to_dict()


def test_extractor_feeds_the_model():
    config = DAViHDConfig(
        modalities=["dynamics"], dynamics_dim=32, dynamics_channels=[4] * 6, score_hidden_dim=8
    )
    inputs = DAViHDFeatureExtractor()(audio=[sound(3), sound(1)], sampling_rate=16000)
    assert DAViHDModel(config).eval()(**inputs).scores.shape == (2, 3)
