// The drawer: an event's page beside the rows. The link stays a link: with a modifier key, or if anything fails, it is followed.

const drawer = document.getElementById("drawer");
const within = drawer.querySelector(".within");
const whole = drawer.querySelector(".whole");
let opener = null;
let asked = null;

/** A page as an inert document. The browser parses it without running anything in it, and without a sink of Trusted Types. */
function page(href) {
  asked?.abort();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    asked = request;
    request.open("GET", href);
    request.responseType = "document";
    request.onload = () => (request.status === 200 && request.response ? resolve(request.response) : reject(request.status));
    request.onerror = () => reject(request.status);
    request.send();
  });
}

async function open(link) {
  try {
    const found = (await page(link.href)).getElementById("main");
    if (!found) throw new Error("no page");
    within.replaceChildren(...[...found.childNodes].map((node) => document.importNode(node, true)));
  } catch {
    location.assign(link.href);
    return;
  }
  opener?.closest("tr")?.removeAttribute("aria-current");
  opener = link;
  link.closest("tr")?.setAttribute("aria-current", "true");
  whole.href = link.href;
  if (!drawer.open) drawer.show();
  within.scrollTop = 0;
  drawer.querySelector(".close").focus();
}

function close() {
  if (!drawer.open) return;
  drawer.close();
  within.replaceChildren();
  opener?.closest("tr")?.removeAttribute("aria-current");
  opener?.focus();
  opener = null;
}

document.addEventListener("click", (event) => {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.("#main table.events .when a");
  if (!link) return;
  event.preventDefault();
  open(link);
});
drawer.querySelector(".close").addEventListener("click", close);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented) close();
});
