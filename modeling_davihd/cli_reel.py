"""`davihd highlight --reel`: from scored films to one reel of the best of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from .cli_options import reel_options, room_of
from .console import clock, one_line, say, tell
from .media import FilmError
from .reels import Pick, choose, picks_of, ranked
from .writers import HighlightResult
from .writers.reels import Reel

# Cleans the edges of highlights, which may last so many seconds in all, and names what is heard in them.
Finish = Callable[[HighlightResult, float | None], HighlightResult]


def make_reel(films: Sequence[HighlightResult], finish: Finish, options: argparse.Namespace) -> bool:
    """Write one reel of films with the highlights that may get into it; gives whether all went well.

    A film that fails on the way is told and left out, and what it would have had goes to the others.
    """
    done = True
    while chosen := choose(films, room_of(options)):
        try:
            finished = list(_finished(films, chosen, finish))
            picks = [pick for film in finished for pick in picks_of(film)]
            _write(ranked(finished) if options.order == "rank" else picks, options)
            return done
        except FilmError as error:
            say(f"error: {one_line(error)}")
            films, done = [film for film in films if film.source != error.path], False
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            say(f"error: {one_line(error)}")
            return False
    say(f"nothing stands out in any film that can be used, so that there is no {options.reel}")
    return False


def _finished(
    films: Sequence[HighlightResult], chosen: Sequence[Pick], finish: Finish
) -> Iterator[HighlightResult]:
    """Yield films with what is chosen of them, the edges clean and with names. Raises FilmError."""
    for film in films:
        own = [pick.highlight for pick in chosen if pick.film.source == film.source]
        if own:
            total = sum(one.end - one.start for one in own)
            try:
                film = finish(replace(film, highlights=sorted(own, key=lambda one: one.start)), total)
            except (OSError, ValueError, RuntimeError, MemoryError) as error:
                raise FilmError(one_line(error), film.source) from error
            yield film


def _write(picks: Sequence[Pick], options: argparse.Namespace) -> None:
    """Write the reel and print the line that says so."""
    relative = options.output_dir if options.list_paths == "relative" else None
    reel = Reel(picks, options.reel, reel_options(options), picks[0].film.limits, relative)
    names = [path.name for path in reel.write(options.formats)]
    count, films = len(picks), len(reel.films)
    number = f"{count} highlight{'s' * (count != 1)} of {films} film{'s' * (films != 1)}"
    tell("  ".join([options.reel.name, clock(reel.length), number, *names]))
