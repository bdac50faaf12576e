// The live tail: what the server tells, as rows. Whoever reads is not disturbed: while the pointer is over the rows, something is
// selected, or the page is scrolled, new rows wait. What is not drawn is counted.

const body = document.querySelector("#live tbody");
const template = document.getElementById("live-row");
const status = document.getElementById("live-status");
const pause = document.getElementById("live-pause");
const fresh = document.getElementById("live-fresh");
const ROWS_MAX = 500;
const EACH_SECOND = 20;
const counts = { matched: 0, undrawn: 0, leftOut: 0 };
let waiting = [];
let source = null;
let place = document.getElementById("live").dataset.after;
let paused = false;
let over = false;
let broken = false;

const grouped = (count) => count.toLocaleString("en-GB");
const isRead = () => paused || over || scrollY > 200 || String(getSelection()) !== "";

function row(finished) {
  const node = template.content.cloneNode(true);
  for (const part of node.querySelectorAll("[data-field]")) {
    const text = finished[part.dataset.field];
    if (text === null || text === undefined) part.remove();
    else part.textContent = text;
  }
  node.querySelector(".when a").href = finished.href;
  const verdict = node.querySelector(".verdict");
  verdict.classList.add(finished.class);
  verdict.querySelector("use").setAttribute("href", `#i-${finished.class}`);
  return node;
}

function draw() {
  if (isRead() && !broken) {
    fresh.hidden = waiting.length === 0;
    fresh.textContent = `${grouped(waiting.length)} new, show`;
    return;
  }
  fresh.hidden = true;
  const next = waiting.splice(0, EACH_SECOND);
  // Who gets more than he could read gets the newest, and the number of the others.
  if (waiting.length > ROWS_MAX) counts.undrawn += waiting.splice(0, waiting.length - EACH_SECOND).length;
  body.prepend(...next.map(row).reverse());
  while (body.children.length > ROWS_MAX) body.lastElementChild.remove();
  document.getElementById("live-empty").hidden = body.children.length > 0;
}

function tell() {
  const parts = [`${grouped(counts.matched)} matched since this page was opened`];
  if (counts.undrawn) parts.push(`${grouped(counts.undrawn)} not drawn`);
  if (counts.leftOut) parts.push(`${grouped(counts.leftOut)} left out, as in every count`);
  if (broken) parts.push("the line is broken, it is being tried again");
  if (paused) parts.push("paused");
  status.textContent = parts.join("; ");
}

function connect() {
  const address = new URL(document.getElementById("live").dataset.source, location.href);
  if (place) address.searchParams.set("after", place);
  source = new EventSource(address);
  source.onopen = () => (broken = false);
  source.onerror = () => {
    broken = true;
    // A refusal ends an EventSource for good; a broken line does not.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  };
  source.addEventListener("event", (event) => {
    place = event.lastEventId;
    counts.matched += 1;
    waiting.push(JSON.parse(event.data));
    if (waiting.length > 2 * ROWS_MAX) counts.undrawn += waiting.splice(0, ROWS_MAX).length;
  });
  source.addEventListener("left_out", (event) => {
    place = event.lastEventId;
    const { left_out: leftOut } = JSON.parse(event.data);
    counts.leftOut += Object.values(leftOut).reduce((sum, count) => sum + count, 0);
  });
}

body.addEventListener("pointerenter", () => (over = true));
body.addEventListener("pointerleave", () => (over = false));
pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Go on" : "Pause";
  pause.setAttribute("aria-pressed", String(paused));
  tell();
});
fresh.addEventListener("click", () => {
  scrollTo({ top: 0 });
  over = paused = false;
  pause.textContent = "Pause";
  draw();
});
// A tab that nobody sees holds no line; it goes on where it was.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) source.close();
  else connect();
});
connect();
setInterval(draw, 1000);
setInterval(tell, 10_000);
tell();
