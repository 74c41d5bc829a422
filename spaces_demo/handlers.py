"""What the page's events do."""

from __future__ import annotations

import html
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData
from limits import Limits
from models import load_model
from scoring import Scored, Wishes, check_film, playable_copy, score_film, with_highlights, write
from visits import Visits, adopt, private_folder

from modeling_davihd.writers import HighlightResult

GONE = "This film is no longer here; please upload it again."
log = logging.getLogger("davihd.space")


@contextmanager
def in_words(folder: Path) -> Iterator[None]:
    """Let the visitor see a sentence, with the names of the folder's files and not their places."""
    try:
        yield
    except gr.Error:
        raise
    except ValueError as error:
        sentence = str(error).replace(f"{folder}{os.sep}", "")
        raise gr.Error(as_text(sentence), duration=None, print_exception=False) from error
    except Exception as error:
        log.exception("a film could not be worked on")
        words = "Something went wrong on the server with this film. Another one may work."
        raise gr.Error(words, duration=None, print_exception=False) from error


def as_text(sentence: str) -> str:
    """What Gradio shows as it is: it takes messages for HTML, and a model's file may hold links in names."""
    return html.escape(sentence, quote=False)


class Space:
    """What the page's events do; one object for all visitors, who share the models and nothing else."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.visits = Visits(limits.keep_seconds, limits.leave_seconds)
        self.model = lru_cache(limits.models)(lambda name: load_model(name, limits.model_megabytes))

    def score(self, film: Path, model: str | None) -> Scored:
        """Raises ValueError, in a sentence, for a film or a model that cannot be used."""
        name = (model or "").strip()
        check_film(film, self.limits)
        return score_film(self.model(name), film, name)

    def analyse(
        self,
        film: dict | None,
        model: str,
        count: int,
        shortest: float,
        longest: float,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(track_tqdm=True),  # noqa: B008
    ) -> list:
        """A new film or model: score, then show everything."""
        if film is None:  # it may have been removed while it was scored
            return nothing()
        with self.visits.new_folder(request.session_hash) as folder, in_words(folder):
            scored = self.score(adopt(film["path"], folder), model)
            cut = self.cut(scored, Wishes(count, shortest, longest), value=player_value(scored))
        for damage in scored.damages:
            gr.Warning(as_text(damage))
        return [scored, gr.Column(visible=True), *cut]

    def recut(self, scored: Scored | None, count: int, shortest: float, longest: float) -> list:
        """The sliders moved: nothing is scored again."""
        with in_words(folder_of(scored)):
            return self.cut(scored, Wishes(count, shortest, longest))

    def cut(self, scored: Scored, wishes: Wishes, **shown) -> list:
        """What else the player is to show, with highlights; files to download; no reel of another cut."""
        result = with_highlights(scored.result, wishes)
        files = [str(write(result, cut_folder(result, wishes), kind)) for kind in ("json", "edl")]
        highlights = [one.as_dict() for one in result.highlights]
        return [gr.HTML(highlights=highlights, **shown), *files, gr.DownloadButton(visible=False)]

    def reel(self, scored: Scored | None, count: int, shortest: float, longest: float) -> gr.DownloadButton:
        """Cut the film."""
        wishes = Wishes(count, shortest, longest)
        with in_words(folder_of(scored)):
            result = with_highlights(scored.result, wishes)
            reel = write(result, cut_folder(result, wishes), "mp4")
        size = reel.stat().st_size / 1e6
        return gr.DownloadButton(f"Save the reel ({size:.1f} MB)", value=str(reel), visible=True)

    def convert(self, scored: Scored | None) -> gr.HTML:
        """The visitor's browser cannot play the film, for its format or because it is gone."""
        if not is_here(scored):
            gr.Warning(GONE)
            return gr.HTML(value=None, highlights=[])
        with in_words(folder_of(scored)):
            return gr.HTML(value=player_value(scored, playable_copy(scored.result, folder_of(scored))))

    def highlights(self, film: dict | None, model: str, count: int, shortest: float, longest: float) -> dict:
        """Score a film and choose its highlights; a count of 0 chooses what stands out.

        Returns {"version", "model", "source", "duration", "scores", "highlights"}: one score a second, and
        highlights as {"start", "end", "score", "peak"} in seconds.
        """
        if film is None:
            raise gr.Error("No film was given.", print_exception=False)
        with private_folder() as name, in_words(folder := Path(name)):
            scored = self.score(adopt(film["path"], folder), model)
            result = with_highlights(scored.result, Wishes(count, shortest, longest))
            return json.loads(write(result, folder, "json").read_text(encoding="utf-8"))

    def leave(self, request: gr.Request) -> None:
        """The page was closed or reloaded."""
        self.visits.end_later(request.session_hash)


def is_here(scored: Scored | None) -> bool:
    """Whether there is a film on show, and still kept."""
    return scored is not None and scored.result.source.exists()


def folder_of(scored: Scored | None) -> Path:
    """Where the film on show is; raises gr.Error if it has been given up."""
    if not is_here(scored):
        raise gr.Error(GONE, print_exception=False)
    return scored.result.source.parent


def cut_folder(result: HighlightResult, wishes: Wishes) -> Path:
    """One for each cut, so that a browser's cache cannot mistake one for another."""
    return result.source.parent / f"{wishes.count}-{wishes.shortest:g}-{wishes.longest:g}"


def player_value(scored: Scored, copy: Path | None = None) -> dict:
    """What player.js shows; `copy`: in place of a film that the browser cannot play."""
    result = scored.result
    return {
        "film": FileData(path=str(copy or result.source)).model_dump(),
        "name": result.source_name,
        "duration": result.duration,
        "picture": scored.has_picture,
        "converted": copy is not None,
        "scores": [round(float(score), 4) for score in result.scores],
        "strip": scored.strip,
    }


def nothing() -> list:
    """An empty page, for the outputs of `Space.analyse`."""
    hidden = gr.DownloadButton(visible=False)
    return [None, gr.Column(visible=False), gr.HTML(value=None, highlights=[]), None, None, hidden]
