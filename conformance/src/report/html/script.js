"use strict";
// Draws the report from the data in the page. What is shown in the drawer follows from the part
// of the address behind the #, so everything in it can be linked to:
//   #cell=METHOD/CLAUSE   #subset=CLAUSE/FIELD+FIELD   #case=NAME

const { run, methods, lattices, diffs } = JSON.parse(document.getElementById("data").textContent);

// From what matters most to what matters least.
const KINDS = ["broken", "failed-must", "failed-should", "known", "passed", "skipped"];
const SIGNS = { broken: "?", "failed-must": "✗", "failed-should": "!", known: "~", passed: "✓", skipped: "–" };
const WORDS = { broken: "broken", "failed-must": "failed (MUST)", "failed-should": "failed (SHOULD)",
  known: "failed as known", passed: "passed", skipped: "skipped" };
const CASES_SHOWN = 100;

const kind = one => one.status === "failed" ? (one.level === "MUST" ? "failed-must" : "failed-should") : one.status;
const byKind = (a, b) => KINDS.indexOf(kind(a)) - KINDS.indexOf(kind(b));
const isBad = kind => KINDS.indexOf(kind) < KINDS.indexOf("known");
const tally = cases => KINDS.map(k => [k, cases.filter(one => kind(one) === k).length]).filter(([, n]) => n > 0);
const inWords = cases => tally(cases).map(([k, n]) => `${n} ${WORDS[k]}`).join(", ") || "no cases";
const clauses = new Map(run.clauses.map(clause => [clause.id, clause]));

/** An element with attributes and children; strings become text. */
function make(tag, attributes = {}, ...children) {
  const isSvg = ["svg", "g", "rect", "path", "text"].includes(tag);
  const element = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The cases in groups, by what `key` says of each. */
function group(cases, key) {
  const groups = new Map();
  for (const one of cases) {
    const name = key(one);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(one);
  }
  return groups;
}

run.cases.forEach((one, at) => {
  one.diff = diffs[at] || [];
  one.method = one.name.split("/")[0];
});
const cells = group(run.cases, one => `${one.method}/${one.clause}`);

function show(hash) {
  location.hash = hash;
}

// The head of the page.

function drawHead() {
  const seconds = (run.duration_ms / 1000).toFixed(1);
  document.getElementById("about").append(
    `${run.summary.total} cases against `, make("code", {}, run.target), `, profile ${run.profile}. `,
    `Begun ${run.started_at.slice(0, 19).replace("T", " ")} UTC, ${seconds} s, suite ${run.suite_version}.`);
  const totals = document.getElementById("totals");
  for (const k of KINDS.filter(k => ["passed", "failed-must", "failed-should"].includes(k) || run.cases.some(one => kind(one) === k))) {
    const number = run.cases.filter(one => kind(one) === k).length;
    totals.append(make("li", { class: number ? k : "skipped" }, make("b", {}, `${number}`), `${SIGNS[k]} ${WORDS[k]}`));
  }
  for (const entry of run.summary.stale) {
    document.getElementById("stale").append(make("li", { class: "failed-must" }, "known failure that is none: ", make("code", {}, entry)));
  }
}

// The matrix.

function drawMatrix() {
  const table = document.getElementById("matrix");
  const head = make("tr", {}, make("th", { scope: "col" }, "Clause"));
  for (const method of methods) head.append(make("th", { scope: "col" }, method));
  const body = make("tbody");
  for (const clause of run.clauses) {
    const row = make("tr", { class: "good" }, make("th", { scope: "row", title: clause.gist },
      make("div", {}, make("b", {}, clause.id), make("span", {}, clause.gist))));
    for (const method of methods) {
      const cases = cells.get(`${method}/${clause.id}`);
      row.append(make("td", {}, ...(cases ? [cell(method, clause, cases)] : [])));
      if (cases && cases.some(one => isBad(kind(one)))) row.removeAttribute("class");
    }
    body.append(row);
  }
  table.append(make("thead", {}, head), body);
  const onlyBad = document.getElementById("only-bad");
  onlyBad.addEventListener("change", () => table.classList.toggle("only-bad", onlyBad.checked));
}

function cell(method, clause, cases) {
  const [worst, number] = tally(cases)[0];
  const of = number === cases.length ? `${number}` : `${number}/${cases.length}`;
  const button = make("button", { class: worst, "aria-label": `${method}, ${clause.id}: ${inWords(cases)}`, title: inWords(cases),
    "data-cell": `${method}/${clause.id}` }, SIGNS[worst], make("i", {}, ` ${of}`));
  button.addEventListener("click", () => show(`cell=${method}/${clause.id}`));
  return button;
}

// The lattices.

/** The subset of the lattice's fields that a case is about, as bits; null if it is about none. */
function subsetOf(lattice, one) {
  if (one.clause !== lattice.clause) return null;
  const at = one.name.split("/")[2].split("+").map(name => lattice.fields.indexOf(name));
  return at.includes(-1) ? null : at.reduce((bits, bit) => bits | 1 << bit, 0);
}
const namesOf = (lattice, bits) => lattice.fields.filter((_, at) => bits & 1 << at).join("+");
const isMiss = one => /\/miss\b/.test(one.name);
const size = bits => bits.toString(2).replaceAll("0", "").length;

const narrow = matchMedia("(max-width: 720px)");

function drawLattices() {
  document.getElementById("lattices").replaceChildren();
  lattices.forEach(drawLattice);
}

function drawLattice(lattice) {
  const subsets = group(run.cases.filter(one => subsetOf(lattice, one) !== null), one => subsetOf(lattice, one));
  if (subsets.size === 0) return;
  const rows = lattice.fields.map(() => []).concat([[]]);
  for (let bits = 0; bits < 1 << lattice.fields.length; bits++) rows[size(bits)].push(bits);
  const places = new Map();
  // Long rows are broken into lines, so that squares stay large enough to be clicked.
  const [width, left, most] = narrow.matches ? [380, 20, 20] : [1200, 70, 70];
  const step = (width - left) / most;
  const side = step * 0.78;
  const labels = [];
  let bottom = 8;
  rows.forEach((row, y) => {
    const inLine = Math.ceil(row.length / Math.ceil(row.length / most));
    row.forEach((bits, at) => {
      const [x, nth] = [at % inLine, Math.floor(at / inLine)];
      const count = Math.min(inLine, row.length - nth * inLine);
      places.set(bits, [left + (width - left) / 2 + (x - (count - 1) / 2) * step, bottom + side / 2 + nth * step * 1.2]);
    });
    labels.push(make("text", { x: 0, y: bottom + side / 2 + 4 }, narrow.matches ? `${y}` : `${y} field${y === 1 ? "" : "s"}`));
    bottom += (Math.ceil(row.length / inLine) - 1) * step * 1.2 + 54;
  });
  const line = (a, b) => `M${places.get(a).map(n => n.toFixed(1))}L${places.get(b).map(n => n.toFixed(1))}`;
  const neighbours = bits => lattice.fields.map((_, at) => bits ^ 1 << at);

  const svg = make("svg", { viewBox: `0 0 ${width} ${bottom - 24}`, role: "group",
    "aria-label": `Subsets of ${lattice.filter}` });
  const above = [...places.keys()].flatMap(bits => neighbours(bits).filter(other => other > bits).map(other => line(bits, other)));
  const near = make("path", { class: "near" });
  svg.append(make("path", { class: "edges", d: above.join("") }), near, ...labels);
  const nodes = new Map();
  const hint = make("output", { "aria-live": "off" });
  rows.forEach((row, y) => {
    for (const bits of row) {
      const cases = subsets.get(bits) || [];
      const halves = [cases.filter(one => !isMiss(one)), cases.filter(isMiss)];
      const names = namesOf(lattice, bits) || "no field";
      const label = `${names}: met ${inWords(halves[0])}; missed ${inWords(halves[1])}`;
      const [x, cy] = places.get(bits);
      const node = make("g", { class: "node", role: "button", tabindex: bits ? -1 : 0, "aria-label": label, "data-subset": `${lattice.clause}/${names}` });
      halves.forEach((half, at) => node.append(make("rect", { x: x - side / 2, y: cy + (at - 1) * side / 2, width: side, height: side / 2,
        class: half.length ? tally(half)[0][0] : "" })));
      node.append(make("rect", { class: "frame", x: x - side / 2, y: cy - side / 2, width: side, height: side }));
      const look = () => {
        near.setAttribute("d", neighbours(bits).map(other => line(bits, other)).join(""));
        hint.textContent = label;
      };
      const open = () => show(`subset=${lattice.clause}/${names}`);
      node.addEventListener("mouseenter", look);
      node.addEventListener("focus", look);
      node.addEventListener("click", open);
      node.addEventListener("keydown", event => {
        const at = row.indexOf(bits);
        const beside = other => rows[y + other] && rows[y + other][Math.round((at + .5) / row.length * rows[y + other].length - .5)];
        const to = { ArrowLeft: row[at - 1], ArrowRight: row[at + 1], ArrowUp: beside(-1), ArrowDown: beside(1) }[event.key];
        if (to !== undefined) {
          node.setAttribute("tabindex", -1);
          nodes.get(to).setAttribute("tabindex", 0);
          nodes.get(to).focus();
        } else if (event.key === "Enter" || event.key === " ") {
          open();
        } else {
          return;
        }
        event.preventDefault();
      });
      nodes.set(bits, node);
      svg.append(node);
    }
  });
  const title = `${lattice.filter}, ${lattice.clause}`;
  document.getElementById("lattices").append(make("div", { class: "lattice" }, make("h3", {}, title), svg, hint));
}

// The drawer.

const dialog = document.getElementById("details");

/** The text with what stands between backticks as code. */
const withCode = text => text.split("`").map((part, at) => at % 2 ? make("code", {}, part) : part);

function clauseText(id) {
  const clause = clauses.get(id);
  const text = make("div", { class: "clause" }, make("p", { class: "meta" }, `${clause.level}, out of ${clause.section}`));
  for (const paragraph of clause.text.split("\n\n")) text.append(make("p", {}, ...withCode(paragraph)));
  if (clause.rkt_1_30) text.append(make("p", { class: "meta" }, ...withCode(`rkt 1.30.0: ${clause.rkt_1_30}`)));
  return text;
}

function caseDetails(one, isOpen) {
  const k = kind(one);
  const body = make("div");
  const part = (title, content) => content && body.append(make("h3", {}, title), content);
  const pre = text => text && make("pre", {}, text);
  part(k === "known" ? "Why this is known" : "Why", pre(one.reason));
  if (one.failure) {
    part("Request", pre(one.failure.request));
    const classes = { "-": "minus", "+": "plus" };
    const lines = one.diff.map(({ mark, pieces }) => make("span", { class: classes[mark] || "", "data-mark": mark },
      ...pieces.map(([isMarked, text]) => isMarked ? make("mark", {}, text) : text)));
    part("− expected, + actual", make("pre", { class: "diff" }, ...lines));
  }
  const exchanges = (one.exchanges || []).map(({ request, answer }) => `→ ${request}\n← ${answer}`);
  part("Calls", pre(exchanges.join("\n")));
  part("What the server wrote", pre(one.server_output));
  part("To run it again", pre([...run.replay, one.name].map(word => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`).join(" ")));
  const milliseconds = (one.duration_us / 1000).toFixed(1);
  const details = make("details", { class: "case", "data-case": one.name }, make("summary", {}, make("span", { class: `badge ${k}` }, WORDS[k]),
    make("span", { class: "name" }, one.name), make("small", {}, `${one.level}, ${milliseconds} ms`)), body);
  details.open = isOpen;
  return details;
}

function openDrawer(title, clause, cases, chosen) {
  document.getElementById("details-title").textContent = title;
  const body = document.getElementById("details-body");
  const sorted = [...cases].sort(byKind);
  if (chosen) sorted.unshift(...sorted.splice(sorted.indexOf(chosen), 1));
  const list = make("div");
  const add = some => list.append(...some.map((one, at) => caseDetails(one, one === chosen || (!chosen && at === 0 && isBad(kind(one))))));
  add(sorted.slice(0, CASES_SHOWN));
  body.replaceChildren(clauseText(clause), make("p", {}, inWords(cases)), list);
  if (sorted.length > CASES_SHOWN) {
    const more = make("button", { class: "more" }, `Show ${sorted.length - CASES_SHOWN} more`);
    more.addEventListener("click", () => { more.remove(); add(sorted.slice(CASES_SHOWN)); });
    body.append(more);
  }
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function follow() {
  const [what, ...rest] = decodeURIComponent(location.hash.slice(1)).split("=");
  const name = rest.join("=");
  const chosen = run.cases.find(one => one.name === name);
  const lattice = lattices.find(one => name.startsWith(`${one.clause}/`));
  if (what === "cell" && cells.has(name)) {
    openDrawer(name.replace("/", ", "), name.split("/")[1], cells.get(name));
  } else if (what === "case" && chosen) {
    openDrawer(`${chosen.method}, ${chosen.clause}`, chosen.clause, cells.get(`${chosen.method}/${chosen.clause}`), chosen);
  } else if (what === "subset" && lattice) {
    const names = name.slice(lattice.clause.length + 1);
    const cases = run.cases.filter(one => subsetOf(lattice, one) !== null && namesOf(lattice, subsetOf(lattice, one)) === names);
    openDrawer(`${lattice.filter}: ${names}`, lattice.clause, cases);
  } else if (dialog.open) {
    dialog.close();
  }
}

dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
addEventListener("hashchange", follow);
drawHead();
drawMatrix();
drawLattices();
narrow.addEventListener("change", drawLattices);
follow();
