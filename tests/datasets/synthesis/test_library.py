import csv

import av
import numpy as np
import pytest
from sounds import write_wav

from datasets_scripts.building.splits import SPLITS
from datasets_scripts.synthesis import library
from datasets_scripts.synthesis.library import Library


def write_manifest(folder, rows):
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "split", "sha256"), *rows])


def tone(seconds=0.5, rate=16_000, height=0.5):
    return (height * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    for place in ("foreground/bell/a", "foreground/dog/b", "background/rain/c", "minor/step/d", "minor/e"):
        write_wav(tmp_path / f"{place}.wav", tone())
    write_manifest(
        tmp_path,
        [
            ("foreground/bell/a.wav", "train", "1"),
            ("foreground/dog/b.wav", "test", "2"),
            ("background/rain/c.wav", "train", "3"),
            ("minor/step/d.wav", "train", "4"),
            ("minor/e.wav", "train", "5"),
        ],
    )
    return tmp_path


def test_recordings_are_found_by_role_kind_and_split(folder):
    opened = Library.open(folder)
    assert opened.kinds("foreground", "train") == ["bell"]
    assert opened.kinds("foreground", "test") == ["dog"]
    assert opened.kinds("background", "validation") == []
    assert opened.kinds("minor", "train") == ["minor", "step"]
    assert [recording.place for recording in opened.recordings("foreground", "dog", "test")] == [
        "foreground/dog/b.wav"
    ]
    assert opened.recordings("foreground", "dog", "train") == []


def test_a_wav_file_of_16_khz_is_read_as_it_is(folder):
    opened = Library.open(folder)
    [recording] = opened.recordings("foreground", "bell", "train")
    samples = opened.read(recording)
    assert samples.dtype == np.float32 and samples.shape == (8000,)
    np.testing.assert_allclose(samples, tone(), atol=1e-4)


def test_any_format_and_rate_is_read_as_16_khz_mono(tmp_path):
    write_wav(
        tmp_path / "foreground" / "bell" / "stereo.wav", [tone(1.0, 44_100), 0 * tone(1.0, 44_100)], 44_100
    )
    path = tmp_path / "background" / "hum" / "long.flac"
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=22_050, layout="mono")
        frame = av.AudioFrame.from_ndarray((tone(2.0, 22_050)[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = 22_050
        container.mux([*stream.encode(frame), *stream.encode(None)])
    opened = Library.open(tmp_path)
    recordings = {
        recording.role: recording
        for role in ("foreground", "background")
        for split in SPLITS
        for kind in opened.kinds(role, split)
        for recording in opened.recordings(role, kind, split)
    }
    short, long = opened.read(recordings["foreground"]), opened.read(recordings["background"])
    assert abs(len(short) - 16_000) < 50 and abs(len(long) - 32_000) < 50
    assert np.sqrt(np.mean(short**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.02)
    assert np.sqrt(np.mean(long**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_without_a_manifest_the_name_decides_the_split(tmp_path):
    for number in range(300):
        path = tmp_path / "foreground" / "bell" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not looked at")
    opened = Library.open(tmp_path)
    counts = [len(opened.recordings("foreground", "bell", split)) for split in SPLITS]
    assert sum(counts) == 300 and counts[0] > 200 and min(counts[1:]) > 10
    again = Library.open(tmp_path)
    assert [opened.recordings("foreground", "bell", split) for split in SPLITS] == [
        again.recordings("foreground", "bell", split) for split in SPLITS
    ]


def test_what_was_read_last_stays_in_memory_within_a_bound(folder, monkeypatch):
    opened = Library.open(folder)
    bell, rain = (
        opened.recordings(role, kind, "train")[0]
        for role, kind in (("foreground", "bell"), ("background", "rain"))
    )
    first = opened.read(bell)
    bell.path.unlink()
    np.testing.assert_array_equal(opened.read(bell), first)
    monkeypatch.setattr(library, "CACHE", 16_000)  # bytes: one of them
    opened.read(rain)
    with pytest.raises((ValueError, OSError)):
        opened.read(bell)


def test_the_caller_may_change_what_it_read(folder):
    opened = Library.open(folder)
    [recording] = opened.recordings("foreground", "bell", "train")
    opened.read(recording)[:] = 0
    assert opened.read(recording).any()


def test_the_fingerprint_tells_libraries_apart(folder):
    before = Library.open(folder).fingerprint
    assert before == Library.open(folder).fingerprint
    text = (folder / "manifest.csv").read_text()
    (folder / "manifest.csv").write_text(text.replace("train,1", "train,9"))
    assert Library.open(folder).fingerprint != before


def test_hidden_files_and_notes_are_passed_over(folder):
    for name in (".DS_Store", "LICENSE.txt", "README.md"):
        (folder / "foreground" / "bell" / name).write_text("not a sound")
    assert len(Library.open(folder).recordings("foreground", "bell", "train")) == 1


def test_a_folder_that_is_no_library_is_explained(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match=r"foreground/KIND/\*") as raised:
            Library.open(folder)
        assert str(folder) in str(raised.value)
    write_wav(tmp_path / "foreground" / "loose.wav", tone())
    with pytest.raises(ValueError, match=r"loose\.wav: is in no folder that says its kind"):
        Library.open(tmp_path)


def test_a_manifest_that_does_not_fit_the_folder_is_explained(folder):
    text = (folder / "manifest.csv").read_text()
    for changed, said in (
        (text.replace("train,1", "dev,1"), r"line 2: split is 'dev'"),
        (text.replace("foreground/bell/a.wav,train,1\n", ""), r"no row for foreground/bell/a\.wav"),
        (text + "foreground/bell/z.wav,train,6\n", r"lacks foreground/bell/z\.wav"),
    ):
        (folder / "manifest.csv").write_text(changed)
        with pytest.raises(ValueError, match=said):
            Library.open(folder)


def test_a_file_that_is_no_sound_is_named_when_it_is_read(tmp_path):
    path = tmp_path / "minor" / "broken.ogg"
    path.parent.mkdir()
    path.write_text("no sound")
    opened = Library.open(tmp_path)
    [recording] = (r for split in SPLITS for r in opened.recordings("minor", "minor", split))
    with pytest.raises(ValueError, match=r"broken\.ogg: is not a recording that can be decoded"):
        opened.read(recording)


def test_an_unknown_role_or_split_is_refused(folder):
    opened = Library.open(folder)
    with pytest.raises(ValueError, match="role is 'middle'"):
        opened.kinds("middle", "train")
    with pytest.raises(ValueError, match="split is 'dev'"):
        opened.recordings("minor", "step", "dev")
