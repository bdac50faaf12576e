// Keys, and copying. Every key clicks or focuses something that is on the page without it: `data-key` names the key.
// Letters never fire in a field, with a modifier, or once they are switched off (WCAG 2.1.4).

const OFF = "keytrail-keys-off";
const sheet = document.getElementById("keys");
const said = document.getElementById("said");
let gone = false;

const isField = (node) => node instanceof Element && node.closest("input, select, textarea, [contenteditable]");
const area = () => document.querySelector("dialog[open] .within") ?? document;
const rows = () => [...document.querySelectorAll("#main table.events tbody .when a")];

function say(text) {
  said.textContent = text;
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    say(`The browser does not let this page copy. ${what}: ${text}`);
  }
}

function step(by) {
  const all = rows();
  const at = all.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by;
  all[next]?.focus();
}

function click(key) {
  const target = area().querySelector(`[data-key="${key}"]`) ?? document.querySelector(`[data-key="${key}"]`);
  if (target?.matches("input")) {
    target.focus();
    target.select();
  } else {
    target?.click();
  }
  return Boolean(target);
}

/** A value's own links: the one that asks for it, and the one that leaves it out. */
function narrow(which) {
  const value = document.activeElement?.closest?.("[data-value]");
  value?.querySelector(`[data-narrow="${which}"]`)?.click();
}

const does = {
  j: () => step(1),
  k: () => step(-1),
  o: () => rows().includes(document.activeElement) && document.activeElement.click(),
  f: () => narrow("for"),
  x: () => narrow("out"),
  c: () => copy(location.href, "Link"),
  C: () => {
    const frozen = document.querySelector("[data-frozen]");
    if (frozen) copy(frozen.href, "Frozen link");
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isField(event.target)) return;
  if (localStorage.getItem(OFF) || event.key.length !== 1 || sheet.open) return;
  const key = event.key;
  if (gone) {
    gone = false;
    if (click(`g ${key}`)) event.preventDefault();
    return;
  }
  if (key === "g") {
    gone = true;
    setTimeout(() => (gone = false), 1500);
  } else if (does[key]) {
    does[key]();
    event.preventDefault();
  } else if (click(key)) {
    event.preventDefault();
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (button) copy(button.dataset.copy || location.href, button.dataset.what || "Text");
});

// What only scripts can do is shown only where they run.
for (const node of document.querySelectorAll("[data-scripted]")) node.hidden = false;
document.getElementById("keys-open").addEventListener("click", () => sheet.showModal());
const off = document.getElementById("keys-off");
off.checked = Boolean(localStorage.getItem(OFF));
off.addEventListener("change", () => (off.checked ? localStorage.setItem(OFF, "1") : localStorage.removeItem(OFF)));

// The zone of this browser, or back to UTC; the address says which.
const local = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const link of document.querySelectorAll("[data-zone]")) {
  const address = new URL(location.href);
  const zone = address.searchParams.get("tz") || "UTC";
  const other = zone === "UTC" ? local : "UTC";
  link.hidden = !local || other === zone;
  link.textContent = `Show ${other}`;
  address.searchParams.set("tz", other);
  link.href = address.href;
}
