(function () {
  "use strict";
  // Of each mark its label says "X: 3; Y: 0.5": shown are those of the mark nearest to the pointer, and of all in its
  // panel with the same X.
  const box = document.getElementById("values");
  let marks = [], near = [];
  function measure(plot) {
    return [...plot.querySelectorAll(".role-mark [aria-label]")].map((node) => {
      const [first, ...rest] = node.getAttribute("aria-label").split("; ");
      const { left, top, right, bottom } = node.getBoundingClientRect();
      return { node, first, rest, panel: node.closest(".role-scope > g"), left, top, right, bottom };
    });
  }
  function show(event) {
    const measured = marks.length ? marks : measure(event.currentTarget);
    leave();
    marks = measured;
    const { clientX: x, clientY: y } = event;
    const away = (m) => 4 * Math.max(m.left - x, 0, x - m.right) + Math.max(m.top - y, 0, y - m.bottom);
    const nearest = marks.reduce((best, mark) => (best && away(best) <= away(mark) ? best : mark), null);
    if (!nearest) return;
    near = marks.filter((mark) => mark.first === nearest.first && mark.panel === nearest.panel);
    for (const mark of near) mark.node.classList.add("near");
    box.textContent = [nearest.first, ...near.flatMap((mark) => mark.rest)].join("\n");
    box.hidden = false;
    const fits = event.pageX + 16 + box.offsetWidth < document.body.clientWidth;
    box.style.left = event.pageX + (fits ? 16 : -16 - box.offsetWidth) + "px";
    box.style.top = event.pageY + 12 + "px";
  }
  function leave() {
    for (const mark of near) mark.node.classList.remove("near");
    box.hidden = true;
    marks = [];
  }
  for (const plot of document.querySelectorAll(".plot")) {
    plot.addEventListener("pointermove", show);
    plot.addEventListener("pointerleave", leave);
  }
  window.addEventListener("scroll", leave);

  // What is folded is open on paper.
  const folded = [];
  window.addEventListener("beforeprint", function () {
    folded.push(...document.querySelectorAll("details:not([open])"));
    for (const details of folded) details.open = true;
  });
  window.addEventListener("afterprint", function () {
    for (const details of folded.splice(0)) details.open = false;
  });
})();
