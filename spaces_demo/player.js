// Runs once, when the page has the player; `element`, `props`, `trigger` and `watch` are those of gr.HTML.
// props.value: {film, name, duration, picture, converted, scores, strip} or null; props.highlights: a list.

const root = element.querySelector(".dv");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const video = part("film");
const line = part("line");
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600]; // seconds
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
const NOTHING = "Nothing stands out; the slider “How many” gives the best moments that there are";
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
  part("readout").textContent = words;
  if (video.paused) {
    line.setAttribute("aria-valuenow", now.toFixed(1)); // not while playing: it would be read out all the time
    line.setAttribute("aria-valuetext", words);
  }
  for (const button of part("list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.highlight.start <= now && now < button.highlight.end));
  }
}

// Highlights

function soundsOf(highlight) {
  return highlight.sounds.map(({ name }) => name).join(", ");
}

function highlightButton(highlight, index) {
  const range = `${clock(highlight.start)} – ${clock(highlight.end)}`;
  const bar = make("span", { className: "dv-bar" });
  bar.style.setProperty("--share", `${(100 * highlight.score) / Math.max(...film.scores)}%`);
  const sure = "confidence" in highlight ? `, ${Math.round(100 * highlight.confidence)} % sure` : "";
  const length = `${Math.round(highlight.end - highlight.start)} s${sure}`;
  const names = soundsOf(highlight);
  const button = make("button", { type: "button", highlight, onclick: () => play([highlight]) }, [
    make("span", { className: "dv-number", textContent: index + 1 }),
    make("span", { textContent: range }),
    make("span", { className: "dv-length", textContent: length }),
    make("span", { className: "dv-sounds", textContent: names, hidden: !names }),
    bar,
  ]);
  const score = highlight.score.toFixed(2);
  button.setAttribute("aria-label", `Play highlight ${index + 1}, ${range}${names && `, ${names}`}, score ${score}${sure}`);
  return make("li", {}, [button]);
}

function band(highlight, index) {
  const made = make("div", { className: "dv-band", title: soundsOf(highlight) }, [make("span", { textContent: index + 1 })]);
  made.style.left = percent(highlight.start);
  made.style.width = percent(highlight.end - highlight.start);
  return made;
}

function showHighlights() {
  if (!film) return;
  const chosen = props.highlights;
  const seconds = chosen.reduce((sum, { start, end }) => sum + end - start, 0);
  const count = `${chosen.length} highlight${chosen.length === 1 ? "" : "s"}`;
  playing = [];
  part("summary").textContent = chosen.length ? `${count}, ${clock(seconds)} in all` : NOTHING;
  part("all").hidden = !chosen.length;
  part("list").replaceChildren(...chosen.map(highlightButton));
  part("bands").replaceChildren(...chosen.map(band));
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

function jump(event) {
  const { left, width } = line.getBoundingClientRect();
  seek(((event.clientX - left) / width) * film.duration);
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
  showHighlights();
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
part("all").addEventListener("click", () => play(props.highlights));
new ResizeObserver(() => film && drawTicks()).observe(line);
watch("value", showFilm);
watch("highlights", showHighlights);
showFilm();
