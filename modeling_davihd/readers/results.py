"""A film with the highlights that a list names: all that is needed to write them in any format."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..highlights import Highlight, check_spans, highlight_of
from ..media import DEFAULT_LIMITS, DecodingLimits, MediaInfo, true_end
from ..wording import printable, some
from ..writers import HighlightResult
from .base import Entry, Listed, ListError, Scored, names_in
from .films import OneFilm
from .reading import read_list

ROUNDED = 1e-6  # by which scores, and edges in seconds, may be off that had not been rounded yet
LENGTHS_DIFFER = 1.0  # seconds; by so much the headers of a film may be wrong


def read_result(path: Path, film: MediaInfo, limits: DecodingLimits = DEFAULT_LIMITS) -> HighlightResult:
    """A film that has been probed with the highlights of a list; no edge is moved, nothing is scored.

    Of JSON that davihd wrote, scores are read as well: score and peak of what has been changed or added
    follow from them. Of other lists there are those that the list gives. Words of a list become names of what
    is heard. Raises ListError naming the file, and ValueError naming also the place in it, for what cannot be
    read, is no highlight, is of another film, lies outside of this one or overlaps; MediaError for a film
    whose length has to be read and cannot. What is of other films, in a list of several, is told in a
    ListWarning.
    """
    listed: Listed = read_list(path, OneFilm(film))
    entries = [entry for found in listed.entries.values() for entry in found]
    if not entries:
        raise ListError(f"{path}: holds no highlight{_of_others(listed, film)}.")
    listed.tell_unknown()
    if listed.scored:
        _check_length(path, listed.scored.duration, film, limits)
    scored = listed.scored or _unscored(film.duration or true_end(film, limits))
    scores = np.asarray(scored.scores, np.float64)
    known = {"duration": scored.duration, "scores": scores}
    result = HighlightResult.of_film(film, known, scored.model_id, limits)
    places = [entry.where for entry in entries]
    check_spans([(one.start, one.end) for one in entries], result.duration, places, result.source_name)
    ordered = sorted(entries, key=lambda entry: entry.start)
    return replace(result, highlights=[_highlight(entry, result) for entry in ordered])


def _of_others(listed: Listed, film: MediaInfo) -> str:
    return f" of {printable(film.path.name)}, but of {some(listed.unknown)}" if listed.unknown else ""


def _unscored(duration: float) -> Scored:
    return Scored([math.nan] * math.ceil(duration), duration, "")


def _check_length(path: Path, duration: float, film: MediaInfo, limits: DecodingLimits) -> None:
    """Raise ListError for scores of a film of another length; headers that are wrong do not count."""
    if film.duration and abs(film.duration - duration) <= LENGTHS_DIFFER:
        return
    if abs((length := true_end(film, limits)) - duration) > LENGTHS_DIFFER:
        raise ListError(
            f"{path}: is of a film of {duration:g} s, but {printable(film.path.name)} has {length:g} s."
        )


def _highlight(entry: Entry, result: HighlightResult) -> Highlight:
    """An entry as it was, if nobody has changed it, and else with what is known of it now."""
    sounds = entry.sounds if entry.sounds or not entry.words else names_in(entry.words)
    new = replace(result.judged(entry.start, entry.end), sounds=sounds)
    score, peak = (math.nan if one is None else one for one in (entry.score, entry.peak))
    inside = new.start <= peak < new.end
    if result.scored and not (inside and _follow(score, peak, new, result)):
        return new
    known = replace(new, confidence=entry.confidence, edges=entry.edges)
    return replace(known, score=score, peak=peak if inside else math.nan)


def _follow(score: float, peak: float, new: Highlight, result: HighlightResult) -> bool:
    """Whether a score and a peak are, but for rounding, what the scores a second say of a highlight.

    The film's last second may have counted as a whole or in part.
    """
    scores = result.scores
    allowed = ROUNDED * (1 + float(np.abs(scores).max()) / (new.end - new.start))
    either = (new.score, highlight_of(scores, new.start, new.end).score)
    highest = scores[int(peak)] >= scores[int(new.peak)] - ROUNDED
    return bool(highest) and min(abs(score - one) for one in either) <= allowed


__all__ = ["read_result"]
