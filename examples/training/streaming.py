"""Training videos that are read one after the other, from a folder or from the Hub, and never stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from examples.training.reading import Batch, RowReader
from examples.training.stored import array_of


@dataclass(frozen=True)
class StreamedRows:
    """A training split as a stream of its Parquet files, shuffled in a buffer.

    shards: paths or addresses (hf://) of the files. videos: how many they hold. buffer: how many of them are
    in memory to draw from; the files come in random order too.
    """

    shards: Sequence[str]
    videos: int
    reader: RowReader
    buffer: int

    @property
    def name(self) -> str:
        return self.reader.name

    def __len__(self) -> int:
        return self.videos

    def epoch(self, seed: int, number: int) -> Stream:
        """All rows in the order of an epoch, the same one for the same seed, number and buffer."""
        return Stream(self, seed, number)

    def read(self, seed: int, number: int) -> Iterator[Batch]:
        """Those rows, one after the other. Raises ValueError unless there are as many as there should be."""
        import datasets  # slow to import, and used for nothing else here

        datasets.disable_progress_bars()
        columns = ["video_id", "labels", *self.reader.inputs]
        files = {"train": list(self.shards)}
        rows = datasets.load_dataset(
            "parquet", data_files=files, columns=columns, split="train", streaming=True
        )
        # File after file: reading several at once, the library waits 5 s for its threads at the end.
        rows = rows.shuffle(seed=seed, buffer_size=self.buffer, max_buffer_input_shards=1)
        rows = rows.with_format("arrow")
        rows.set_epoch(number)
        count = 0
        for row in rows:
            count += 1
            video = row["video_id"][0].as_py()
            labels = self.reader.labels(video, row["labels"][0].as_py())
            features = {column: array_of(row[column][0]) for column in self.reader.inputs}
            yield self.reader.row(video, labels, features)
        if count != self.videos:
            raise ValueError(f"{self.name} has {count} videos; its extraction.json says {self.videos}.")


class Stream(torch.utils.data.IterableDataset):
    """The rows of one epoch, for a DataLoader."""

    def __init__(self, rows: StreamedRows, seed: int, number: int):
        self._rows, self._seed, self._number = rows, seed, number

    def __iter__(self) -> Iterator[Batch]:
        return self._rows.read(self._seed, self._number)


def step_sizes(videos: int, size: int, processes: int) -> list[int]:
    """How many videos of a stream make each step: one for every process at least; a small rest joins them.

    Raises ValueError where there are fewer videos than processes.
    """
    if videos < processes:
        raise ValueError(f"{videos} training videos cannot be shared by {processes} processes.")
    size = max(size, processes)
    whole, rest = divmod(videos, size)
    if rest >= processes:
        return [size] * whole + [rest]
    return [size] * (whole - 1) + [size + rest]
