import numpy as np
import pytest
import torch
from films import make_film
from safetensors.torch import save_file

from datasets_scripts import fit_pca as script
from datasets_scripts.fit_pca import fit_pca, main, save_pca
from modeling_davihd.backbones_davihd import InceptionV3Backbone
from modeling_davihd.conversion import load_pca
from modeling_davihd.engines.errors import DatasetError


def samples(rows=400, width=2048, rank=3):
    """Rows whose variance is 100, 25 and 4 along three directions, and next to nothing elsewhere."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(width, rank)))[0]
    strengths = rng.normal(size=(rows, rank)) * np.array([10.0, 5.0, 2.0])
    return (strengths @ directions.T + 7 + 1e-3 * rng.normal(size=(rows, width))).astype(
        np.float32
    ), directions


def test_batches_give_the_pca_of_all_rows(monkeypatch):
    monkeypatch.setattr(script, "BATCH", 50)
    rows, directions = samples()
    pca = fit_pca(np.split(rows, [7, 90, 91, 250, 397]), 3)
    assert pca.n_samples_seen_ == 400
    np.testing.assert_allclose(pca.mean_, rows.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(np.abs(np.sum(pca.components_ * directions.T, axis=1)), 1, atol=0.02)
    centred = rows - rows.mean(axis=0)
    exact = np.linalg.svd(centred, compute_uv=False)[:3] ** 2 / 399
    np.testing.assert_allclose(pca.explained_variance_, exact, rtol=1e-3)


@pytest.mark.parametrize("whiten", [False, True])
def test_the_backbone_s_loader_reads_the_file(tmp_path, whiten):
    rows, _ = samples()
    save_pca(tmp_path / "pca.npz", fit_pca([rows], 3), whiten)
    loaded = load_pca(tmp_path / "pca.npz")
    projected = (torch.from_numpy(rows) - loaded["mean"]) @ loaded["projection"].T * loaded["scale"]
    spread = projected.std(dim=0).numpy()
    np.testing.assert_allclose(spread, 1 if whiten else [10, 5, 2], rtol=0.15)
    np.testing.assert_allclose(projected.mean(dim=0), 0, atol=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["pca.npz"]


def test_too_few_frames_are_refused():
    with pytest.raises(DatasetError, match="have 10 frames, one a second, but 11 components"):
        fit_pca([samples(10)[0]], 11)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two films of 3 s, a file that is none, and Inception-v3 with random weights."""
    folder = tmp_path_factory.mktemp("corpus")
    videos = folder / "videos"
    videos.mkdir()
    for name, width in (("a", 64), ("b", 80)):
        make_film(videos / f"{name}.mp4", times=[number / 4 for number in range(12)], fps=4, size=(width, 48))
    (videos / "notes.txt").write_text("no film")
    torch.manual_seed(0)
    save_file(InceptionV3Backbone().network.state_dict(), folder / "inception.safetensors")
    return folder


def run(corpus, *more):
    options = ["--weights", str(corpus / "inception.safetensors"), "--out", str(corpus / "pca.npz"), *more]
    return main(["--videos", str(corpus / "videos"), *options])


def test_command(corpus, capsys):
    assert run(corpus, "--components", "2", "--whiten") == 0
    output = capsys.readouterr()
    assert "2 components" in output.out and "of 6 frames" in output.out and "notes.txt" in output.err
    loaded = load_pca(corpus / "pca.npz")
    assert loaded["projection"].shape == (2, 2048) and (loaded["scale"] != 1).all()


def test_command_names_what_is_wrong(corpus, capsys, tmp_path):
    assert run(corpus) == 1
    assert "have 6 frames, one a second, but 1024 components" in capsys.readouterr().err
    listed = tmp_path / "list.txt"
    listed.write_text("missing.mp4\n")
    usual = ["--out", str(tmp_path / "p.npz"), "--weights"]
    weights = str(corpus / "inception.safetensors")
    cases = [
        (["--videos", str(listed), *usual, weights], "missing.mp4, but there is no such file"),
        (["--videos", str(tmp_path / "none"), *usual, weights], "no such folder or list"),
        (["--videos", str(corpus / "videos"), *usual, str(tmp_path / "w.pth")], "w.pth"),
    ]
    for arguments, message in cases:
        assert main(arguments) == 1
        assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "p.npz").exists()


def test_wrong_usage(corpus):
    for more in (["--components", "0"], ["--components", "2049"], ["--out", "pca.txt"]):
        with pytest.raises(SystemExit) as stop:
            run(corpus, *more)
        assert stop.value.code == 2
