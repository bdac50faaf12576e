// The brush: a stretch of a histogram, drawn with a pointer, becomes the page's own. Bars are links and stay so: a click, a
// key, or from and to in the form do the same without dragging (WCAG 2.5.7).

const SVG = "http://www.w3.org/2000/svg";

for (const svg of document.querySelectorAll(".chart svg")) {
  const bars = [...svg.querySelectorAll("a")];
  const mark = document.createElementNS(SVG, "rect");
  mark.setAttribute("class", "brush");
  mark.setAttribute("y", "0");
  mark.setAttribute("height", "100%");
  let first = null;
  let last = null;

  const barAt = (x) => {
    const box = svg.getBoundingClientRect();
    const at = Math.floor(((x - box.left) / box.width) * bars.length);
    return Math.min(Math.max(at, 0), bars.length - 1);
  };
  const draw = () => {
    const hit = (at) => bars[at].querySelector(".hit");
    const [from, to] = [Math.min(first, last), Math.max(first, last)];
    const x = Number(hit(from).getAttribute("x"));
    const end = Number(hit(to).getAttribute("x")) + Number(hit(to).getAttribute("width"));
    mark.setAttribute("x", x);
    mark.setAttribute("width", end - x);
    if (!mark.isConnected) svg.append(mark);
  };
  const stop = () => {
    mark.remove();
    first = last = null;
  };

  svg.addEventListener("dragstart", (event) => event.preventDefault());
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch" || bars.length < 2) return;
    first = last = barAt(event.clientX);
  });
  svg.addEventListener("pointermove", (event) => {
    if (first === null) return;
    const at = barAt(event.clientX);
    if (at === last) return;
    svg.setPointerCapture(event.pointerId);
    last = at;
    draw();
  });
  svg.addEventListener("pointercancel", stop);
  svg.addEventListener("keydown", (event) => event.key === "Escape" && stop());
  svg.addEventListener("pointerup", () => {
    if (first === null || first === last) return stop();
    const [from, to] = [Math.min(first, last), Math.max(first, last)];
    const address = (at) => new URL(bars[at].getAttribute("href"), location.href);
    const chosen = address(from);
    const end = address(to).searchParams.get("to");
    stop();
    if (end) chosen.searchParams.set("to", end);
    else chosen.searchParams.delete("to");
    location.assign(chosen);
  });
}
