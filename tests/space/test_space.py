"""The Space, driven by a browser as a visitor would.

`SPACE_SCREENSHOTS=docs pytest tests/space/test_space.py -k screenshots` keeps the README's pictures of it.
"""

import ast
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from urllib.parse import urlsplit

import anyio
import av
import numpy as np
import pytest
from films import BURST, film_with_sound, make_film, tone
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from hub_server import HubServer
from paths import ROOT

from modeling_davihd import DEFAULT_CHECKPOINT

SPACE = ROOT / "spaces_demo"
sys.path.append(str(SPACE))  # a Space's files import each other as a program's do

import app  # noqa: E402
import handlers  # noqa: E402
from limits import Limits  # noqa: E402

SAMPLE = SPACE / "sample.mp4"
LIMITS = Limits(leave_seconds=0.1)
PATIENCE = 120  # seconds, for machines that have other work
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMIUM_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
CHROMIUM_FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
SCORE_FILM = handlers.score_film
DESK = {"width": 1200, "height": 900}
SHOWN, EMPTY = ".dv[data-state=full]", ".dv[data-state=empty]"

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:::gradio")]


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """The running Space; `scored` lists the films it has scored, `gates` may hold some back until set."""
    scored, gates = [], {}

    def score_film(detect, info, model_id, limits):
        scored.append(info.path.name)
        if gate := gates.get(info.path.name):
            gate.reached.set()
            assert gate.opened.wait(PATIENCE)
        return SCORE_FILM(detect, info, model_id, limits)

    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setattr(handlers, "score_film", score_film)
        page = app.build(LIMITS)
        app.launch(page, LIMITS, prevent_thread_lock=True, quiet=True)
        yield SimpleNamespace(url=page.local_url, folder=folder, scored=scored, gates=gates)
        page.close()


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium to look at the Space with (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visitor(chromium):
    """A browser that keeps Gradio's own files between its pages; each page is a session of its own."""
    return chromium.new_context()


@contextmanager
def pages_of(space, visitor):
    """open_page(): a newly opened page. No page may ask another host for anything, or fail."""
    pages, requests, failures = [], [], []

    def open_page(context=visitor):
        page = context.new_page()
        pages.append(page)
        page.set_default_timeout(1000 * PATIENCE)
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(space.url)
        page.wait_for_selector(EMPTY)
        return page

    yield open_page
    for page in pages:
        page.close()
    hosts = {urlsplit(url).netloc for url in requests if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(space.url).netloc}
    assert failures == []


@pytest.fixture
def visit(space, visitor):
    with pages_of(space, visitor) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def page(space, visitor):
    """A page with the sample film, for tests that leave it as it is."""
    with pages_of(space, visitor) as open_page:
        page = open_page()
        page.set_viewport_size(DESK)
        page.click("#sample")
        page.wait_for_selector(SHOWN)
        page.wait_for_function("document.querySelector('.dv video').readyState > 1")
        yield page


def upload(page, film: Path) -> None:
    page.set_input_files("#film input[type=file]", film)
    page.wait_for_selector(SHOWN)
    page.wait_for_function("document.querySelector('.dv video').readyState > 1")


def refusal(page, film: Path) -> str:
    """What the page says of a film that it does not take."""
    page.set_input_files("#film input[type=file]", film)
    return page.locator(".toast-body").inner_text()


def video(page, expression: str):
    return page.evaluate(f"document.querySelector('.dv video').{expression}")


def wait_for_time(page, least: float, most: float) -> None:
    page.wait_for_function(
        "([least, most]) => { const t = document.querySelector('.dv video').currentTime;"
        " return least <= t && t <= most }",
        arg=[least, most],
    )


def intervals(page) -> list[tuple[float, float]]:
    """(start, end) of the highlights in the list, to a tenth of a second."""
    texts = page.locator(".dv-range").all_inner_texts()
    clocks = [re.findall(r"(\d+):(\d\d(?:\.\d)?)", text) for text in texts]
    return [tuple(60 * int(minutes) + float(seconds) for minutes, seconds in pair) for pair in clocks]


def thumbnails(page) -> list[str]:
    """Addresses of the pictures in the list."""
    images = "all => all.map((one) => one.style.backgroundImage.slice(5, -2))"
    return page.locator(".dv-thumb").evaluate_all(images)


def spans(page) -> list[list[float]]:
    """[start, end] of highlights that were changed by hand."""
    return page.evaluate("document.querySelector('.dv').spans()")


def set_slider(page, name: str, value: int) -> None:
    box = page.locator(f"#{name} input[type=number]")
    box.fill(str(value))
    box.press("Tab")


def saved(page, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click(button)
    download.value.save_as(folder / download.value.suggested_filename)
    return folder / download.value.suggested_filename


# A visit


def test_space_plays_a_highlight_and_stops_at_its_end(page):
    start, end = intervals(page)[1]
    page.evaluate("document.querySelector('.dv video').playbackRate = 4")
    page.click(".dv-list li:nth-child(2) button")
    wait_for_time(page, start, end)
    page.locator(".dv-list button[aria-current=true] .dv-number", has_text="2").wait_for()
    page.wait_for_function("document.querySelector('.dv video').paused")
    wait_for_time(page, end, end + 1)


def test_space_curve_and_film_follow_each_other(page):
    line, duration = page.locator(".dv-line"), 48
    box = line.bounding_box()
    line.click(position={"x": box["width"] / 2, "y": 20})
    assert video(page, "currentTime") == pytest.approx(duration / 2, abs=0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 30)
    page.mouse.up()
    assert video(page, "currentTime") == pytest.approx(duration / 4, abs=0.1)
    for key, expected in (("ArrowRight", 13), ("PageUp", 23), ("ArrowLeft", 22), ("Home", 0), ("PageUp", 10)):
        line.press(key)
        assert video(page, "currentTime") == pytest.approx(expected, abs=0.1)
    assert line.get_attribute("aria-valuetext").startswith("0:10 / 0:48, score 0.")
    line.press("Space")
    page.wait_for_function("parseFloat(document.querySelector('.dv-cursor').style.left) > 100 * 10.3 / 48")
    line.press("Space")
    assert video(page, "paused")


def test_space_sliders_cut_anew_without_scoring_anew(page, space):
    before, scored = intervals(page), len(space.scored)
    listed = page.locator(".dv-list").inner_text()
    assert len(before) > 1
    set_slider(page, "count", 1)
    page.wait_for_function("document.querySelectorAll('.dv-list li').length === 1")
    assert intervals(page)[0] in before
    assert page.locator(".dv-band").count() == 1
    set_slider(page, "shortest", 9)
    page.wait_for_function("document.querySelector('.dv-length').textContent.startsWith('9 s')")
    for name in ("count", "shortest"):
        page.click(f"#{name} button")  # back to where it was
    page.wait_for_function("text => document.querySelector('.dv-list').innerText === text", arg=listed)
    assert intervals(page) == before
    assert len(space.scored) == scored


def test_space_saves_reel_json_and_edl_of_highlights_changed_by_hand(visit, tmp_path):
    page = visit()
    upload(page, SAMPLE)
    found = intervals(page)
    pictures = thumbnails(page)
    assert len(found) == 3 == len(set(pictures))
    edge, line = page.get_by_label("End of highlight 1"), page.locator(".dv-line")
    box, second = edge.bounding_box(), line.bounding_box()["width"] / 48
    page.mouse.move(box["x"] + 5, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + 5 - 60 * second, box["y"] + 12)  # further than to the start
    page.mouse.move(box["x"] + 5 + 1.5 * second, box["y"] + 12)
    page.mouse.up()
    for key in ("ArrowRight", "Shift+ArrowLeft", "ArrowLeft"):
        edge.press(key)
    chosen = [(found[0][0], found[0][1] + 0.5), found[2], (44, 48)]
    assert edge.get_attribute("aria-valuetext") == f"0:{chosen[0][1]:04.1f}"
    assert video(page, "currentTime") == pytest.approx(chosen[0][1], abs=0.1)
    page.get_by_label("Start of highlight 2").press("Delete")
    page.get_by_label("Remove highlight 2").click()
    page.keyboard.press("Control+z")
    for key in ("End", "ArrowLeft", "ArrowLeft"):
        line.press(key)
    page.get_by_text("Add a highlight here").click()
    assert intervals(page) == chosen
    page.wait_for_selector(".dv:not([data-pending])")
    first, second, added = thumbnails(page)
    assert [first, second] == [pictures[0], pictures[2]] and added not in ["", *pictures]
    written = json.loads(saved(page, "#save-json", tmp_path).read_text())
    assert written["source"] == "sample.mp4" and len(written["scores"]) == 48
    assert [[one["start"], one["end"]] for one in written["highlights"]] == spans(page)
    edit_list = saved(page, "#save-edl", tmp_path)
    assert edit_list.name == "sample.highlights.edl" and "003  AX" in edit_list.read_text()
    reel = saved(page, "#make-reel", tmp_path)
    assert reel.name == "sample.highlights.mp4"
    with av.open(str(reel)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        last = [frame.time for frame in container.decode(video=0)][-1]
    assert last == pytest.approx(sum(end - start for start, end in chosen), abs=0.2)
    page.get_by_text("Back to what was found").click()
    page.wait_for_selector("#save-reel", state="hidden")  # that reel is one of another cut
    assert intervals(page) == found and spans(page) is None
    page.get_by_text("Undo").click()
    assert intervals(page) == chosen
    page.wait_for_selector(".dv:not([data-pending])")
    shutil.rmtree(Path(urlsplit(video(page, "src")).path.split("file=")[1]).parent)
    edge.press("ArrowLeft")
    page.locator(".toast-body", has_text="no longer here").wait_for()
    assert intervals(page) == chosen


def test_space_forgets_a_film_when_its_page_is_reloaded(visit, space, tmp_path):
    page = visit()
    film = film_with_sound(tmp_path / "film.mp4", BURST[:48000], 3)
    upload(page, film)
    address = video(page, "src")
    assert list(space.folder.glob("visit-*/film.mp4"))
    page.reload()
    page.wait_for_selector(EMPTY)
    page.wait_for_function("address => fetch(address).then(answer => answer.status === 403)", arg=address)
    upload(page, film)


def test_space_keeps_visitors_apart(visit, chromium, tmp_path):
    mine, theirs = visit(), visit(chromium.new_context())
    upload(mine, SAMPLE)
    upload(theirs, film_with_sound(tmp_path / "theirs.mp4", BURST, 20))
    address = video(theirs, "src")
    assert Path(video(mine, "src")).parent != Path(address).parent
    assert [video(page, "ariaLabel") for page in (mine, theirs)] == ["sample.mp4", "theirs.mp4"]
    set_slider(theirs, "count", 1)
    theirs.wait_for_function("document.querySelectorAll('.dv-list li').length === 1")
    assert len(intervals(mine)) > 1
    assert json.loads(saved(mine, "#save-json", tmp_path).read_text())["source"] == "sample.mp4"
    mine.close()
    assert theirs.evaluate("address => fetch(address).then(answer => answer.ok)", address)


def test_space_shows_the_film_that_was_chosen_last_and_none_that_was_taken_back(visit, space, tmp_path):
    page, names = visit(), ("slow.mp4", "slower.mp4")
    films = [film_with_sound(tmp_path / name, BURST, 20) for name in names]
    last = make_film(tmp_path / "last.wav", sounds=[(0.0, BURST)], rate=16000)
    gates = [SimpleNamespace(reached=Event(), opened=Event()) for _ in names]
    space.gates.update(zip(names, gates, strict=True))

    def take_back(number: int) -> None:
        """Choose a film, and clear it while it is scored."""
        page.set_input_files("#film input[type=file]", films[number])
        assert gates[number].reached.wait(PATIENCE)
        page.click("#film button[aria-label='Clear']")

    take_back(0)
    page.set_input_files("#film input[type=file]", last)
    page.wait_for_selector("#film .download-link")
    gates[0].opened.set()
    page.wait_for_function("document.querySelector('.dv video').ariaLabel === 'last.wav'")
    assert space.scored[-2:] == ["slow.mp4", "last.wav"]
    page.wait_for_selector(SHOWN)
    strip = page.locator(".dv-strip img").get_attribute("src")
    assert set(thumbnails(page)) == {strip} and video(page, "poster") == ""  # it has sound alone
    page.click("#film button[aria-label='Clear']")
    page.wait_for_selector(EMPTY)
    take_back(1)
    with page.expect_request(lambda sent: "queue/join" in sent.url and '"data":[null' in sent.post_data):
        gates[1].opened.set()
    page.wait_for_selector(EMPTY)


def test_space_converts_a_film_that_the_browser_cannot_play(visit, tmp_path):
    film = make_film(
        tmp_path / "old.avi",
        times=np.arange(200) / 10,
        fps=10,
        size=(160, 120),
        sounds=[(0.0, BURST)],
        rate=16000,
        video_codec="mpeg4",
        audio_codec="mp2",
    )
    page = visit()
    upload(page, film)
    assert video(page, "src").endswith("/old.playable.mp4") and video(page, "videoWidth") == 160
    assert video(page, "duration") == pytest.approx(20, abs=0.2)


# What is refused


def text_file(folder: Path) -> Path:
    (folder / "notes.txt").write_text("not a film")
    return folder / "notes.txt"


def disguised_text(folder: Path) -> Path:
    (folder / "notes.mp4").write_text("not a film")
    return folder / "notes.mp4"


def silent_film(folder: Path) -> Path:
    return film_with_sound(folder / "silent.mp4", np.zeros(48000, np.float32), 3)


def big_film(folder: Path) -> Path:
    with (folder / "big.mp4").open("wb") as file:
        file.truncate(LIMITS.film_bytes + 1)
    return folder / "big.mp4"


def long_film(folder: Path) -> Path:
    seconds = 60 * LIMITS.minutes + 1
    return make_film(folder / "long.wav", sounds=[(0.0, tone(seconds, 8000))], rate=8000)


REFUSED = [
    (text_file, "Invalid file type: notes.txt"),
    (disguised_text, "notes.mp4: not a film or sound file"),
    (silent_film, "silent.mp4: has no audible sound, and davihd-small only listens"),
    (big_film, "exceed the maximum allowed size of 200.0 Mb"),
    (long_film, "long.wav: is too long; a film may last 20 minutes here"),
]


def test_space_refuses_in_words_and_takes_the_next_film_and_no_folder_as_a_model(visit, space, tmp_path):
    page = visit()
    for make, words in REFUSED:
        said = refusal(page, make(tmp_path))
        assert words in said and "/" not in said and "Traceback" not in said
        page.wait_for_selector(EMPTY)
        page.evaluate("document.querySelectorAll('.toast-close').forEach(button => button.click())")
        page.wait_for_selector(".toast-body", state="detached")
        # At once, if it is there: what the server refuses may be leaving by itself.
        page.evaluate("document.querySelector('#film button[aria-label=Clear]')?.click()")
    upload(page, film_with_sound(tmp_path / "next.mp4", BURST, 20))
    scored = len(space.scored)
    model = page.locator("#model input")
    model.fill(str(DEFAULT_CHECKPOINT))
    model.press("Enter")
    page.locator(".toast-body", has_text="named davihd-small or, on the Hub, owner/name").wait_for()
    page.wait_for_selector(EMPTY)
    assert len(space.scored) == scored


# How it looks

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def photograph(page, folder: Path, name: str) -> None:
    """Check that the page fits its screen, and make the picture of that name."""
    page.locator(".dv-line").blur()
    page.wait_for_function(
        "(film => film.readyState === 4 && !film.seeking)(document.querySelector('.dv video'))"
    )
    assert page.evaluate("document.scrollingElement.scrollWidth") <= page.viewport_size["width"]
    assert {one[:16] for one in (*thumbnails(page), video(page, "poster"))} == {"data:image/webp;"}
    folder = Path(os.environ.get("SPACE_SCREENSHOTS", folder))
    folder.mkdir(exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def check_axis(page, second: int) -> None:
    """The axis has a name, its values are as high as the curve is at the second shown, and can be read."""
    axis, curve = page.locator(".dv-axis"), page.locator(".dv-curve").bounding_box()
    name, *values = axis.locator("span").all()
    assert name.inner_text() == "Score (0 to 1)"
    assert int(name.evaluate("one => parseFloat(getComputedStyle(one).fontSize)")) >= 12
    boxes = [one.bounding_box() for one in (name, *values)]
    assert len(values) >= 3 and name.bounding_box()["height"] <= curve["height"]
    assert all(0 <= box["x"] and box["x"] + box["width"] <= curve["x"] for box in boxes)
    middles = [box["y"] + box["height"] / 2 for box in boxes[1:]]
    assert middles[0] == pytest.approx(curve["y"] + curve["height"], abs=1)
    assert min(-np.diff(middles)) > 13  # pixels: they do not touch
    labels = [float(one.inner_text()) for one in values]
    heights = re.findall(r"[,V]([\d.]+)H", page.locator(".dv-edge").get_attribute("d"))
    score = float(page.locator(".dv-readout").inner_text().split()[-1])
    height = curve["y"] + float(heights[second]) / 100 * curve["height"]
    assert np.interp(score, labels, middles) == pytest.approx(height, abs=2)


def test_space_fits_screens_and_makes_screenshots(page, tmp_path):
    start, _ = intervals(page)[0]
    page.locator(".dv-line").press("Home")
    for _ in range(int(start) + 1):
        page.locator(".dv-line").press("ArrowRight")
    check_axis(page, int(start) + 1)
    for name, scheme in (("space", "light"), ("space-dark", "dark")):
        page.emulate_media(color_scheme=scheme)
        dark = "getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 128"
        page.wait_for_function(f"{dark} === {json.dumps(scheme == 'dark')}")
        photograph(page, tmp_path, name)


def test_space_curve_follows_a_finger_on_a_phone_and_makes_screenshots(visit, chromium, tmp_path):
    page = visit(chromium.new_context(**PHONE))
    upload(page, SAMPLE)
    line = page.locator(".dv-line")
    line.tap(position={"x": line.bounding_box()["width"] / 2, "y": 20})
    assert video(page, "currentTime") == pytest.approx(24, abs=0.5)
    check_axis(page, 24)
    photograph(page, tmp_path, "space-phone")
    edge, (start, end) = page.get_by_label("End of highlight 1"), intervals(page)[0]
    box, second = edge.bounding_box(), line.bounding_box()["width"] / 48
    assert min(box["width"], box["height"]) >= 24 and box["y"] + box["height"] <= line.bounding_box()["y"] + 1
    finger, at = page.context.new_cdp_session(page), page.evaluate("scrollY")
    x, y = box["x"] + 4, box["y"] + 12
    for kind, *points in (
        ("touchStart", {"x": x, "y": y}),
        ("touchMove", {"x": x - 2 * second, "y": y - 30}),
        ("touchMove", {"x": x - 2 * second, "y": y - 200}),
        ("touchMove", {"x": x - second, "y": y - 200}),  # far away: a twenty-fifth of a second
        ("touchEnd",),
    ):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert spans(page)[0] == pytest.approx([start, end - 1.96], abs=0.02)
    assert page.evaluate("scrollY") == at


# Programs


def program(address: str) -> Client:
    """A client that is patient, as the server may have just begun."""
    return Client(address, verbose=False, httpx_kwargs={"timeout": PATIENCE})


def test_space_answers_programs(space, tmp_path):
    client, visitors = program(space.url), set(space.folder.glob("visit-*"))  # who may be leaving only now
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/highlights"}
    found = client.predict(handle_file(SAMPLE), api_name="/highlights")
    assert found["model"] == "davihd-small" and found["duration"] == 48
    assert len(found["scores"]) == 48 and len(found["highlights"]) > 1
    one = client.predict(handle_file(SAMPLE), count=1, shortest=5, api_name="/highlights")["highlights"]
    assert len(one) == 1 and one[0]["end"] - one[0]["start"] >= 5
    film = handle_file(film_with_sound(tmp_path / "film.mp4", BURST[:32000], 2))
    given = client.predict(film, spans=[[0.5, 1.25]], api_name="/highlights")["highlights"]
    assert [(one["start"], one["end"]) for one in given] == [(0.5, 1.25)]
    assert set(space.folder.glob("visit-*")) <= visitors


def test_space_is_a_tool_of_assistants(space, tmp_path):
    mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")
    from mcp.client.streamable_http import streamable_http_client

    film = film_with_sound(tmp_path / "film.mp4", BURST[:32000], 2)
    inline = f"data:video/mp4;base64,{base64.b64encode(film.read_bytes()).decode()}"

    async def ask():
        async with (
            streamable_http_client(f"{space.url}gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            spans = [{"film": inline, "spans": spans} for spans in ([[0.5, 1.25]], [[1, 0]])]
            return tools, [await session.call_tool("highlights", arguments) for arguments in spans]

    with ThreadPoolExecutor(1) as aside:  # the browser of other tests has a loop of its own in this thread
        [tool], (found, refused) = aside.submit(anyio.run, ask).result()
    assert tool.name == "highlights" and "choose what stands out" in tool.description
    inputs = tool.inputSchema["properties"]
    assert all(one.get("description") for one in inputs.values()) and "enum" not in inputs["model"]
    given = ast.literal_eval(found.content[0].text)["highlights"]
    assert not found.isError and [(one["start"], one["end"]) for one in given] == [(0.5, 1.25)]
    assert refused.isError and "highlight 1" in refused.content[0].text


def test_space_tells_programs_in_words_what_is_wrong(space, tmp_path):
    client = program(space.url)
    with pytest.raises(AppError, match="notes.mp4: not a film or sound file"):
        client.predict(handle_file(disguised_text(tmp_path)), api_name="/highlights")
    with pytest.raises(AppError, match="owner/name"):
        client.predict(handle_file(SAMPLE), model="../../etc", api_name="/highlights")
    with pytest.raises(AppError, match="top_k must be a whole number"):
        client.predict(handle_file(SAMPLE), count=-1, api_name="/highlights")
    with pytest.raises(AppError, match="highlight 1: .start, end. in seconds is needed, not 5"):
        client.predict(handle_file(SAMPLE), spans=[5, 4], api_name="/highlights")


def test_space_is_a_program_that_uses_public_models_and_leaves_nothing(tmp_path):
    """`python spaces_demo/app.py`, whose own token could read more of the Hub than visitors may."""
    checkpoint = {path.name: path.read_bytes() for path in DEFAULT_CHECKPOINT.iterdir()}
    film = handle_file(film_with_sound(tmp_path / "film.mp4", BURST, 20))
    with HubServer() as hub:
        hub.put("alice/model", **checkpoint)
        hub.put("alice/secret", **checkpoint).private = True
        hub.put("alice/other", **{"config.json": b'{"model_type": "bert"}'})
        environment = os.environ | hub.environment(tmp_path / "home", "alice")
        environment |= {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        with running([sys.executable, str(SPACE / "app.py")], environment, tmp_path) as address:
            client = program(address)
            found = client.predict(film, model="alice/model", api_name="/highlights")
            assert found["model"] == "alice/model" and found["highlights"]
            for model, words in (
                ("alice/secret", "no public model alice/secret on the Hub"),
                ("alice/other", "alice/other cannot be loaded: .*'bert' model"),
            ):
                with pytest.raises(AppError, match=words):
                    client.predict(film, model=model, api_name="/highlights")
    assert not list(tmp_path.glob("davihd-space-*")) and not list(tmp_path.glob("tmp*"))


@contextmanager
def running(command: list[str], environment: dict[str, str], folder: Path):
    """Yield the address of a server that tells it; interrupt it in the end as Ctrl+C does."""
    with subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield next(word for line in server.stdout for word in line.split() if word.startswith("http"))
        finally:
            server.send_signal(signal.SIGINT)
