"""Measure how clean the edges of highlights are, on films whose words and changes of shots are known.

python examples/measure_edges.py    # prints a table; needs espeak-ng (Debian: apt-get install espeak-ng)
python examples/measure_edges.py --sounds DIR    # of recorded words: WAV files in a folder for each voice

Every film has a speaker, whose words are spoken one by one, sudden noises, for there to be highlights, and
drawn shots. davihd-small finds the highlights; their edges are counted as found, and once they are clean.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import numpy as np
import torch
from scipy.signal import resample_poly
from tqdm import tqdm

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from datasets_scripts.building.console import run_command
from datasets_scripts.synthesis.events import explosion, gunshots, impact
from modeling_davihd import VideoHighlightDetectionPipeline
from modeling_davihd.clean_edges import Cutting, EdgeCleaner
from modeling_davihd.edges import PAUSE_REACH, SHOT_REACH
from modeling_davihd.loading import DEFAULT_MODEL, load_pipeline
from modeling_davihd.media import SAMPLING_RATE, probe, stream_segments, write_film
from modeling_davihd.writers import HighlightResult

SPEAKER = "espeak-ng"
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb-scotland+f2")
WORDS = """the a people city never knew what had happened before winter because nobody spoke about it openly
until somebody wrote down every single detail and sent them far away over mountains where another language
was common seven eight although questions remained unanswered""".split()
SECONDS = 90  # of a film
RATES = (24, 25, 30000 / 1001)
HIGHLIGHTS = 8  # of a film
SHORTEST_PAUSE = 0.2  # seconds without a word that count as a pause
HALF_A_FRAME = 0.02  # seconds, at 25 frames a second: cuts go to the nearest frame
SIZE = (180, 320)  # pixels, high and wide
BLOCK = 20  # pixels

Span = tuple[float, float]


@dataclass(frozen=True)
class Speakers:
    """Who speaks: words, by voice, and how each sounds at 16 kHz, from its first moment to its last."""

    words: Mapping[str, Sequence[str]]
    say: Callable[[str, str], np.ndarray]

    @classmethod
    def synthetic(cls) -> Speakers:
        """Those of espeak-ng. Raises ValueError if it is not installed."""
        if which(SPEAKER) is None:
            raise ValueError(f"{SPEAKER} is not installed; it has to speak the words of the films.")
        return cls(dict.fromkeys(VOICES, WORDS), say)

    @classmethod
    def recorded(cls, folder: Path) -> Speakers:
        """WAV files of a word each, the folder being the voice. Raises ValueError if there are none."""
        words: dict[str, list[str]] = {}
        for path in sorted(folder.rglob("*.wav")):
            words.setdefault(str(path.parent), []).append(path.name)
        if not words:
            raise ValueError(f"{folder}: has no WAV files of words.")
        return cls(words, recording)


@dataclass(frozen=True)
class KnownFilm:
    """A film, when each of its words is spoken, and when each shot but the first begins; in seconds."""

    path: Path
    words: list[Span]
    cuts: list[float]
    fps: float


@dataclass
class Count:
    """Of how many edges something was true."""

    true: int = 0
    all: int = 0

    def add(self, true: bool) -> None:
        self.true, self.all = self.true + true, self.all + 1

    def __str__(self) -> str:
        return f"{self.true} of {self.all} ({100 * self.true / max(self.all, 1):.1f} %)"


@cache
def say(word: str, voice: str) -> np.ndarray:
    """A word as espeak-ng speaks it, float32 (n,) at 16 kHz, without the silence around it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        subprocess.run([SPEAKER, "-v", voice, "-w", str(path), word], check=True, capture_output=True)
        with wave.open(str(path)) as file:
            rate, samples = file.getframerate(), file.readframes(file.getnframes())
    return _spoken(resample_poly(np.frombuffer(samples, "<i2") / 32768, SAMPLING_RATE, rate))


@cache
def recording(word: str, voice: str) -> np.ndarray:
    """A word as the file of that name in that folder has it, as loud as others, likewise."""
    sound = np.concatenate([chunk.waveform.ravel() for chunk in stream_segments(Path(voice, word))])
    return _spoken(0.5 * sound / max(np.abs(sound).max(), 1e-6))


def _spoken(sound: np.ndarray) -> np.ndarray:
    heard = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[heard[0] : heard[-1] + 1].astype(np.float32)


def speech(rng: np.random.Generator, seconds: float, speakers: Speakers) -> tuple[np.ndarray, list[Span]]:
    """Sound of a speaker who pauses after one to nine words, and when each word is spoken."""
    sound, words = np.zeros(round(seconds * SAMPLING_RATE), np.float32), []
    voice = str(rng.choice(list(speakers.words)))
    at = 0.3
    while True:
        for _ in range(rng.integers(1, 10)):
            word = speakers.say(str(rng.choice(speakers.words[voice])), voice)
            start, at = at, at + len(word) / SAMPLING_RATE
            if at > seconds:
                return sound, words
            sound[round(start * SAMPLING_RATE) :][: len(word)] = word
            words.append((start, at))
            at += rng.uniform(0, 0.06)
        at += rng.uniform(SHORTEST_PAUSE, 1.2)


def pauses(words: Sequence[Span]) -> list[Span]:
    return [(end, start) for (_, end), (start, _) in pairwise(words) if end + SHORTEST_PAUSE <= start]


def soundtrack(rng: np.random.Generator, speakers: Speakers) -> tuple[np.ndarray, list[Span]]:
    """A speaker, sudden noises every ten seconds or so, and soft noise; and when each word is spoken."""
    sound, words = speech(rng, SECONDS, speakers)
    sound *= 10 ** (rng.uniform(-12, -4) / 20)
    for start in np.arange(4, SECONDS - 6, 10) + rng.uniform(0, 4, len(range(4, SECONDS - 6, 10))):
        make = (impact, explosion, gunshots)[rng.integers(3)]
        noise = make(rng, rng.uniform(0.8, 3))
        sound[round(start * SAMPLING_RATE) :][: len(noise)] += 0.5 * noise / np.abs(noise).max()
    soft = rng.standard_normal(len(sound)) * 10 ** (rng.uniform(-60, -45) / 20)
    return np.clip(sound + soft, -1, 1).astype(np.float32), words


def cut_times(rng: np.random.Generator, words: Sequence[Span], fps: float) -> list[float]:
    """When shots begin, on frames: two of three in a pause, as editors would cut, the others anywhere."""
    times, at, quiet = [], 0.0, pauses(words)
    while (at := at + rng.uniform(1.5, 6)) < SECONDS - 1:
        near = [(start + end) / 2 for start, end in quiet if abs((start + end) / 2 - at) < 1]
        frame = round((rng.choice(near) if near and rng.random() < 2 / 3 else at) * fps)
        times += [frame / fps] if not times or frame / fps > times[-1] + 0.5 else []
    return times


def shots(rng: np.random.Generator, cuts: Sequence[float], fps: float) -> Iterator[np.ndarray]:
    """Pictures of coloured blocks that drift sideways, others in each shot."""
    height, width = SIZE
    ends = [round(cut * fps) for cut in [*cuts, SECONDS]]
    first = 0
    for end in ends:
        colour, rough = rng.integers(0, 200, 3), rng.integers(0, 56, (height // BLOCK, 2 * width // BLOCK, 3))
        wide = np.kron((colour + rough).astype(np.uint8), np.ones((BLOCK, BLOCK, 1), np.uint8))
        yield from (wide[:, n % width :][:, :width] for n in range(end - first))
        first = end


def make_film(folder: Path, seed: int, speakers: Speakers) -> KnownFilm:
    rng = np.random.default_rng(seed)
    fps, path = RATES[seed % len(RATES)], folder / f"{seed}.mp4"
    sound, words = soundtrack(rng, speakers)
    cuts = cut_times(rng, words, fps)
    write_film(path, shots(rng, cuts, fps), sound, fps=fps, sampling_rate=SAMPLING_RATE)
    return KnownFilm(path, words, cuts, fps)


def highlights(detect: VideoHighlightDetectionPipeline, film: KnownFilm) -> HighlightResult:
    info = probe(film.path)
    found = detect(info, top_k=HIGHLIGHTS)
    return HighlightResult.of_film(info, found, DEFAULT_MODEL).with_highlights(top_k=HIGHLIGHTS)


IN_WORD = f"inside a word, where a pause is within {PAUSE_REACH:g} s"
AT_CUT = f"within a frame of a change of shots, where one in a pause is within {SHOT_REACH:g} s"
AT_ANY = "the same, where any is"


def count(film: KnownFilm, found: Sequence[float], edges: Sequence[float]) -> dict[str, Count]:
    """What is true of edges, in seconds, which were found at those times."""
    counts = {name: Count() for name in (IN_WORD, AT_CUT, AT_ANY)}
    for origin, edge in zip(found, edges, strict=True):
        if any(start - PAUSE_REACH <= origin <= end + PAUSE_REACH for start, end in pauses(film.words)):
            counts[IN_WORD].add(_in_word(film, edge))
        near = [cut for cut in film.cuts if abs(cut - origin) <= SHOT_REACH]
        there = any(abs(cut - edge) <= 1 / film.fps + 1e-6 for cut in film.cuts)
        if any(start <= cut <= end for cut in near for start, end in pauses(film.words)):
            counts[AT_CUT].add(there)
        if near:
            counts[AT_ANY].add(there)
    return counts


def _in_word(film: KnownFilm, time: float) -> bool:
    """Whether a cut at that time goes through a word, by more than what frames move it by."""
    return any(start + HALF_A_FRAME < time < end - HALF_A_FRAME for start, end in film.words)


def measure(folder: Path, films: int, speakers: Speakers) -> str:
    """The table, in Markdown, of so many films, which are made in a folder and removed one by one."""
    detect, cleaner = load_pipeline(DEFAULT_MODEL, torch.device("cpu")), EdgeCleaner()
    totals = {(name, when): Count() for name in (IN_WORD, AT_CUT, AT_ANY) for when in (False, True)}
    for seed in tqdm(range(films), unit=" films", disable=None):
        film = make_film(folder, seed, speakers)
        before = highlights(detect, film)
        after = cleaner.clean(before, Cutting())
        found = [edge for segment in before.segments for edge in segment]
        for when, result in enumerate((before, after)):
            edges = [edge for segment in result.segments for edge in segment]
            for name, one in count(film, found, edges).items():
                total = totals[name, bool(when)]
                total.true, total.all = total.true + one.true, total.all + one.all
        film.path.unlink()
    rows = [
        f"| {name} | {totals[name, False]} | {totals[name, True]} |" for name in (IN_WORD, AT_CUT, AT_ANY)
    ]
    return "\n".join(["| edges | as found | clean |", "|---|---|---|", *rows])


def run(options: argparse.Namespace) -> None:
    """Print the table. Raises ValueError if there is nobody to speak."""
    speakers = Speakers.recorded(options.sounds) if options.sounds else Speakers.synthetic()
    with TemporaryDirectory() as folder:
        print(measure(Path(folder), options.films, speakers))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 there is nobody to speak, 2 wrong usage."""
    parser = argparse.ArgumentParser(description="Measure how clean the edges of highlights are.")
    parser.add_argument("--films", type=int, default=20, metavar="N", help="of 90 s; default 20")
    parser.add_argument(
        "--sounds", type=Path, metavar="DIR", help="WAV files of a word each, in a folder for each voice"
    )
    return run_command(partial(run, parser.parse_args(arguments)), "measure_edges.py")


if __name__ == "__main__":
    sys.exit(main())
