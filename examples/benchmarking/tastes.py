"""How well a model is taught what counts: tastes of two kinds of recorded sound among twelve.

    python examples/benchmarking/tastes.py --sounds build/sounds [--films 10] [--pairs 5]

Every soundtrack, a minute long, has about five highlights of any of the twelve kinds in music, talk or the
sound of a place. Of each pair of kinds, those two are what was chosen, and all others stand out as much. The
recordings of the training split teach; those of the other splits, which the embedded model has not heard
either, are in the soundtracks that the taught models are tried on. Figures are average precisions of all of
their seconds together. Beside the tastes there is a row for whatever stands out: all kinds chosen. Where
the soundtracks to teach with are so few, or so few have such a highlight, that `teach.py` would refuse them,
the row says so and the mean leaves it out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

if __package__ in (None, ""):  # from examples/, "evaluate" would be this script
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from datasets_scripts.building.console import run_command
from datasets_scripts.building.extraction import Extractor
from datasets_scripts.building.label_files.labels import Interval, VideoLabels
from datasets_scripts.building.settings import Settings
from datasets_scripts.synthesis.labels import Event
from datasets_scripts.synthesis.library import Library
from examples.benchmarking.soundtracks import KINDS, PAIRS, soundtrack
from examples.teaching.choosing import UNTAUGHT, best_way, cross_validate, gain_over, taught
from examples.teaching.lessons import SEMANTIC, Lesson, Span, check_chosen, chosen_of
from examples.teaching.tuning import Studied, study
from examples.training.tables import markdown
from modeling_davihd import DEFAULT_CHECKPOINT, DAViHDModel
from modeling_davihd.edges import joined
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.loading import load_model
from modeling_davihd.metrics.highlight_detection import event_scores
from modeling_davihd.metrics.highlight_detection.scores import average_precision

SECONDS, SLOTS = 60, 5  # of a soundtrack; places of highlights in it
TRIED = 30  # soundtracks
ROLES = ("music", "talk", "place")
STREAMS = ("log_mel", "semantic_features")
COLUMNS = ("chance", "untaught", "dynamics tuned alone", "taught", "found", "right")


def make_lessons(
    library: Library, seeds: Sequence[int], splits: Sequence[str]
) -> Iterator[tuple[Lesson, list[Event]]]:
    """Soundtracks of those seeds, of which nothing has been chosen yet, and their highlights."""
    extractor = Extractor(Settings({"semantic": SEMANTIC}))
    for seed in tqdm(seeds, unit="soundtrack", disable=None, desc=splits[0]):
        role = ROLES[seed % len(ROLES)]
        waveform, events = soundtrack(seed, SECONDS, SLOTS, library, splits, role)
        film = extractor.sound(waveform)
        extractor.flush()
        arrays = extractor.features(film)
        log_mel, features = (torch.from_numpy(arrays[name]).float() for name in STREAMS)
        yield Lesson(f"{seed}.mp4", log_mel, features, [], np.zeros(SECONDS, bool)), events


def spans_of(events: Sequence[Event], kinds: Collection[str]) -> list[Span]:
    """Start and end of the highlights of those kinds."""
    return joined((event.start, event.end) for event in events if event.kind in kinds)


def with_taste(film: Studied, events: Sequence[Event], kinds: Collection[str]) -> Studied:
    """A soundtrack with the highlights of those kinds chosen."""
    labels = VideoLabels(intervals=[Interval(*span) for span in spans_of(events, kinds)])
    return replace(film, chosen=chosen_of("a soundtrack", labels, SECONDS, 0.5)[1])


class World:
    """Soundtracks to teach with and to try on, studied once: what was chosen of them comes with a taste."""

    def __init__(self, library: Library, network: DAViHDModel, most: int) -> None:
        self.network = network
        self._taught = self._studied(library, range(most), ("train",))
        self._tried = self._studied(library, range(1000, 1000 + TRIED), ("test", "validation"))

    def _studied(
        self, library: Library, seeds: Sequence[int], splits: Sequence[str]
    ) -> list[tuple[Studied, list[Event]]]:
        lessons = make_lessons(library, seeds, splits)
        return [(study(self.network, lesson), events) for lesson, events in lessons]

    def measure(self, count: int, kinds: Collection[str]) -> dict[str, float] | None:
        """Teach with so many soundtracks. Returns average precisions, and what the taught model finds.

        None where they are too few to learn from and to be tried on.
        """
        films = [with_taste(*one, kinds) for one in self._taught[:count]]
        chosen = [film.chosen for film in films]
        try:
            check_chosen(chosen)
        except DatasetError:
            return None
        tried = [with_taste(*one, kinds) for one in self._tried]
        with tempfile.TemporaryDirectory() as folder:
            scores = cross_validate(films, self.network, Path(folder))
        best, _ = best_way(scores, chosen)
        kept = best if gain_over(scores[UNTAUGHT], scores[best], chosen).is_real else UNTAUGHT
        alone = {way: each for way, each in scores.items() if way.steps and not way.gate}
        ways = {"untaught": UNTAUGHT, "dynamics tuned alone": best_way(alone, chosen)[0], "taught": kept}
        truth = np.concatenate([film.chosen for film in tried])
        found = {"chance": float(truth.mean())}
        for name, way in ways.items():
            [(_, taste)] = taught(films, self.network, [way])
            each = [taste.scores(film) for film in tried]
            found[name] = average_precision(np.concatenate(each), truth)
        spans = [spans_of(events, kinds) for _, events in self._tried]
        events = event_scores(each, spans)
        return found | {"found": events["event_recall"], "right": events["event_precision"]}


def measure_all(options: argparse.Namespace) -> None:
    """Print a table for each taste, a row for each number of soundtracks, and their mean."""
    network = load_model(DEFAULT_CHECKPOINT).float()
    world = World(Library.open(options.sounds), network, max(options.films))
    tastes = {" and ".join(pair): pair for pair in PAIRS[: options.pairs]}
    for count in options.films:
        rows = {name: world.measure(count, kinds) for name, kinds in tastes.items()}
        rows["mean of tastes"] = mean_of([row for row in rows.values() if row is not None])
        rows["whatever stands out"] = world.measure(count, KINDS)
        print(f"\n{count} soundtracks\n\n{markdown(['chosen', *COLUMNS], cells_of(rows))}", flush=True)


def mean_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    """The mean of every column; None of no rows."""
    return {name: float(np.mean([row[name] for row in rows])) for name in COLUMNS} if rows else None


def cells_of(rows: Mapping[str, Mapping[str, float] | None]) -> dict[str, list[str]]:
    """The cells of a table, by row; a row that has no figures says why."""
    refused = ["too few", *[""] * (len(COLUMNS) - 1)]
    return {
        name: refused if row is None else [f"{row[column]:.2f}" for column in COLUMNS]
        for name, row in rows.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 measured, 1 the library is not as needed, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="tastes.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR", help="a library of recordings")
    parser.add_argument(
        "--films", type=int, nargs="+", default=[3, 5, 10, 20], metavar="N", help="soundtracks to teach with"
    )
    parser.add_argument("--pairs", type=int, default=len(PAIRS), help="how many tastes")
    options = parser.parse_args(arguments)
    return run_command(lambda: measure_all(options), parser.prog)


if __name__ == "__main__":
    sys.exit(main())
