"""Shards: whole or not there, whatever interrupts, damages or fills the disk."""

import errno
import signal

import datasets
import pyarrow.parquet as pq
import pytest
from stores import contents
from tone_videos import build, seven

from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.jobs import unwinding


def test_an_interrupt_while_pyarrow_asks_for_types_is_one(tmp_path, monkeypatch):
    """pyarrow asks while it compares a column with its file; it printed what came up, and saw two kinds."""
    kind = datasets.features.features.Array2DExtensionType
    ask, questions, number = kind.__arrow_ext_deserialize__, iter(()), signal.SIGINT

    def asked(cls, *arguments):
        if next(questions, None) == 0:
            signal.raise_signal(number)
        return ask(*arguments)

    monkeypatch.setattr(kind, "__arrow_ext_deserialize__", classmethod(asked))
    for moment in range(12):  # more than there are for one row
        questions, number = iter(range(moment, -1, -1)), (signal.SIGINT, signal.SIGTERM)[moment % 2]
        with pytest.raises(KeyboardInterrupt), unwinding():
            build(tmp_path, seven())
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    build(tmp_path, seven())


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return (
        content[:middle] + bytes(255 - byte for byte in content[middle : middle + 9]) + content[middle + 9 :]
    )


@pytest.mark.parametrize("damage", [flip, lambda content: content[:-9], lambda content: b""])
def test_a_damaged_shard_is_built_again(tmp_path, damage):
    build(tmp_path / "out", seven())
    before = contents(tmp_path / "out")
    shard = tmp_path / "out" / "data" / "train-00000-of-00002.parquet"
    shard.write_bytes(damage(shard.read_bytes()))
    report = build(tmp_path / "out", seven())
    assert (report.built, report.kept) == (1, 3) and contents(tmp_path / "out") == before


def test_a_full_disk_is_told_and_costs_no_shard(tmp_path, monkeypatch):
    write, calls = pq.ParquetWriter.write_table, []

    def full(writer, table):
        calls.append(table)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(writer, table)

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", full)
        with pytest.raises(DatasetError, match=r"train-00001-of-00002.parquet: cannot be written \(No space"):
            build(tmp_path / "out", seven())
    assert [path.name for path in (tmp_path / "out" / "data").iterdir()] == ["train-00000-of-00002.parquet"]
    assert build(tmp_path / "out", seven()).kept == 1


def test_an_output_that_cannot_be_a_dataset_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatasetError, match="file/data: cannot be written"):
        build(tmp_path / "file", seven())
    foreign = tmp_path / "out" / "data" / "train-00000-of-00001.parquet"
    foreign.parent.mkdir(parents=True)
    datasets.Dataset.from_dict({"a": [1]}).to_parquet(str(foreign))
    with pytest.raises(DatasetError, match="train-00000-of-00001.parquet is not of a dataset that was built"):
        build(tmp_path / "out", seven())
    assert foreign.exists()
