import json

import pytest
from transformers import AutoConfig

from examples import reproduce_tables
from examples.reproduce_tables import (
    COSTS,
    baseline_rows,
    generate_dataset,
    main,
    missing_of,
    paper_cells,
    render,
    table_rows,
)
from examples.training.data import read_dataset
from examples.training.tables import cost_cells, headings, markdown, measured

FEATURES = {"visual_dim": 1024, "semantic_dim": 2048, "log_mel_rate": 62.5}
SMALL = {"dynamics_channels": [4, 4], "dynamics_basis_kernels": [1, 2], "dynamics_time_pooling": [8, 4]}


@pytest.fixture
def narrow(tmp_path, monkeypatch):
    """The presets, small enough for a test."""
    original = reproduce_tables.CONFIGURATION
    folder = tmp_path / "configuration"
    (folder / "ablations").mkdir(parents=True)
    for path in original.glob("ablations/*.json"):
        (folder / "ablations" / path.name).write_bytes(path.read_bytes())
    slow = {"log_mel_rate": 1, "dynamics_time_pooling": [2, 2]}
    (folder / "ablations" / "one-frame-a-second.json").write_text(json.dumps(slow))
    small = {"projection_dim": 16, "dynamics_frequency_pooling": [8, 4], "score_hidden_dim": 8}
    for name in ("davihd-base", "davihd-plus"):
        (folder / name).mkdir()
        config = json.loads((original / name / "config.json").read_text())
        (folder / name / "config.json").write_text(json.dumps(config | SMALL | small))
        preprocessor = "preprocessor_config.json"
        (folder / name / preprocessor).write_bytes((original / name / preprocessor).read_bytes())
        recipe = "epochs: 1\nnum_workers: 0\nlearning_rate: 1.0e-3\n"
        (folder / name / "training.yaml").write_text(recipe)
    monkeypatch.setattr(reproduce_tables, "CONFIGURATION", folder)


@pytest.mark.slow
@pytest.mark.parametrize(("table", "seeds"), [("2", 1), ("3", 2)])
def test_a_table_is_trained_printed_and_gone_on_with(
    narrow, dataset, tmp_path, table, seeds, capsys, monkeypatch
):
    arguments = ["--table", table, "--dataset", str(dataset), "--seeds", str(seeds)]
    arguments += ["--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("| ")][1:]
    names = [line.split(" | ")[0].strip("| ") for line in rows]
    assert names[:4] == ["random", "centre", "position profile", "loudness"]
    added = ["dynamics, 1 log-Mel frame a second"] if table == "2" else []
    assert len(names) == 4 + {"2": 7, "3": 4}[table] + len(added)
    assert all((" ± " in line) == (seeds > 1) for line in rows[4:])
    assert [name for name, line in zip(names[4:], rows[4:], strict=True) if "—" in line] == added
    results = json.loads((tmp_path / "out" / "results.json").read_text())[table]
    assert len(results[names[-1]]) == seeds

    def untrained(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr("examples.train.training_step", untrained)
    assert main(arguments) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("preset", ["davihd-mrhisum", "davihd-tvsum", "davihd-base"])
@pytest.mark.parametrize("table", ["1", "2", "3"])
def test_every_row_names_what_exists(preset, table):
    for row in table_rows(table, preset, FEATURES):
        config = AutoConfig.from_pretrained(row.config, **row.changes)
        assert all(getattr(config, name) == value for name, value in row.changes.items())
        assert (row.config / "training.yaml").is_file()


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
    assert markdown(["x", *headings()], {"a": ["1"] * 5}).splitlines()[-1] == "| a | 1 | 1 | 1 | 1 | 1 |"


@pytest.mark.slow
def test_rows_that_are_the_same_network_are_trained_once(narrow, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce_tables, "ABLATIONS", {"3": ("early, multiply", "early, concat")})
    monkeypatch.setattr(reproduce_tables, "baseline_rows", lambda _: [])
    report = tmp_path / "docs" / "results.md"
    wanted = ["--dataset", str(dataset), "--seeds", "1", "--output", str(tmp_path / "out")]
    assert main(["--table", "1", "3", "benchmark", *wanted, "--report", str(report)]) == 0
    assert len(list((tmp_path / "out").glob("davihd-base-*/training.json"))) == 3
    text = report.read_text()
    assert "--table 1 3" in text and text.count("| random |") == 4 and "The data is generated" in text
    assert "s/epoch" in text and "Dataset " in text
    ours, theirs = text.split("| protocol davihd |")[1].split("| protocol triplesumm |")
    for board in (ours, theirs):  # ranked by tau, with what each costs
        rows = [line.split(" | ") for line in board.splitlines() if line.startswith("| ")]
        taus = [float(row[-5].split(" ")[0]) for row in rows]
        assert taus == sorted(taus, reverse=True)
        assert all(float(row[-3]) > 0 for row in rows if row[0].startswith("| DAViHD"))
    assert "by the protocol triplesumm" in theirs and "by the protocol triplesumm" not in ours


def test_rows_without_what_they_read_are_marked():
    """A feature set has no log-Mel, but what is left of our networks is compared on it."""
    features = {"visual_dim": 1024, "semantic_dim": 768, "text_dim": 768, "log_mel_rate": None}
    needs = {row.name: missing_of(row, features) for row in table_rows("1", "davihd-mrhisum", features)}
    sound = {"DAViHD", "DAViHD, reference", "DAViHD, base", "DAViHD, plus"}
    assert {name for name, missing in needs.items() if missing == ["log_mel"]} > sound
    assert not needs["TripleSumm"] and not needs["DAViHD, base, no dynamics"] and not needs["UMT"]
    run = {"f1": 0.5, "map_50": 0.5, "map_15": 0, "spearman": 0, "kendall": 0}
    text = render("1", {"UMT": [run], "DAViHD": []}, {"DAViHD": "needs log_mel"})
    assert "| UMT | 50.00 |" in text and "| DAViHD | needs log_mel | — | — | — | — | 59.73 |" in text
    [silent] = [row for row in baseline_rows(FEATURES) if row.name == "TripleSumm"]
    assert silent.changes == {"modalities": ["visual", "semantic"]}


def test_costs_are_means():
    runs = [
        {"parameters": 1234567, "seconds_per_epoch": value, "seconds_per_video": 0.25} for value in (1, 2)
    ]
    assert cost_cells(runs, COSTS) == ["1,234,567", "1.5", "0.25"]
    assert cost_cells([{"f1": 0.5}], COSTS) == cost_cells([], COSTS) == ["—"] * 3


def test_every_baseline_of_the_paper_is_there():
    names = [row.name for row in baseline_rows(FEATURES)]
    assert names == ["PGL-SUM", "CSTA", "Joint-VA", "UMT", "TripleSumm"]


def test_a_dataset_is_needed(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--table", "2"])
    assert exit.value.code == 2 and "--dataset is needed" in capsys.readouterr().err


def test_the_dataset_of_quick_is_generated_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reproduce_tables, "QUICK_VIDEOS", 3)
    monkeypatch.setattr(reproduce_tables, "QUICK_SECONDS", 4)
    for said in ("3 built, 0 kept", "0 built, 3 kept"):
        generate_dataset(tmp_path / "data")
        assert said in capsys.readouterr().err
    dataset = read_dataset(tmp_path / "data")
    assert dataset.is_generated and dataset.extraction["visual_backbone"] == "statistics"
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="of --quick could not be generated in .*file: .*cannot be written"):
        generate_dataset(tmp_path / "file")
