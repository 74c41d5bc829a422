"""What the page's events do."""

from __future__ import annotations

import html
import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import pictures
from gradio.data_classes import FileData
from limits import Limits
from models import DEVICE, pipeline_for
from scoring import (
    CutOptions,
    Scored,
    as_spans,
    check_film,
    choose_highlights,
    playable_copy,
    score_film,
    write,
)
from visits import Visits, link_upload, private_folder

from modeling_davihd.clean_edges import EdgeCleaner
from modeling_davihd.sound_names import SoundNamer
from modeling_davihd.writers import HighlightResult
from modeling_davihd.writers.tables import document

GONE = "This film is no longer here; please upload it again."
NO_CUT = {"number": None, "highlights": [], "edited": False}  # of the player, without a film
log = logging.getLogger("davihd.space")


@contextmanager
def errors_for_visitors(folder: Path) -> Iterator[None]:
    """Turn errors into a sentence for the page, which names files of the folder but not the folder."""
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
    """A sentence for Gradio to show as it is; it takes messages for HTML, and names in files may be links."""
    return html.escape(sentence, quote=False)


class Space:
    """What the page's events do; one object for all visitors, who share the models and nothing else.

    own: a checkpoint folder beside the embedded model and those of the Hub.
    """

    def __init__(self, limits: Limits, own: Path | None = None):
        self.limits = limits
        self.visits = Visits(limits.keep_seconds, limits.leave_seconds)
        self.cleaner = EdgeCleaner()
        self.cuts = itertools.count()
        self.namer = SoundNamer(DEVICE)
        self.pipeline = lru_cache(limits.models)(lambda name: pipeline_for(name, limits.model_megabytes, own))

    def score(self, film: Path, model: str | None) -> Scored:
        """Raises ValueError, in a sentence, for a film or a model that cannot be used."""
        name = (model or "").strip()
        info = check_film(film, self.limits)  # before a model is fetched for it
        return score_film(self.pipeline(name), info, name, self.limits)

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
            return empty_page()
        with self.visits.new_folder(request.session_hash) as folder, errors_for_visitors(folder):
            scored = self.score(link_upload(film["path"], folder), model)
            updates = self.cut(scored, CutOptions(count, shortest, longest), value=player_value(scored))
        for damage in scored.damages:
            gr.Warning(as_text(damage))
        return [scored, gr.Column(visible=True), *updates]

    def recut(
        self, scored: Scored | None, count: int, shortest: float, longest: float, spans: Any = None
    ) -> list:
        """The sliders moved, or highlights were changed by hand: nothing is scored again."""
        with errors_for_visitors(folder_of(scored)):
            return self.cut(scored, self.options(count, shortest, longest, spans))

    def explain(self, scored: Scored | None) -> None:
        """Say why nothing could be cut anew."""
        folder_of(scored)
        raise gr.Error("These highlights could not be cut.", print_exception=False)

    def options(self, count: int, shortest: float, longest: float, spans: Any) -> CutOptions:
        """What was asked for. Raises ValueError, in a sentence, for spans that are none."""
        return CutOptions(count, shortest, longest, as_spans(spans, self.limits))

    def cut(self, scored: Scored, options: CutOptions, **shown) -> list:
        """Updates of the page: the player's highlights, files to download, and no reel of another cut.

        shown: further values for the player.
        """
        result = self.choose(scored, options)
        folder = result.source.parent / options.name  # a browser's cache cannot mistake it for another cut's
        files = [str(write(result, folder, kind)) for kind in ("json", "edl")]
        thumbnails = pictures.of_highlights(result, scored.seen)
        shown_as = zip(result.highlights, thumbnails, strict=True)
        highlights = [one.as_dict() | {"thumbnail": thumbnail} for one, thumbnail in shown_as]
        cut = {"number": next(self.cuts), "highlights": highlights, "edited": options.spans is not None}
        return [gr.HTML(cut=cut, **shown), *files, gr.DownloadButton(visible=False)]

    def choose(self, scored: Scored, options: CutOptions) -> HighlightResult:
        """The highlights that are asked for, and what is heard in them."""
        return self.namer.name(choose_highlights(scored, options, self.cleaner), scored.heard)

    def reel(
        self, scored: Scored | None, count: int, shortest: float, longest: float, spans: Any
    ) -> gr.DownloadButton:
        """Cut the film. Reels of other cuts, which the page offers no longer, make room."""
        with errors_for_visitors(folder := folder_of(scored)):
            options = self.options(count, shortest, longest, spans)
            result = choose_highlights(scored, options, self.cleaner)
            reel = write(result, folder / options.name, "mp4")
        for other in set(folder.glob(f"*/{reel.name}")) - {reel}:
            other.unlink(missing_ok=True)
        size = reel.stat().st_size / 1e6
        return gr.DownloadButton(f"Save the reel ({size:.1f} MB)", value=str(reel), visible=True)

    def convert(self, scored: Scored | None) -> gr.HTML:
        """Show a copy where the visitor's browser cannot play the film; say so if the film is gone."""
        if not is_here(scored):
            gr.Warning(GONE)
            return gr.HTML(value=None, cut=NO_CUT)
        with errors_for_visitors(folder_of(scored)):
            return gr.HTML(value=player_value(scored, playable_copy(scored.result, folder_of(scored))))

    def highlights(
        self, film: dict | None, model: str, count: int, shortest: float, longest: float, spans: Any = None
    ) -> dict:
        """Find the highlights of a film or of a sound: score every second of it and choose what stands out.

        Args:
            film: The film or sound file
            model: davihd-small, which listens and does not see, or the Hub id (owner/name) of a DAViHD model
            count: How many highlights at the most; 0 chooses what stands out, which may be nothing
            shortest: How many seconds a highlight lasts at the least
            longest: How many seconds a highlight lasts at the most
            spans: Highlights to judge instead of choosing any, as [start, end] in seconds of each

        Returns:
            version, model, source, duration: who scored which film of how many seconds
            scores: one for each second, from 0 to 1; they compare within a film only
            highlights: start and end of each in seconds
            score: of a highlight, the mean of its scores
            peak: of a highlight, where its best second starts
            confidence: of a highlight, how likely it is one, if the model was calibrated
            sounds: of a highlight, the name and confidence of what is surely heard in it
            edges: of a highlight, from where to where its start and end were moved, and to what
        """
        if film is None:
            raise gr.Error("No film was given.", print_exception=False)
        with private_folder() as name, errors_for_visitors(folder := Path(name)):
            options = self.options(count, shortest, longest, spans)
            scored = self.score(link_upload(film["path"], folder), model)
            result = self.choose(scored, options)
            return document(result)

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
        "poster": pictures.of_best_second(result, scored.seen),
    }


def empty_page() -> list:
    """An empty page, for the outputs of `Space.analyse`."""
    hidden = gr.DownloadButton(visible=False)
    return [None, gr.Column(visible=False), gr.HTML(value=None, cut=NO_CUT), None, None, hidden]
