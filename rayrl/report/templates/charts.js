(function () {
  "use strict";
  const charts = JSON.parse(document.getElementById("chart-data").textContent);
  const config = { displayModeBar: false, displaylogo: false, responsive: true, showTips: false };
  const heights = new Map(charts.map((chart) => [chart.id, chart.layout.height || null]));
  for (const chart of charts) Plotly.newPlot(chart.id, chart.data, chart.layout, config);

  // A page has another width than the window: draw the charts anew for it, and open what is folded.
  const folded = [];
  window.addEventListener("beforeprint", function () {
    document.body.classList.add("printing");
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      folded.push(details);
    }
    const printed = { wide: [341, 182], narrow: [341, 180] };
    for (const chart of charts) {
      const plot = document.getElementById(chart.id);
      const own = heights.get(chart.id);
      const [width, height] = plot.closest(".full") ? [703, own] : printed[plot.closest(".wide") ? "wide" : "narrow"];
      Plotly.relayout(plot, { width: width, height: height, "font.size": 10 });
    }
  });
  window.addEventListener("afterprint", function () {
    document.body.classList.remove("printing");
    for (const details of folded.splice(0)) details.open = false;
    for (const chart of charts) Plotly.relayout(chart.id, { width: null, height: heights.get(chart.id), autosize: true, "font.size": 12 });
  });
})();
