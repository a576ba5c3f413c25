"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const scheme = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Set(); // what draws the charts that are there, to be called again
const hidden = new Set(); // names of runs that a filter leaves out

// plotly reads some HTML in texts; names of users are texts.
const literal = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const shortened = (name) => name.length > 44 ? `${name.slice(0, 20)}…${name.slice(-22)}` : name;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const make = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};
const choice = (label, options, changed) => {
  const select = make("select", {}, ...options.map(([value, text]) => make("option", {value}, text)));
  select.addEventListener("change", changed);
  return [make("label", {}, label, select), () => select.value];
};
const narrow = (host) => host.clientWidth < 600;

async function loadPlotly() {
  const packed = atob(document.getElementById("plotly").textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  document.head.append(make("script", {textContent: await new Response(unpacked).text()}));
}

function axis(title, more = {}) {
  const colours = {gridcolor: css("--rule"), zerolinecolor: css("--rule"), linecolor: css("--rule")};
  return {title: {text: title, standoff: 8}, automargin: true, ...colours, ...more};
}

// Few ticks, so that there are 1, 2 and 5 times the powers of ten, in full: 0.002, 0.005, 0.01.
const logarithmic = {type: "log", tickformat: "~g", nticks: 5};

function draw(place, traces, layout) {
  const base = {
    paper_bgcolor: css("--card"), plot_bgcolor: css("--card"),
    font: {color: css("--ink"), size: 12, family: getComputedStyle(document.body).fontFamily},
    margin: {l: 56, r: 16, t: 28, b: 44}, height: 380,
    hoverlabel: {namelength: 60, bgcolor: css("--paper"), font: {color: css("--ink")}},
  };
  const config = {responsive: true, displaylogo: false, // and nothing is sent anywhere
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    showSendToCloud: false, plotlyServerURL: ""};
  return Plotly.react(place, traces, {...base, ...layout}, config);
}

const legend = (place) => narrow(place)
  ? {orientation: "h", y: -0.2, yanchor: "top", maxheight: 0.3, font: {size: 11}}
  : {font: {size: 11}};

// The mean of the last values, the older the less, as TensorBoard's.
function smoothed(values, weight) {
  let [sum, total] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

// One run, or the mean over the seeds of a setting at the steps that all of them have.
function series(runs, part, metric, x, factor) {
  const parts = runs.map((run) => run.parts[part]);
  if (parts.some((one) => !one?.[metric])) return null;
  const rows = parts.map((one) => new Map(one.step.map((step, i) => [step, i])));
  const steps = parts[0].step.filter(
    (step) => rows.every((row, k) => row.has(step) && parts[k][metric][row.get(step)] !== null));
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const at = (column, step) => parts.map((one, k) => one[column][rows[k].get(step)]);
  const values = steps.map((step) => at(metric, step).map((value) => factor * value));
  const means = values.map(mean);
  const spread = values.map((several, i) => several.length < 2 ? 0 : Math.sqrt(
    several.reduce((sum, value) => sum + (value - means[i]) ** 2, 0) / (several.length - 1)));
  return {x: steps.map((step) => mean(at(x, step))), y: means, spread};
}

const X_AXES = [["step", "step"], ["seconds", "seconds of training"], ["examples", "examples"]];

function learningCurves(host, runs, metrics, alone) {
  if (!metrics.length || !runs.some((run) => run.parts.train || run.parts.validation)) {
    host.append(make("p", {}, "No curve: no run has written a row."));
    return;
  }
  const redraw = () => show();
  const [metricBox, metric] = choice("metric", metrics.map((m) => [m.name, m.label]), redraw);
  const [xBox, x] = choice("over", X_AXES, redraw);
  const [partBox, part] = choice("part", [["both", "validation and training"],
    ["validation", "validation"], ["train", "training"]], redraw);
  const [scaleBox, scale] = choice("axis", [["", "as fits"], ["linear", "linear"], ["log", "log"]], redraw);
  const smoothing = make("input", {type: "range", min: 0, max: 0.98, step: 0.02, value: 0});
  smoothing.addEventListener("input", redraw);
  const together = make("input", {type: "checkbox"});
  together.addEventListener("change", redraw);
  const seeds = new Set(runs.map((run) => run.setting)).size < runs.length;
  together.checked = seeds;
  const tools = make("div", {className: "tools"}, metricBox, xBox, partBox, scaleBox,
    make("label", {}, "smoothing", smoothing));
  if (seeds) tools.append(make("label", {}, together, "mean of seeds"));
  const place = make("div");
  host.append(tools, place);

  function show() {
    const chosen = metrics.find((m) => m.name === metric());
    const factor = chosen.percent ? 100 : 1;
    const hues = css("--hues").split(" ");
    const visible = runs.filter((run) => alone || !hidden.has(run.name));
    const groups = new Map();
    for (const run of visible) {
      const key = together.checked ? run.setting : run.name;
      groups.set(key, [...(groups.get(key) ?? []), run]);
    }
    tools.hidden = place.hidden = !groups.size;
    if (place.hidden) return;
    const traces = [];
    let wide = true;
    [...groups.values()].forEach((group, i) => {
      const several = group.length > 1;
      const name = literal(shortened(group[0].name)) + (several ? ` and ${group.length - 1} more seeds` : "");
      let first = true;
      const wanted = part() === "both" ? ["validation", "train"] : [part()];
      if (!group[0].parts.validation?.[chosen.name] && part() !== "train") wanted.push("train");
      for (const [k, split] of [...new Set([...wanted, "test"])].entries()) {
        const found = series(group, split, chosen.name, x(), factor);
        if (!found?.x.length) continue;
        if (found.y.some((value) => value <= 0)) wide = false;
        const colour = alone ? hues[["train", "validation", "test"].indexOf(split)]
          : i < hues.length ? hues[i] : css("--other");
        const look = {x: found.x, name: alone ? split : name, legendgroup: alone ? split : group[0].name,
          uid: `r${data.runs.indexOf(group[0])}${split}${several}`}; // plotly selects by it
        const dash = alone ? "solid" : ["solid", "dash", "dot", "dashdot"][Math.floor(i / hues.length) % 4];
        const thin = split === "train" && !alone && wanted[0] !== "train" && k > 0;
        const values = split === "test" ? found.y : smoothed(found.y, Number(smoothing.value));
        if (several && split !== "test") {
          const edge = {...look, mode: "lines", line: {width: 0}, showlegend: false, hoverinfo: "skip"};
          traces.push({...edge, uid: `${look.uid}low`, y: values.map((v, j) => v - found.spread[j])});
          traces.push({...edge, uid: `${look.uid}high`, y: values.map((v, j) => v + found.spread[j]),
            fill: "tonexty", fillcolor: colour + "2b"});
        }
        const single = found.x.length === 1;
        traces.push({...look, y: values, showlegend: alone || first, mode: single ? "markers" : "lines",
          opacity: thin ? 0.6 : 1, line: {color: colour, width: thin ? 1 : 2, dash},
          marker: {color: colour, size: 9, symbol: split === "test" ? "diamond" : "circle"},
          hovertemplate: `${split} %{y:.5~g} at %{x:,.6~g}<extra>%{fullData.name}</extra>`});
        if (group.some((run) => run.status === "diverged") && split === wanted[0]) {
          traces.push({...look, uid: `${look.uid}lost`, x: found.x.slice(-1), y: values.slice(-1),
            mode: "markers", showlegend: false, hoverinfo: "skip",
            marker: {symbol: "x", size: 10, color: css("--bad")}});
        }
        first = false;
      }
    });
    const log = scale() ? scale() === "log" : wide && !chosen.percent;
    draw(place, traces, {
      xaxis: axis(X_AXES.find(([name]) => name === x())[1]),
      yaxis: axis(chosen.label, log ? logarithmic : {}),
      legend: legend(place), height: narrow(place) ? 420 : 400, hovermode: "closest",
      uirevision: `${metric()} ${x()} ${log}`,
    });
  }
  register(show);
}

function register(show) {
  drawn.add(show);
  show();
}

const MOMENTS = {gradient_first: "after the first step", gradient_middle: "in the middle",
  gradient_last: "after the last step"};

function diagnostics(host, names) {
  const runs = names.map((name) => data.runs.find((run) => run.name === name));
  const [runBox, chosen] = choice("gradients of", runs.map((run, i) => [i, run.name]), () => show());
  const [left, right] = [make("div"), make("div")];
  host.append(make("div", {className: "tools"}, runBox), make("div", {className: "pair"}, left, right));
  const layers = (rows) => Object.keys(rows).filter((name) => name.startsWith("lyapunov")).sort()
    .map((name) => name.slice("lyapunov".length));
  function show() {
    const hues = css("--hues").split(" ");
    const rows = runs[chosen()].parts.diagnostics;
    const suffixes = layers(rows);
    const layer = (suffix, of) => of.length > 1 ? `, layer ${suffix.slice(1) || 1}` : "";
    const lines = {mode: "lines+markers", x: rows.step};
    draw(left, suffixes.flatMap((suffix, k) => Object.entries(MOMENTS).filter(([name]) => rows[name + suffix]).map(([name, text], i) => ({
      ...lines, y: rows[name + suffix].map((value) => value > 0 ? value : null),
      name: text + layer(suffix, suffixes), line: {color: hues[i], dash: ["solid", "dash", "dot"][k % 3]},
    }))), {xaxis: axis("step"), yaxis: axis("‖∂loss/∂h‖", logarithmic),
      legend: {orientation: "h", y: -0.2}});
    draw(right, runs.flatMap((run, i) => {
      const own = run.parts.diagnostics;
      return layers(own).map((suffix, k, all) => ({...lines, x: own.step, y: own["lyapunov" + suffix],
        name: literal(shortened(run.name)) + layer(suffix, all),
        line: {color: hues[i % hues.length], dash: ["solid", "dash", "dot"][k % 3]}}));
    }), {xaxis: axis("step"), yaxis: axis("Lyapunov exponent (nats a step)"),
      legend: {orientation: "h", y: -0.2, maxheight: 0.3}, showlegend: true});
  }
  register(show);
}

function ticks(one, ends = []) {
  const blank = ends.filter((end) => !one.ticks.includes(end));
  return {tickvals: [...one.ticks, ...blank], ticktext: [...one.texts.map(literal), ...blank.map(() => "")]};
}

function parallelCoordinates(host, sweep) {
  if (!sweep.fields.length || !sweep.ids.length) return;
  const place = make("div", {className: "wide"});
  const inner = make("div");
  place.append(inner);
  host.append(place);
  const axes = [...sweep.fields, {...sweep.score, label: sweep.label}];
  inner.style.minWidth = `${130 * axes.length}px`;
  const article = host.closest("article");
  register(() => draw(inner, [{
    type: "parcoords", line: {color: sweep.score.places, colorscale: "Viridis", cmin: 0, cmax: 1},
    unselected: {line: {opacity: 0.06}},
    dimensions: axes.map((one, i) => ({label: literal(one.label).replace(/[. ]/, "$&<br>"),
      values: one.places, range: [0, 1],
      ...ticks(one, [0, 1]), // an axis is drawn from its first tick to its last
      constraintrange: inner.data?.[0].dimensions[i].constraintrange})),
  }], {margin: {l: 80, r: 80, t: 70, b: 24}, height: 380}));
  inner.on("plotly_restyle", () => {
    const inside = inner.data[0].dimensions.map(({values, constraintrange: range}) => {
      const ranges = !range ? [] : Array.isArray(range[0]) ? range : [range];
      return values.map((v) => !ranges.length || ranges.some(([low, high]) => low <= v && v <= high));
    });
    article.brushed = new Set(sweep.ids.filter((_, i) => inside.every((flags) => flags[i])));
    article.dispatchEvent(new Event("brush"));
  });
}

function panels(host, sweep) {
  const grid = make("div", {className: "pair"});
  host.append(grid);
  const places = sweep.fields.map(() => make("div"));
  grid.append(...places); // all, for a chart is as wide as its place when it is drawn
  sweep.fields.forEach((field, number) => {
    const place = places[number];
    register(() => {
      const known = sweep.scores.map((_, i) => i).filter((i) => sweep.scores[i] !== null);
      const hues = css("--hues").split(" ");
      draw(place, [{
        mode: "markers", x: known.map((i) => field.places[i]), y: known.map((i) => sweep.scores[i]),
        text: known.map((i) => literal(`${sweep.ids[i]} ${sweep.status[i]}: ${sweep.settings[i]}`)
          .replaceAll(", ", "<br>")),
        hovertemplate: "%{y:.5~g}<br>%{text}<extra></extra>",
        marker: {size: known.map((i) => sweep.best[i] ? 14 : 8),
          symbol: known.map((i) => sweep.best[i] ? "star" : 
            ({done: "circle", pruned: "triangle-down"}[sweep.status[i]] ?? "circle-open")),
          color: known.map((i) => sweep.status[i] === "diverged" ? css("--bad") : sweep.best[i] ? hues[1] : hues[0])},
      }], {height: 280, showlegend: false, hovermode: "closest",
        xaxis: axis(literal(field.label), {...ticks(field), range: [-0.06, 1.06],
          ticklabeloverflow: "allow", tickangle: field.texts.some((text) => text.length > 8) ? -20 : 0}),
        yaxis: axis(sweep.label)});
    });
    place.on("plotly_click", ({points: [point]}) => {
      const known = sweep.ids.filter((_, i) => sweep.scores[i] !== null);
      const row = [...host.closest("article").querySelectorAll("tbody tr")].find(
        (one) => one.dataset.name.split("/").pop() === known[point.pointIndex]);
      row?.querySelector("a")?.click();
    });
  });
}

function filtering(box) {
  const tools = box.closest(".tools");
  const rows = [...tools.nextElementSibling.querySelectorAll("tbody tr")];
  const article = box.closest("article");
  const apply = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter((word) => word && word !== "-");
    const inBrush = (row) => !article?.brushed || article.brushed.has(row.dataset.name.split("/").pop());
    for (const row of rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      const fits = words.every((word) =>
        word.startsWith("-") ? !text.includes(word.slice(1)) : text.includes(word));
      row.hidden = !(fits && inBrush(row));
      hidden[row.hidden ? "add" : "delete"](row.dataset.name);
    }
    const left = rows.filter((row) => !row.hidden).length;
    tools.querySelector(".count").textContent = left < rows.length ? `${left} of ${rows.length}` : "";
    drawn.forEach((show) => show());
  };
  box.addEventListener("input", apply);
  article?.addEventListener("brush", apply);
}

function sorting(table) {
  const body = table.tBodies[0];
  const heads = table.tHead.rows[0].cells;
  if (body.rows.length < 2) return;
  [...heads].forEach((head, column) => {
    const button = make("button", {type: "button"}, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const down = head.ariaSort ? head.ariaSort === "ascending" : numeric;
      const order = (row) => {
        const cell = row.cells[column];
        if (!numeric) return cell.textContent.trim();
        return cell.dataset.order === undefined ? null : Number(cell.dataset.order);
      };
      const rows = [...body.rows].sort((one, other) => {
        const [a, b] = [order(one), order(other)];
        if (a === null || b === null) return (a === null) - (b === null);
        return (down ? -1 : 1) * (numeric ? a - b : a.localeCompare(b, undefined, {numeric: true}));
      });
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...rows);
    });
  });
}

async function copy(button) {
  const code = button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(code); // for the reader's own keys
  }
}

const KINDS = {
  group: (host, number) => {
    const {runs, metrics} = data.groups[number];
    learningCurves(host, runs.map((i) => data.runs[i]), metrics, false);
  },
  run: (host, number) => {
    const group = data.groups.find(({runs}) => runs.includes(Number(number)));
    learningCurves(host, [data.runs[number]], group.metrics, true);
  },
  diagnosed: (host, names) => diagnostics(host, JSON.parse(names)),
  parallel: (host, number) => parallelCoordinates(host, data.sweeps[number]),
  panels: (host, number) => panels(host, data.sweeps[number]),
};

function fill(part) {
  for (const host of part.querySelectorAll(".charts:not(.filled)")) {
    if (host.closest("details:not([open])")) continue;
    host.classList.add("filled");
    const [[kind, value]] = Object.entries(host.dataset);
    try {
      KINDS[kind](host, value);
    } catch (error) { // the others can be drawn
      console.error(error);
      host.append(make("p", {}, `This chart cannot be drawn: ${error.message}`));
    }
  }
}

function showTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  if (target) target.scrollIntoView();
}

document.querySelectorAll("table").forEach(sorting);
document.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", () => copy(button)));
addEventListener("hashchange", showTarget);
showTarget();
loadPlotly().then(() => {
  fill(document);
  document.querySelectorAll(".filter").forEach(filtering);
  document.querySelectorAll("details").forEach((one) => one.addEventListener("toggle", () => fill(one)));
  scheme.addEventListener("change", () => drawn.forEach((show) => show()));
  document.documentElement.dataset.ready = "true";
});
