"""The Space: a film in, its highlights out, beside a player and the reasons.

python app.py [MODEL]    # a checkpoint folder, by default the embedded davihd-small
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
from gradio.components import Component
from gradio.themes.utils.fonts import LocalFont
from gradio.utils import get_upload_folder
from handlers import NO_CUT, Space, empty_page
from limits import Limits
from scoring import collect_media_warnings

from modeling_davihd.jobs import without_collection
from modeling_davihd.loading import DEFAULT_MODEL

HERE = Path(__file__).parent
SAMPLE = HERE / "sample.mp4"
HEADER = """# Highlights of a film

Every second of a film gets a score; what stands out becomes a reel. The default model, **{model}**,
{what}
"""
EMBEDDED = """listens and does not see. It was trained on soundtracks mixed of generated sounds and free
recordings: it finds what stands out from its surroundings (a cheer, a crash, a fight), not what is
meaningful."""
OWN = "is this server's own."
FILE_TYPES = ["video", "audio", ".mkv", ".ts", ".mts", ".m2ts", ".flv", ".mxf", ".opus"]  # browsers know few
WIDE = 240  # pixels that a control needs beside others: one below the other on a phone
RAW = {"preprocess": False}  # a film comes as FileData: as a path, it would leave an empty file each time
SILENT = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}  # events done in no time
PLAYER = "document.querySelector('#player .dv')"
TIMES = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
SPANS = {"type": "array", "items": TIMES}  # the schema that tools need; that of gr.JSON is none
WITH_SPANS = f"(...inputs) => [...inputs.slice(0, -1), {PLAYER}.spans()]"
TAKE_BACK = f"(film) => {{ {PLAYER}.dispatchEvent(new Event('refused')); return film; }}"
PRESS_SAVE = "() => requestAnimationFrame(() => document.querySelector('#save-reel').click())"


def build(limits: Limits, own: Path | None = None) -> gr.Blocks:
    """The page and what it does. own: a checkpoint folder, to be the default model."""
    space, default = Space(limits, own), DEFAULT_MODEL if own is None else own.name
    space.pipeline(default)  # before the first visitor comes
    collect_media_warnings()
    work = {"concurrency_id": "work", "concurrency_limit": limits.jobs}
    with gr.Blocks(
        title="Highlights of a film",
        delete_cache=(min(600, limits.keep_seconds), limits.keep_seconds),
        analytics_enabled=False,
    ) as page:
        gr.Markdown(HEADER.format(model=default, what=EMBEDDED if own is None else OWN))
        film, model = _inputs(limits, default)
        player = _player()
        with gr.Column(visible=False) as results:
            sliders = _sliders()
            make_reel, downloads = _downloads()
        spans = gr.JSON(visible=False)  # never shown: the player has them, and WITH_SPANS sends them along
        spans.api_info = lambda: SPANS
        scored = gr.State(time_to_live=limits.keep_seconds)
        shown = [player, *downloads]
        _on_film(space, film, model, sliders, [scored, results, *shown], work)
        _on_sliders(space, [scored, *sliders], shown)
        _on_edits(space, player, [scored, *sliders, spans], shown)
        _on_reel(space, make_reel, [scored, *sliders, spans], downloads[-1], work)
        player.unplayable(space.convert, scored, player, api_visibility="private", **work)
        page.unload(space.leave)
        any_model = gr.Textbox(default, visible=False)  # a tool's dropdown allows only what it lists
        _endpoint(space, [film, any_model, *sliders, spans], work)
    return page.queue(max_size=limits.waiting)


def launch(page: gr.Blocks, limits: Limits, **options) -> None:
    """Serve the page, and its API to programs and, where `davihd[mcp]` is installed, to assistants.

    Nothing on the page comes from another host.
    """
    gr.mcp.DEFAULT_TEMP_DIR = get_upload_folder()  # Gradio itself looks only when it is imported
    page.launch(
        max_file_size=limits.film_bytes,
        allowed_paths=[str(SAMPLE)],
        theme=_theme(),
        css_paths=[HERE / "player.css"],
        footer_links=["api"],
        ssr_mode=False,
        mcp_server=find_spec("mcp") is not None,
        **options,
    )


def _theme() -> gr.themes.Default:
    """Gradio's own, with readable colours, and Bold for its SemiBold, whose file lacks Latin letters."""
    font = (LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif")
    theme = gr.themes.Default(primary_hue="orange", secondary_hue="blue", font=font)
    return theme.set(
        body_text_color_subdued="*neutral_600",
        block_info_text_color="*neutral_600",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
    )


# The parts of the page


def _inputs(limits: Limits, default: str) -> tuple[Component, Component]:
    with gr.Row(equal_height=True):
        film = gr.File(
            label=f"Film or sound, up to {limits.megabytes:g} MB and {limits.minutes:g} minutes",
            file_types=FILE_TYPES,
            height=150,
            scale=3,
            elem_id="film",
        )
        with gr.Column(scale=2, min_width=WIDE):
            model = gr.Dropdown(
                sorted({default, DEFAULT_MODEL}),
                value=default,
                allow_custom_value=True,
                label="Model",
                info="The embedded one, or the Hub id (owner/name) of any DAViHD model",
                elem_id="model",
            )
            sample = gr.Button("Try the sample film", elem_id="sample")
    sample.click(lambda: str(SAMPLE), outputs=film, **SILENT)
    return film, model


def _player() -> gr.HTML:
    return gr.HTML(
        value=None,
        html_template=(HERE / "player.html").read_text(encoding="utf-8"),
        js_on_load="".join((HERE / name).read_text(encoding="utf-8") for name in ("edges.js", "player.js")),
        apply_default_css=False,
        cut=NO_CUT,
        elem_id="player",
    )


def _sliders() -> list[Component]:
    with gr.Row():
        return [
            gr.Slider(
                0, 20, 0, step=1, label="How many (0: what stands out)", elem_id="count", min_width=WIDE
            ),
            gr.Slider(1, 20, 2, step=1, label="Shortest, in seconds", elem_id="shortest", min_width=WIDE),
            gr.Slider(2, 60, 30, step=1, label="Longest, in seconds", elem_id="longest", min_width=WIDE),
        ]


def _downloads() -> tuple[Component, list[Component]]:
    """The button that makes the reel, and those that save: JSON, EDL, reel."""
    with gr.Row():
        make = gr.Button("Make the reel", variant="primary", elem_id="make-reel")
        reel = gr.DownloadButton(visible=False, variant="primary", elem_id="save-reel")
        scores = gr.DownloadButton("Save scores (JSON)", elem_id="save-json")
        edit_list = gr.DownloadButton("Save edit list (EDL)", elem_id="save-edl")
    return make, [scores, edit_list, reel]


# What happens on it


def _on_film(space, film, model, sliders, everything, work) -> None:
    """A new film or model: whatever is on show goes, then the new film is scored."""
    emptied = gr.on(
        [film.change, model.change], empty_page, outputs=everything, trigger_mode="always_last", **SILENT
    )
    analysed = emptied.then(
        space.analyse,
        [film, model, *sliders],
        everything,
        show_progress_on=everything[2],
        trigger_mode="always_last",
        api_visibility="private",
        **RAW,
        **work,
    )
    analysed.failure(empty_page, outputs=everything, **SILENT)  # what a film before it may have left on show


def _on_sliders(space, inputs, shown) -> None:
    moved = [slider.change for slider in inputs[1:]]
    changed = gr.on(moved, space.recut, inputs, shown, trigger_mode="always_last", **SILENT)
    _on_refusal(space, changed, inputs[0])


def _on_edits(space, player, inputs, shown) -> None:
    changed = player.edited(space.recut, inputs, shown, js=WITH_SPANS, trigger_mode="always_last", **SILENT)
    _on_refusal(space, changed, inputs[0])


def _on_refusal(space, changed, scored) -> None:
    """The player goes back to what it showed. Gradio shows errors of queued events alone, as this one is."""
    changed.failure(space.explain, scored, js=TAKE_BACK, api_visibility="private")


def _on_reel(space, make, inputs, save, work) -> None:
    made = make.click(
        space.reel, inputs, save, js=WITH_SPANS, show_progress_on=make, api_visibility="private", **work
    )
    made.success(None, js=PRESS_SAVE, api_visibility="private")


def _endpoint(space, inputs, work) -> None:
    """`gradio_client` calls it as `/highlights`, and it is a tool of the MCP server.

    An event needs something to set it off.
    """
    call = gr.Button(visible=False)
    call.click(space.highlights, inputs, gr.JSON(visible=False), api_name="highlights", **RAW, **work)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="app.py", description=__doc__)
    parser.add_argument("model", nargs="?", type=Path, metavar="MODEL", help="a checkpoint folder")
    own, limits = parser.parse_args(arguments).model, Limits()
    with TemporaryDirectory(prefix="davihd-space-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # uploads, too, are gone when the server ends
        try:
            with without_collection():
                page = build(limits, own and own.absolute())
        except (ValueError, OSError) as error:
            parser.error(f"{own}: {error}")
        launch(page, limits)


if __name__ == "__main__":
    main()
