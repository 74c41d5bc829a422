"""Reels: what was cut from which film, found by the sound, and cuts in silence by the picture."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasets_scripts.building.label_files.collecting import label_file_of
from datasets_scripts.building.label_files.labels import LabelFile
from datasets_scripts.building.label_files.picture_joins import join_seen
from datasets_scripts.building.label_files.sound_alignment import (
    SECOND,
    Stretch,
    band_limited,
    lag_between,
    settle,
)
from datasets_scripts.building.label_files.sound_search import (
    HOP,
    PATCH,
    STEP,
    Run,
    Search,
    log_spectrum,
)
from modeling_davihd.engines.errors import DatasetError
from modeling_davihd.film_files import SOUND_SUFFIXES, VIDEO_SUFFIXES, visible_files
from modeling_davihd.media import MediaError, probe, sound_of, stream_segments, true_end
from modeling_davihd.media_limits import JITTER
from modeling_davihd.media_reading import Sound
from modeling_davihd.media_tracks import MediaInfo, Track
from modeling_davihd.readers import Entry, Films, Listed
from modeling_davihd.readers.base import tell

ROOM = 3 * HOP  # samples by which a place may be wrong that was found by its spectrum
ENOUGH = 30 * SECOND  # samples of a stretch that say by how much it lies later in the film
MARGIN = SECOND // 10  # samples for the filter to settle
LEAST_UNFOUND = SECOND // 2  # samples; less that comes from nowhere is not worth a word

Array = np.ndarray


def read_reels(paths: Sequence[Path], films: Films) -> list[LabelFile]:
    """The highlights that reels, or those in folders, were cut from, one LabelFile a reel.

    A reel's sound is looked for in that of every film, whatever codec, loudness or sampling rate either has;
    the ranges of the films are those of its cuts, to some milliseconds. What is in no film is said in a
    ListWarning, a line each. Raises DatasetError for a reel of which nothing is, and MediaError for one that
    cannot be read.
    """
    reels = [reel for path in paths for reel in _reels_of(path)]
    sounding = [film for film in films.names if _may_be_searched(films, film, reels)]
    spectra = {}
    for film in tqdm(sounding, unit="film", disable=None, desc="sounds of films"):
        try:
            spectra[film] = log_spectrum(_blocks(films.info(film)))  # type: ignore[arg-type]
        except MediaError as error:
            tell(f"{error} No reel is looked for in it.")
    return [_read_reel(reel, films, spectra) for reel in reels]


def _reels_of(path: Path) -> list[Path]:
    """A reel, or those in a folder and its subfolders."""
    if not path.is_dir():
        return [path]
    if found := sorted(visible_files(path, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES))):
        return found
    raise DatasetError(f"{path}: holds no reel, neither film nor sound.")


def _may_be_searched(films: Films, film: str, reels: Sequence[Path]) -> bool:
    info = films.info(film)
    path = (films.folder / film).resolve()
    return bool(info and info.has_audio) and path not in [reel.resolve() for reel in reels]


def _blocks(info: MediaInfo) -> Iterator[Array]:
    """The sound of a film, mono at 16 kHz, in blocks (n,)."""
    for chunk in stream_segments(info):
        yield chunk.waveform.ravel()[: round((chunk.end - chunk.first_segment) * SECOND)]


def _read_reel(path: Path, films: Films, spectra: dict[str, Array]) -> LabelFile:
    info = probe(path)
    if not info.has_audio:
        raise DatasetError(f"{path}: has no sound, by which alone it can be found in films.")
    [sound] = sound_of(info, [(0, round(_end(info) * SECOND))])
    search, reel = Search(log_spectrum([sound]), list(spectra.values())), band_limited(sound)
    stretches = _stretches(reel, search, list(spectra), films)
    settle(reel, stretches, functools.partial(_seen, info, films))
    stretches = [stretch for stretch in stretches if stretch.begin < stretch.end]
    if not stretches:
        raise DatasetError(f"{path}: nothing of its sound is in the films of {films.folder}.")
    listed = Listed(path, films)
    for one in stretches:
        start, end = (max(round((at + one.lag) / SECOND, 3), 0.0) for at in (one.begin, one.end))
        if start < end:
            listed.add(one.film, Entry(f"{path}, {_range(one.begin, one.end)}", start, end))
    _tell_unfound(path, films, stretches, len(reel))
    return label_file_of(listed)


def _end(info: MediaInfo) -> float:
    """Where a reel ends; its sound may go on only because the encoder fills its last frame."""
    end = true_end(info)
    return info.duration if info.duration is not None and 0 < end - info.duration <= JITTER else end


def _seen(info: MediaInfo, films: Films, before: Stretch, after: Stretch, within: tuple[int, int]) -> int:
    """The sample of a reel at which a stretch of one film gives way to one of another by their pictures."""
    places = [(films.info(one.film), one.lag / SECOND) for one in (before, after)]
    at = join_seen(info, *places, (within[0] / SECOND, within[1] / SECOND))  # type: ignore[arg-type]
    return round(at * SECOND)


def _stretches(reel: Array, search: Search, names: Sequence[str], films: Films) -> list[Stretch]:
    """What of a reel is in films, sample for sample, with room around it."""
    aligned: dict[Run, Stretch | None] = {}
    while True:
        runs = search.runs()
        for run in runs:
            if run not in aligned:
                aligned[run] = _aligned(reel, run, names[run.place.film], films)
        wrong = [run for run in runs if aligned[run] is None]
        if not wrong:
            return [stretch for run in runs if (stretch := aligned[run])]
        for run in wrong:
            search.refuse(run)


def _aligned(reel: Array, run: Run, film: str, films: Films) -> Stretch | None:
    """A run of a reel with its film's sound, sample for sample; None if it is not in there after all."""
    begin, end = max(run.begin, 0), min(run.end, len(reel))
    core = run.first * STEP * HOP, min((run.last * STEP + PATCH) * HOP, end)
    info, first = films.info(film), begin + run.place.offset * HOP - ROOM
    sound = _sound_of(info, first, end - begin + 2 * ROOM)  # type: ignore[arg-type]
    known = reel[core[0] : min(core[1], core[0] + ENOUGH)]
    found = lag_between(known, sound[core[0] - begin :][: len(known) + 2 * ROOM])
    if found is None:
        return None
    return Stretch(film, core, begin, end, first + found - begin, sound[found : found + end - begin], begin)


def _sound_of(info: MediaInfo, first: int, count: int) -> Array:
    """Samples (count,) of a film's sound, band-limited, from a number on; silence beyond its ends."""
    found = np.zeros(count + 2 * MARGIN, np.float32)
    begin = max(first - MARGIN, 0)
    wanted = first + count + MARGIN - begin
    if wanted > 0:
        with (
            closing(Track(info, "audio")) as track,
            closing(Sound(track, begin / SECOND, SECOND, 1)) as sound,
        ):
            samples = sound.take(wanted)[0]
        at = begin - (first - MARGIN)
        found[at : at + len(samples)] = samples
    return band_limited(found)[MARGIN : MARGIN + count]


def _tell_unfound(path: Path, films: Films, stretches: Sequence[Stretch], length: int) -> None:
    ends = [0, *(stretch.end for stretch in stretches)]
    begins = [*(stretch.begin for stretch in stretches), length]
    for end, begin in zip(ends, begins, strict=True):
        if begin - end >= LEAST_UNFOUND:
            tell(f"{path}: {_range(end, begin)} is in no film of {films.folder}; it is left out.")


def _range(begin: int, end: int) -> str:
    return f"{begin / SECOND:.1f}-{end / SECOND:.1f} s"
