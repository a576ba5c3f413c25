"""The style sheet and the script of the page: light and dark, phone and wide screen."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f6f7f9; --ink: #1b1f24; --soft: #57606a; --rule: #d5dae0;
  --link: #0b5cad; --good: #1a7f37; --bad: #c62828; --wait: #8a5a00;
  --hue-0: #0b62c4; --hue-1: #c2410c; --hue-2: #0f7b55;
  --hue-3: #9333a8; --hue-4: #8a6a00; --hue-5: #0e7490; --other: #9aa3ad;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #11151a; --card: #1a2027; --ink: #e8ebef; --soft: #a3adb8; --rule: #343c46;
    --link: #7cb8ff; --good: #57c775; --bad: #ff7b72; --wait: #e3b341;
    --hue-0: #6cb2ff; --hue-1: #ff9e64; --hue-2: #4fd1a1;
    --hue-3: #dd9df0; --hue-4: #e3c14d; --hue-5: #5fd4e6; --other: #66707c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0 auto; max-width: 104rem; padding: 1.5rem clamp(1rem, 3vw, 2.5rem) 3rem;
  background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  overflow-wrap: anywhere;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .75rem; padding-top: .5rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; max-width: 70ch; }
a { color: var(--link); }
.soft, footer, figcaption p { color: var(--soft); font-size: .9rem; }
nav ul, .legend, .cards { list-style: none; padding: 0; display: flex; flex-wrap: wrap; }
nav ul { gap: .25rem 1.25rem; margin: 1rem 0 0; }
nav a { display: inline-block; padding: .25rem 0; }
.cards { gap: .75rem; margin: 1.25rem 0 0; }
.cards li { flex: 1 1 12rem; min-width: 0; padding: .75rem 1rem; border-radius: .5rem;
  background: var(--card); border: 1px solid var(--rule); }
.cards strong { display: block; font-size: 1.5rem; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.scroll { overflow: auto; max-width: 100%; max-height: 34rem; margin: .75rem 0;
  border: 1px solid var(--rule); border-radius: .5rem; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible, button:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .875rem;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { padding: .45rem .75rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); background: var(--paper); }
thead th { position: sticky; top: 0; z-index: 2; background: var(--card); white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 600; min-width: min(14rem, 36vw); max-width: 20rem;
  overflow-wrap: anywhere; }
td { white-space: nowrap; }
td.long { white-space: normal; min-width: 26rem; }
#runs td.long { white-space: nowrap; min-width: 0; max-width: 26rem; overflow: hidden;
  text-overflow: ellipsis; }
#runs tbody th a { display: inline-block; width: max-content; max-width: min(20rem, 36vw); }
.number { text-align: right; }
tbody tr:hover > * { background: var(--card); }
th button { all: unset; cursor: pointer; font: inherit; }
th button::after { content: "\\2195"; color: var(--soft); padding-left: .35em; opacity: .6; }
th[aria-sort=ascending] button::after { content: "\\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\2193"; opacity: 1; }
@media (min-width: 48rem) {
  tbody th { position: sticky; left: 0; z-index: 1; }
  thead th:first-child { left: 0; z-index: 3; }
}
.status { white-space: nowrap; color: var(--wait); }
.status::before { content: ""; display: inline-block; width: .55em; height: .55em;
  margin-right: .45em; border-radius: 50%; background: var(--wait); }
.status.done { color: var(--good); } .status.done::before { background: var(--good); }
.status.diverged { color: var(--bad); }
.status.diverged::before { background: var(--bad); border-radius: 0; }
.status.stopped::before { border-radius: 0; transform: rotate(45deg); }
figure { margin: .75rem 0; }
.pair { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.chart { display: block; width: 100%; max-width: 52rem; height: auto; background: var(--card);
  border: 1px solid var(--rule); border-radius: .5rem; }
.chart text { fill: var(--ink); font-size: 12px; }
@media (max-width: 30rem) { .chart text { font-size: 15px; } }
@media (min-width: 80rem) { .chart text { font-size: 10px; } }
.chart .tick { fill: var(--soft); }
.chart .x, .chart .axis { text-anchor: middle; }
.chart .y { text-anchor: end; dominant-baseline: middle; }
.grid { stroke: var(--rule); fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke: var(--hue); }
.dot { fill: var(--hue); }
.cross { stroke: var(--bad); stroke-width: 2.5; fill: none; }
.hue-0 { --hue: var(--hue-0); } .hue-1 { --hue: var(--hue-1); } .hue-2 { --hue: var(--hue-2); }
.hue-3 { --hue: var(--hue-3); } .hue-4 { --hue: var(--hue-4); } .hue-5 { --hue: var(--hue-5); }
.hue-1.line { stroke-dasharray: 8 3; } .hue-2.line { stroke-dasharray: 3 3; }
.hue-3.line { stroke-dasharray: 10 3 2 3; } .hue-4.line { stroke-dasharray: 14 4; }
.hue-5.line { stroke-dasharray: 2 2 6 2; }
.train.line { stroke-width: 1; opacity: .75; }
.other { --hue: var(--other); }
.other.line { stroke-width: 1; opacity: .55; }
.chart g:hover > .line { stroke-width: 4; opacity: 1; }
.swatch { width: 1.5rem; height: .625rem; flex: none; }
.legend { gap: .25rem 1.25rem; margin: .5rem 0; font-size: .9rem; }
.legend li { display: flex; align-items: center; gap: .5rem; min-width: 0; }
.picture { display: block; width: 100%; max-width: 80rem; height: auto; margin: .75rem 0;
  background: #ffffff; border: 1px solid var(--rule); border-radius: .5rem; }
details { border: 1px solid var(--rule); border-radius: .5rem; padding: 0 1rem; margin: .5rem 0; }
details[open] { padding-bottom: 1rem; }
summary .status { margin-left: .5em; }
.swatch .other { opacity: 1; }
summary { cursor: pointer; padding: .6rem 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr));
  gap: 0 1.5rem; margin: .75rem 0; font-size: .875rem; }
dl div { display: flex; justify-content: space-between; gap: 1rem; padding: .2rem 0;
  border-bottom: 1px solid var(--rule); }
dt { color: var(--soft); flex: none; max-width: 60%; }
dd { margin: 0; text-align: right; min-width: 0; font-variant-numeric: tabular-nums; }
code { font: .85em ui-monospace, SFMono-Regular, Menlo, "Liberation Mono", monospace; }
footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: 1rem; }
@media print { .scroll { overflow: visible; max-height: none; } thead th { position: static; } }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = table.tHead.rows[0].cells;
  if (body.rows.length < 2) continue;
  [...heads].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const before = head.ariaSort;
      const down = before ? before === "ascending" : numeric;
      const sign = down ? -1 : 1;
      const order = (row) => {
        const cell = row.cells[column];
        if (!numeric) return cell.textContent;
        return cell.dataset.order === undefined ? null : Number(cell.dataset.order);
      };
      const rows = [...body.rows].sort((one, other) => {
        const [a, b] = [order(one), order(other)];
        if (a === null || b === null) return (a === null) - (b === null);
        return sign * (numeric ? a - b : a.localeCompare(b, undefined, {numeric: true}));
      });
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...rows);
    });
  });
}
const show = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", show);
show();
"""
