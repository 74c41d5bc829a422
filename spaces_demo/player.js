// Runs once, when the page has the player; `element`, `props`, `trigger` and `watch` are those of gr.HTML.
// props.value: {film, name, duration, picture, converted, scores, strip, poster} or null; picture: whether the
// film has one. strip and poster, and the thumbnail of each highlight, are addresses of pictures, or null.
// props.cut: {number, highlights, edited}; edited: whether the highlights are those that were sent by hand.

const root = element.querySelector(".dv");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const video = part("film");
const line = part("line");
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600]; // seconds
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
const NOTHING = "Nothing stands out; the slider “How many” gives the best moments that there are";
const VALUES = 4; // at the axis of the curve, at the most, beside zero
const AWAY = 1.5; // seconds outside of the highlight being played: somebody moved the film's own slider

let film = null; // what is shown
let playing = []; // highlights that are being played, the first of them now

// Times

function clock(seconds) {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function exact(seconds) {
  const tenths = Math.round(10 * seconds);
  return `${clock(Math.floor(tenths / 10))}.${tenths % 10}`;
}

function brief(seconds) {
  return Math.round(10 * seconds) % 10 ? exact(seconds) : clock(seconds);
}

function percent(seconds) {
  return `${(100 * Math.min(seconds, film.duration)) / film.duration}%`;
}

function scoreAt(seconds) {
  return film.scores[Math.min(Math.floor(seconds), film.scores.length - 1)];
}

// Drawing

function make(tag, properties, children = []) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Children are kept where they can be, and with them the focus.
function fit(parent, count, create) {
  while (parent.children.length > count) parent.lastChild.remove();
  while (parent.children.length < count) parent.append(create(parent.children.length));
  return [...parent.children];
}

function drawCurve() {
  const top = Math.max(...film.scores) * 1.22 || 1; // scores compare within a film only; room for the numbers
  const steps = film.scores.map((score, second) => {
    const height = (100 * (1 - score / top)).toFixed(2);
    return `V${height}H${Math.min(second + 1, film.duration)}`;
  });
  const path = `M0,100${steps.join("")}`;
  part("curve").setAttribute("viewBox", `0 0 ${film.duration} 100`);
  part("curve").querySelector(".dv-area").setAttribute("d", `${path}V100Z`);
  part("curve").querySelector(".dv-edge").setAttribute("d", path.replace(/^M0,100V([\d.]+)/, "M0,$1"));
  drawScale(top);
}

function drawScale(top) {
  const tenth = 10 ** Math.floor(Math.log10(top / VALUES));
  const step = [1, 2, 5, 10].map((times) => times * tenth).find((size) => size * VALUES >= top);
  const digits = Math.max(0, Math.ceil(-Math.log10(step)));
  const values = Array.from({ length: Math.floor(top / step) + 1 }, (_, number) => number * step);
  const heights = values.map((value) => 100 * (1 - value / top));
  const labels = values.map((value) => make("span", { textContent: value.toFixed(digits) }));
  labels.forEach((label, number) => (label.style.top = `${heights[number]}%`));
  part("scale").replaceChildren(...labels);
  const lines = heights.map((height) => `M0,${height.toFixed(2)}H${film.duration}`);
  part("curve").querySelector(".dv-grid").setAttribute("d", lines.join(""));
}

function drawTicks() {
  const most = line.clientWidth / 64; // labels side by side
  const step = TICKS.find((seconds) => film.duration / seconds <= most) ?? TICKS.at(-1);
  const ticks = [];
  for (let second = 0; second < film.duration - step / 3; second += step) {
    const tick = make("span", { textContent: clock(second) });
    tick.style.left = percent(second);
    ticks.push(tick);
  }
  part("ticks").replaceChildren(...ticks);
  part("unit").textContent = film.duration < 3600 ? "min:s" : "h:min:s";
}

function drawStrip() {
  part("strip").hidden = part("why").hidden = !film.strip;
  if (!film.strip) return;
  part("picture").src = film.strip;
  part("picture").style.width = `${(100 * film.scores.length) / film.duration}%`; // whole seconds: it may stick out
}

function drawPosition() {
  const now = Math.min(video.currentTime, film.duration);
  const words = `${clock(Math.floor(now))} / ${clock(film.duration)}, score ${scoreAt(now).toFixed(2)}`;
  part("cursor").style.left = percent(now);
  const edge = part("edges").querySelector(":focus");
  part("readout").textContent = edge && video.paused ? `${edgeName(edge)}: ${exact(edgeOf(edge))}` : words;
  part("add").disabled = !gapAt(now);
  if (video.paused) {
    line.setAttribute("aria-valuenow", now.toFixed(1)); // not while playing: it would be read out all the time
    line.setAttribute("aria-valuetext", words);
  }
  for (const button of part("list").querySelectorAll(".dv-play")) {
    button.setAttribute("aria-current", String(button.highlight.start <= now && now < button.highlight.end));
  }
}

// Highlights

function soundsOf({ sounds = [] }) {
  return sounds.map(({ name }) => name).join(", ");
}

function newRow() {
  const thumb = make("span", { className: "dv-thumb" }, [make("span", { className: "dv-number" })]);
  const play = make("button", { type: "button", className: "dv-play" }, [thumb]);
  return make("li", {}, [play, make("button", { type: "button", className: "dv-remove", textContent: "×" })]);
}

// What the film shows at the best moment; of a film without a picture, what its sound looks like from start to end.
function drawThumb(thumb, { start, end, thumbnail }) {
  const shown = film.picture ? thumbnail : film.strip;
  const [all, seen] = [film.scores.length, end - start]; // seconds
  thumb.style.backgroundImage = shown ? `url("${shown}")` : "";
  thumb.style.backgroundSize = film.picture ? "" : `${(100 * all) / seen}% 100%`;
  thumb.style.backgroundPosition = film.picture ? "" : `${(100 * start) / Math.max(all - seen, 1e-3)}% 0`;
}

function drawRow(row, highlight, index) {
  const range = `${brief(highlight.start)} – ${brief(highlight.end)}`;
  const bar = make("span", { className: "dv-bar" });
  bar.style.setProperty("--share", `${(100 * highlight.score) / Math.max(...film.scores)}%`);
  const sure = "confidence" in highlight ? `, ${Math.round(100 * highlight.confidence)} % sure` : "";
  const length = `${Number((highlight.end - highlight.start).toFixed(1))} s${sure}`;
  const names = soundsOf(highlight);
  const [button, remove] = row.children;
  const thumb = button.firstChild;
  drawThumb(thumb, highlight);
  thumb.firstChild.textContent = index + 1;
  const words = make("span", { className: "dv-words" }, [
    make("span", { className: "dv-range", textContent: range }),
    make("span", { className: "dv-length", textContent: length }),
    make("span", { className: "dv-sounds", textContent: names, hidden: !names }),
    bar,
  ]);
  button.replaceChildren(thumb, words);
  Object.assign(button, { highlight, onclick: () => play([highlight]) });
  const score = highlight.score.toFixed(2);
  button.setAttribute("aria-label", `Play highlight ${index + 1}, ${range}${names && `, ${names}`}, score ${score}${sure}`);
  Object.assign(remove, { onclick: () => removeClip(index), ariaDisabled: String(clips.length === 1) });
  remove.setAttribute("aria-label", `Remove highlight ${index + 1}`);
}

function newBand() {
  return make("div", { className: "dv-band" }, [make("span", {})]);
}

function drawBand(band, highlight, index) {
  band.title = soundsOf(highlight);
  band.firstChild.textContent = index + 1;
  band.style.left = percent(highlight.start);
  band.style.width = percent(highlight.end - highlight.start);
}

function focusBeside(gone) {
  const others = [...root.querySelectorAll(`.${gone.classList[0]}`)].filter((one) => one.checkVisibility());
  (others.at(-1) ?? line).focus({ preventScroll: true });
}

function drawHighlights() {
  if (!film) return;
  const focused = root.contains(document.activeElement) && document.activeElement;
  const seconds = clips.reduce((sum, { start, end }) => sum + end - start, 0);
  const count = `${clips.length} highlight${clips.length === 1 ? "" : "s"}`;
  playing = [];
  part("summary").textContent = clips.length ? `${count}, ${clock(seconds)} in all` : NOTHING;
  part("all").hidden = !clips.length;
  part("undo").hidden = !past.length;
  part("reset").hidden = !edited;
  fit(part("list"), clips.length, newRow).forEach((row, index) => drawRow(row, clips[index], index));
  fit(part("bands"), clips.length, newBand).forEach((band, index) => drawBand(band, clips[index], index));
  fit(part("edges"), 2 * clips.length, newEdge).forEach(placeEdge);
  if (focused && !focused.checkVisibility()) focusBeside(focused); // the next keys are meant for the page, too
  drawPosition();
}

// Playing

function seek(seconds) {
  playing = [];
  video.currentTime = Math.max(0, Math.min(seconds, film.duration));
  drawPosition();
}

function play(highlights) {
  seek(highlights[0].start);
  playing = highlights;
  video.play().catch(() => {}); // the browser asks for another click; the film stands at the right place
}

function playNext() {
  const rest = playing.slice(1);
  if (rest.length) play(rest);
  else {
    playing = [];
    video.pause();
  }
}

function follow() {
  if (!film) return;
  if (playing.length && !video.seeking) {
    const [{ start, end }, now] = [playing[0], video.currentTime];
    if (now < start - AWAY || now > end + AWAY) playing = [];
    else if (now >= end) playNext();
  }
  drawPosition();
}

function run() {
  follow();
  if (!video.paused && !video.ended) requestAnimationFrame(run);
}

function timeAt({ clientX }) {
  const { left, width } = line.getBoundingClientRect();
  return ((clientX - left) / width) * film.duration;
}

function jump(event) {
  seek(timeAt(event));
}

function press(event) {
  const now = video.currentTime;
  if (event.key in STEPS) seek(now + STEPS[event.key]);
  else if (event.key === "Home") seek(0);
  else if (event.key === "End") seek(film.duration);
  else if (event.key !== " " && event.key !== "Enter") return;
  else if (video.paused) video.play().catch(() => {});
  else video.pause();
  event.preventDefault();
}

// The film

function resize() {
  drawTicks();
  for (const edge of part("edges").children) placeEdge(edge);
}

function note(words) {
  part("note").textContent = words;
  part("note").hidden = !words;
}

function unplayable() {
  if (!film) return;
  if (!film.converted) {
    note("This browser cannot play the film as it is: a copy that it can play is being made.");
    trigger("unplayable");
  } else note("This browser cannot play the film. Its highlights can still be cut and downloaded.");
}

function showFilm() {
  film = props.value || null;
  root.dataset.state = film ? "full" : "empty";
  root.dataset.picture = Boolean(film?.picture);
  note("");
  if (film?.poster) video.poster = film.poster;
  else video.removeAttribute("poster");
  if (film?.converted) drawHighlights(); // the same film as before: what was changed stays
  else forgetChanges();
  if (!film) {
    video.removeAttribute("src");
    video.load();
    return;
  }
  video.src = film.film.url;
  video.setAttribute("aria-label", film.name);
  line.setAttribute("aria-valuemax", film.duration.toFixed(1));
  drawCurve();
  drawStrip();
  drawTicks();
}

function shortcut(event) {
  if (event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  undo();
}

video.addEventListener("play", run);
for (const name of ["timeupdate", "seeking", "seeked", "pause"]) video.addEventListener(name, follow);
video.addEventListener("error", () => video.hasAttribute("src") && unplayable());
video.addEventListener("loadedmetadata", () => film?.picture && !video.videoWidth && unplayable());
line.addEventListener("pointerdown", (event) => {
  line.setPointerCapture(event.pointerId);
  if (event.pointerType !== "touch") jump(event); // a finger may be about to scroll the page
});
line.addEventListener("click", jump);
line.addEventListener("pointermove", (event) => line.hasPointerCapture(event.pointerId) && jump(event));
line.addEventListener("keydown", press);
line.addEventListener("dblclick", (event) => addClip(timeAt(event)));
part("all").addEventListener("click", () => play(clips));
part("add").addEventListener("click", () => addClip(video.currentTime));
part("undo").addEventListener("click", undo);
part("reset").addEventListener("click", reset);
root.addEventListener("keydown", shortcut);
root.addEventListener("refused", showAnswer);
root.spans = spans;
new ResizeObserver(() => film && resize()).observe(line);
watch("value", showFilm);
watch("cut", takeAnswer);
showFilm();
