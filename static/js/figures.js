// Draws each [data-figure="id"] from the JSON text of the element with that id (json_script, or <pre hidden> in polled
// fragments). Strings such as "@--accent" become the theme's colour, so the server never sends a colour and a change
// of theme is one Plotly.react. Loaded on chart pages only.
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Plotly reads a small HTML subset, links included, in every text. Names come from data, so only our own templates may use it.
  const paint = (value, key) => {
    if (typeof value === "string") {
      if (value.startsWith("@--")) return css(value.slice(1));
      return key === "hovertemplate" ? value : value.replaceAll("<", "&lt;");
    }
    if (Array.isArray(value)) return value.map((item) => paint(item, key));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, paint(v, k)]));
    return value;
  };
  const axis = () => ({ gridcolor: css("--plot-grid"), linecolor: css("--line-strong"), zerolinecolor: css("--line-strong"),
    tickcolor: css("--line-strong"), automargin: true, fixedrange: true });
  const draw = (node) => {
    const spec = paint(JSON.parse(document.getElementById(node.dataset.figure).textContent));
    const narrow = node.clientWidth < 480;
    const layout = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, dragmode: false, hovermode: "closest",
      font: { family: css("--font"), size: 12, color: css("--ink-2") },
      hoverlabel: { bgcolor: css("--surface"), bordercolor: css("--line-strong"), font: { color: css("--ink") } },
      margin: { l: 8, r: 16, t: 8, b: 8 }, ...spec.layout };
    for (const key of new Set(["xaxis", "yaxis", ...Object.keys(layout)])) if (/^[xy]axis/.test(key)) layout[key] = { ...axis(), ...layout[key] };
    if (layout.xaxis.title) layout.xaxis.title = { font: { size: 12 }, standoff: 8, ...layout.xaxis.title };
    if (narrow && spec.narrow) for (const [key, value] of Object.entries(spec.narrow)) layout[key] = { ...layout[key], ...value };
    // The size is the style sheet's; a height in the figure would overflow its panel.
    Plotly.react(node, spec.data, { ...layout, autosize: true }, { displayModeBar: false, displaylogo: false, responsive: true });
  };
  const all = (root) => root.querySelectorAll("[data-figure]").forEach(draw);
  addEventListener("DOMContentLoaded", () => all(document));
  document.addEventListener("themechange", () => { if (document.readyState !== "loading") all(document); });
  // A closed <details> has no width; draw what it holds when it opens.
  document.addEventListener("toggle", (event) => { if (event.target.open) all(event.target); }, true);
  document.addEventListener("htmx:beforeSwap", (event) => event.detail.target.querySelectorAll("[data-figure]").forEach((node) => Plotly.purge(node)));
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.matches("[data-figure]")) draw(event.target);
    else all(event.target);
  });
})();
