// Completion in the filter's box (ARIA combobox with a list): keys, our words, and values that events have, with counts.

const input = document.querySelector('input[name="q"]');
const list = document.getElementById("completion");
const WAIT_MS = 120;
let timer = 0;
let asked = null;
let chosen = -1;

/** The term under the caret: where it begins, and what of it is typed. Quotes keep spaces together. */
function term() {
  const before = input.value.slice(0, input.selectionStart);
  let start = 0;
  let quoted = false;
  for (let at = 0; at < before.length; at += 1) {
    if (before[at] === '"' && before[at - 1] !== "\\") quoted = !quoted;
    else if (!quoted && " ()".includes(before[at])) start = at + 1;
  }
  return { start, typed: before.slice(start) };
}

function close() {
  list.hidden = true;
  list.replaceChildren();
  chosen = -1;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function mark(at) {
  const options = [...list.children];
  options[chosen]?.setAttribute("aria-selected", "false");
  chosen = (at + options.length) % options.length;
  options[chosen].setAttribute("aria-selected", "true");
  options[chosen].scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", options[chosen].id);
}

function take(option) {
  const { start, typed } = term();
  const text = option.dataset.term;
  // What stands before the term stays: a minus, and the values of a list.
  const minus = typed.startsWith("-") ? 1 : 0;
  const values = text.indexOf(":") + 1;
  const kept = values && typed.includes(",") ? typed.lastIndexOf(",") + 1 : minus;
  // A key goes on with its value; a whole term is followed by the next.
  const more = text.endsWith(":") ? "" : " ";
  input.setRangeText(text.slice(kept > minus ? values : 0) + more, start + kept, input.selectionStart, "end");
  close();
  if (!more) ask();
}

/** What would deceive the eye is written out, as on every page. */
function visible(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0).toString(16)}}`);
}

function show(answer) {
  const options = answer.proposals.map((proposal, at) => {
    const option = document.createElement("li");
    option.id = `completion-${at}`;
    option.role = "option";
    option.dataset.term = proposal.term;
    option.setAttribute("aria-selected", "false");
    const word = document.createElement("code");
    const text = document.createElement("bdi");
    text.textContent = visible(proposal.term);
    word.append(text);
    const beside = document.createElement("span");
    beside.className = "soft";
    beside.textContent = proposal.count === null ? "" : proposal.count.toLocaleString("en-GB");
    option.append(word, beside);
    return option;
  });
  if (!options.length) return close();
  chosen = -1;
  list.replaceChildren(...options);
  list.hidden = false;
  input.setAttribute("aria-expanded", "true");
  input.removeAttribute("aria-activedescendant");
}

async function ask() {
  asked?.abort();
  asked = new AbortController();
  const { typed } = term();
  if (!typed) return close();
  const address = `/api/v1/completion?${new URLSearchParams({ typed, limit: 12 })}`;
  try {
    const answer = await fetch(address, { signal: asked.signal });
    if (!answer.ok) return close();
    const found = await answer.json();
    if (document.activeElement === input) show(found);
  } catch {
    // Called off by the next letter, or the server is away: the box works without.
  }
}

if (input && list) {
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (list.hidden) {
      if (event.key === "ArrowDown") ask();
      return;
    }
    const does = { ArrowDown: () => mark(chosen + 1), ArrowUp: () => mark(chosen < 0 ? -1 : chosen - 1), Escape: close };
    if (does[event.key]) {
      does[event.key]();
      event.preventDefault();
    } else if (event.key === "Enter" && chosen >= 0) {
      take(list.children[chosen]);
      event.preventDefault();
    } else if (event.key === "Tab") {
      close();
    }
  });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const option = event.target.closest("li");
    if (option) take(option);
  });
  input.addEventListener("blur", () => setTimeout(close, 100));
}
