// Highlights changed by hand: edges dragged or moved by keys, highlights removed and added, all of it undone.
// One function with player.js, which follows and has the film, the page's parts and what is drawn on them.

const SHORTEST = 0.1; // seconds
const AROUND = 2; // seconds on either side of where a highlight is added
const FINE = 40; // pixels above or below where it began, from where on dragging goes in finer steps
const MOVES = { ArrowLeft: -0.1, ArrowDown: -0.1, ArrowRight: 0.1, ArrowUp: 0.1, Home: -Infinity, End: Infinity };

let clips = []; // the highlights on show
let edited = false; // whether they were changed by hand
let past = []; // the clips before each change; null: as they were found
let before; // what goes there when the edge that is being moved comes to rest; undefined if none is
let drag = null; // the pointer that drags a handle: where it was, and the time that it aims at

function spans() {
  return edited ? clips.map(({ start, end }) => [start, end]) : null;
}

function hundredths(seconds) {
  return Math.round(seconds * 100) / 100;
}

// Between the page and the server

function send() {
  root.dataset.pending = "";
  trigger("edited");
}

function isOnShow(highlights) {
  const near = ({ start, end }, i) => Math.abs(start - clips[i].start) + Math.abs(end - clips[i].end) < 0.001;
  return highlights.length === clips.length && highlights.every(near);
}

function takeAnswer() {
  const answer = props.cut;
  if (answer.edited && !(edited && isOnShow(answer.highlights))) return; // changed since: another one is to come
  if (edited && !answer.edited) past.push(clips); // the sliders chose anew, which can be undone, too
  showAnswer();
}

function showAnswer() {
  ({ highlights: clips, edited } = props.cut);
  before = undefined;
  delete root.dataset.pending;
  drawHighlights();
}

function forgetChanges() {
  past = [];
  showAnswer();
}

// Changes

function change(next) {
  past.push(edited ? clips : null);
  clips = next;
  edited = true;
  drawHighlights();
  send();
}

function removeClip(index) {
  if (clips.length === 1) return;
  change(clips.filter((_, at) => at !== index));
}

function gapAt(seconds) {
  const next = clips.findIndex(({ start }) => start > seconds);
  const index = next < 0 ? clips.length : next;
  const start = Math.max(clips[index - 1]?.end ?? 0, hundredths(seconds - AROUND));
  const end = Math.min(clips[index]?.start ?? film.duration, hundredths(seconds + AROUND));
  return start <= seconds && end - start >= SHORTEST ? { index, start, end } : null;
}

function addClip(seconds) {
  const gap = gapAt(seconds);
  if (!gap) return;
  const { index, start, end } = gap;
  change(clips.toSpliced(index, 0, { start, end, score: scoreAt(seconds) }));
  part("edges").children[2 * index].focus({ preventScroll: true });
}

function undo() {
  if (past.length) putBack(past.pop());
}

function reset() {
  past.push(clips);
  putBack(null);
}

function putBack(former) {
  edited = former !== null;
  clips = former ?? clips; // until the server says what was found
  drawHighlights();
  send();
}

// Edges

function newEdge(number) {
  const side = number % 2 ? "end" : "start";
  const handle = make("div", { className: `dv-handle dv-${side}`, tabIndex: 0, side, index: Math.floor(number / 2) });
  handle.setAttribute("role", "slider");
  handle.addEventListener("pointerdown", grab);
  handle.addEventListener("pointermove", dragEdge);
  handle.addEventListener("lostpointercapture", drop);
  handle.addEventListener("keydown", pressEdge);
  for (const name of ["keyup", "blur"]) handle.addEventListener(name, rest);
  return handle;
}

function room({ index, side }) {
  const { start, end } = clips[index];
  if (side === "start") return [clips[index - 1]?.end ?? 0, end - SHORTEST];
  return [start + SHORTEST, clips[index + 1]?.start ?? film.duration];
}

function edgeOf({ index, side }) {
  return clips[index][side];
}

function placeEdge(handle) {
  const [least, most] = room(handle);
  const now = edgeOf(handle);
  const beside = handle.side === "start" ? now : film.duration - now; // of the film, on the handle's side
  handle.style.left = percent(now);
  handle.classList.toggle("dv-inward", (beside / film.duration) * line.clientWidth < handle.offsetWidth);
  handle.setAttribute("aria-label", edgeName(handle));
  handle.setAttribute("aria-valuemin", least.toFixed(2));
  handle.setAttribute("aria-valuemax", most.toFixed(2));
  handle.setAttribute("aria-valuenow", now.toFixed(2));
  handle.setAttribute("aria-valuetext", exact(now));
}

function edgeName({ index, side }) {
  return `${side === "start" ? "Start" : "End"} of highlight ${index + 1}`;
}

function moveEdge(handle, seconds) {
  const [least, most] = room(handle);
  const { index, side } = handle;
  const now = Math.min(Math.max(hundredths(seconds), least), most);
  if (now === clips[index][side]) return;
  if (before === undefined) before = edited ? clips : null;
  clips = clips.with(index, { ...clips[index], [side]: now });
  edited = true;
  drawHighlights();
  seek(now);
}

function rest() {
  if (before === undefined) return;
  past.push(before);
  before = undefined;
  send();
}

function pressEdge(event) {
  const handle = event.currentTarget;
  if (event.key === "Delete" || event.key === "Backspace") removeClip(handle.index);
  else if (event.key in MOVES) moveEdge(handle, edgeOf(handle) + MOVES[event.key] * (event.shiftKey ? 10 : 1));
  else return;
  event.preventDefault();
}

function nearestHandle(event) {
  const seconds = timeAt(event);
  const under = document.elementsFromPoint(event.clientX, event.clientY).filter((one) => one.matches(".dv-handle"));
  return under.sort((a, b) => Math.abs(edgeOf(a) - seconds) - Math.abs(edgeOf(b) - seconds))[0];
}

function grab(event) {
  if (event.button || !event.isPrimary) return;
  event.preventDefault();
  const handle = nearestHandle(event);
  handle.setPointerCapture(event.pointerId);
  handle.focus({ preventScroll: true });
  video.pause();
  drag = { pointer: event.pointerId, x: event.clientX, y: event.clientY, aim: edgeOf(handle) };
}

function dragEdge(event) {
  if (event.pointerId !== drag?.pointer) return;
  const fineness = Math.max(1, Math.abs(event.clientY - drag.y) / FINE) ** 2;
  drag.aim += (((event.clientX - drag.x) / line.clientWidth) * film.duration) / fineness;
  drag.x = event.clientX;
  moveEdge(event.currentTarget, drag.aim);
}

function drop() {
  drag = null;
  rest();
}
