import json
from pathlib import Path

import pytest
from tiny_data import write_dataset

from examples import reproduce_tables
from examples.reproduce_tables import main, paper_cells, table_rows
from examples.tables import markdown, measured
from modeling_davihd import DAViHDConfig

ROOT = Path(__file__).resolve().parent.parent
SMALL = {"dynamics_channels": [4, 4], "dynamics_basis_kernels": [1, 2], "dynamics_time_pooling": [8, 4]}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "films")


@pytest.fixture
def narrow(tmp_path, monkeypatch):
    """The presets, small enough for a test."""
    original = reproduce_tables.CONFIGURATION
    folder = tmp_path / "configuration"
    (folder / "ablations").mkdir(parents=True)
    for path in original.glob("ablations/*.json"):
        (folder / "ablations" / path.name).write_bytes(path.read_bytes())
    base = folder / "davihd-base"
    base.mkdir()
    config = json.loads((original / "davihd-base" / "config.json").read_text())
    small = {"projection_dim": 16, "dynamics_frequency_pooling": [8, 4], "score_hidden_dim": 8}
    (base / "config.json").write_text(json.dumps(config | SMALL | small))
    (base / "training.yaml").write_text("epochs: 1\nnum_workers: 0\nlearning_rate: 1.0e-3\n")
    monkeypatch.setattr(reproduce_tables, "CONFIGURATION", folder)


@pytest.mark.parametrize("table", ["2", "3"])
def test_a_table_is_trained_printed_and_gone_on_with(narrow, data, tmp_path, table, capsys, monkeypatch):
    arguments = ["--table", table, "--dataset", str(data), "--seeds", "2", "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("| ")][1:]
    names = [line.split(" | ")[0].strip("| ") for line in rows]
    assert names[:4] == ["random", "centre", "position profile", "loudness"]
    assert len(names) == 4 + {"2": 7, "3": 4}[table]
    assert all(" ± " in line and "—" not in line for line in rows[4:])
    results = json.loads((tmp_path / "out" / f"table-{table}.json").read_text())
    assert len(results[names[-1]]) == 2

    def untrained(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr("examples.train.training_step", untrained)
    assert main(arguments) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("preset", ["davihd-mrhisum", "davihd-tvsum", "davihd-base"])
@pytest.mark.parametrize("table", ["1", "2", "3"])
def test_every_row_names_what_exists(preset, table):
    for row in table_rows(table, preset):
        if row.config is not None:
            changes = json.loads(row.ablation.read_text()) if row.ablation else {}
            config = DAViHDConfig.from_pretrained(row.config, **changes)
            assert all(getattr(config, name) == value for name, value in changes.items())


def test_the_papers_figures_stand_in_their_own_columns():
    assert list(paper_cells("3", "early, multiply")) == ["60.17", "68.01", "36.96", "0.312", "0.224"]
    assert list(paper_cells("1", "UMT"))[5:] == ["57.54", "61.49", "25.24", "0.175", "0.121"]
    assert set(paper_cells("2", "loudness")) == {"—"}


def test_cells_are_mean_and_deviation():
    runs = [
        {"f1": value, "map_50": 0.5, "map_15": 0, "spearman": value, "kendall": 0} for value in (0.2, 0.4)
    ]
    assert measured(runs) == [
        "30.00 ± 10.00",
        "50.00 ± 0.00",
        "0.00 ± 0.00",
        "0.300 ± 0.100",
        "0.000 ± 0.000",
    ]
    assert measured(runs[:1])[0] == "20.00"
    assert markdown(["x"], {"a": ["1"] * 5}).splitlines()[-1] == "| a | 1 | 1 | 1 | 1 | 1 |"


def test_a_dataset_is_needed(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--table", "2"])
    assert exit.value.code == 2 and "--dataset is needed" in capsys.readouterr().err
