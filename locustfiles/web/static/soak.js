"use strict";

const POLL_MS = 2000;
const POLL_TIMEOUT_MS = 10000;
const MIB = 1024 * 1024;
// Between two ticks of time, seconds: whole minutes and hours, not round thousands of seconds.
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
const TICK_PX = 80; // what a time needs, 100:00:00 too
const WORDS_PX = 4; // from a kill to its words
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
const BORDERS = ["solid", "dashed", "dotted", "double"]; // of the legend, for each of these

// Of each chart: title with unit, source of its points, the column, and how a value is scaled and written.
const CHARTS = [
  { title: "Resident memory, MiB", from: "readings", column: "rss", scale: 1 / MIB, digits: 1, memory: true },
  { title: "Tasks alive, finished ones included", from: "readings", column: "tasks", digits: 0 },
  { title: "Open client sessions", from: "readings", column: "sessions", digits: 0 },
  { title: "Unique set size (USS), MiB", from: "readings", column: "uss", scale: 1 / MIB, digits: 1 },
  { title: "Live blocks of the Python allocator", from: "readings", column: "blocks", digits: 0 },
  { title: "Requests answered well, per second", from: "requests", column: "ok", digits: 0 },
  { title: "Requests failed or missed, per second", from: "requests", column: "failed", digits: 0 },
  { title: "Latency p50, ms", from: "requests", column: "p50", digits: 1 },
  { title: "Latency p99, ms", from: "requests", column: "p99", digits: 1 },
];

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const points = new Map(); // "<arm> readings" -> {columns, points}
const plots = [];
let have = "";
let latest = null;
let lastS = null; // seconds shown, null for the whole run
let chosen = null; // [from, to] dragged

// Sixteen arms look different: each four of them have the four colours, with other dashes than the four before.
const colour = (n) => style(`--arm-${n % 4}`);
const dash = (n) => (n + Math.floor(n / 4)) % 4;

function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function write(value, digits) {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function keep(data) {
  for (const arm of data.arms) {
    for (const from of ["readings", "requests"]) {
      const key = `${arm.name} ${from}`, sent = arm[from];
      if (sent.whole || !points.has(key)) points.set(key, { columns: sent.columns, points: sent.points });
      else points.get(key).points.push(...sent.points);
    }
  }
  have = data.have;
}

// Times and values of one line; null breaks it (another process), undefined was not read.
function line(arm, chart) {
  const kept = points.get(`${arm} ${chart.from}`);
  const at = kept.columns.indexOf("t"), column = kept.columns.indexOf(chart.column), life = kept.columns.indexOf("life");
  const times = [], values = [];
  let before = null;
  for (const point of kept.points) {
    const broken = life >= 0 ? before && point[life] !== before[life] : before && point[at] - before[at] > gap(kept.points);
    if (broken) {
      times.push((before[at] + point[at]) / 2);
      values.push(null);
    }
    times.push(point[at]);
    values.push(point[column] === null ? undefined : point[column] * (chart.scale || 1));
    before = point;
  }
  return [times, values];
}

// Loads that were stopped and begun again are apart by more than a few steps of the kept points.
function gap(kept) {
  return kept.length < 2 ? Infinity : 5 * (kept[1][0] - kept[0][0]) + 5;
}

function table(chart) {
  const lines = latest.arms.map((arm) => line(arm.name, chart));
  const used = lines.filter(([times]) => times.length);
  if (!used.length) return [[0], ...lines.map(() => [undefined])];
  const joined = uPlot.join(used);
  let next = 1;
  return [joined[0], ...lines.map(([times]) => (times.length ? joined[next++] : joined[0].map(() => undefined)))];
}

// The last reading: what the legend shows while the pointer is elsewhere, but for readings of an arm that is down.
function newest(values) {
  return values.findLast((value) => value !== null && value !== undefined);
}

function shade(plot) {
  const { ctx, bbox } = plot, ends = [...latest.phases.slice(1).map(([t]) => t), Infinity];
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = style("--band");
  latest.phases.forEach(([t, phase], n) => {
    if (phase === "load") return;
    const left = plot.valToPos(t, "x", true);
    const right = ends[n] === Infinity ? bbox.left + bbox.width : plot.valToPos(ends[n], "x", true);
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
  });
  ctx.restore();
}

// Far below the limit, a curve would be flattened by showing it.
function nearLimit(highMib) {
  return latest.limit && highMib > latest.limit / MIB / 3;
}

function mark(plot) {
  const { ctx, bbox } = plot, ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  if (nearLimit(plot.scales.y.max)) {
    const y = plot.valToPos(latest.limit / MIB, "y", true);
    ctx.strokeStyle = ctx.fillStyle = style("--faint");
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    ctx.fillText(`memory limit ${write(latest.limit / MIB, 0)} MiB`, bbox.left + 6 * ratio, y - 3 * ratio);
  }
  ctx.setLineDash([]);
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  latest.arms.forEach((arm, n) => {
    ctx.strokeStyle = colour(n);
    ctx.fillStyle = style("--ink");
    const words = `${arm.name} OOM-killed`, width = ctx.measureText(words).width, end = bbox.left + bbox.width;
    let wordsEnd = -Infinity;
    for (const t of arm.killed) {
      const x = plot.valToPos(t, "x", true);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const away = WORDS_PX * ratio, after = x + away, before = x - away - width;
      const from = after + width <= end ? after : before >= bbox.left ? before : end - width; // too long: their end
      if (from < wordsEnd) continue; // they would lie on those of the kill before
      wordsEnd = from + width + away;
      ctx.fillText(words, from, bbox.top + bbox.height - (8 + 14 * n) * ratio);
    }
  });
  ctx.restore();
}

function build() {
  for (const plot of plots.splice(0)) plot.destroy();
  const room = byId("charts");
  room.replaceChildren();
  const sync = { key: "soak" };
  for (const chart of CHARTS) {
    const figure = element("figure");
    figure.append(element("figcaption", chart.title));
    room.append(figure);
    const axis = { stroke: style("--faint"), grid: { stroke: style("--grid"), width: 1 }, ticks: { stroke: style("--grid") } };
    const plot = new uPlot({
      width: figure.clientWidth,
      height: chart.memory ? 280 : 170,
      cursor: { sync, drag: { x: true, y: false, setScale: false } },
      select: { show: true },
      legend: { markers: { width: 3, dash: (_plot, n) => BORDERS[dash(n - 1)] } },
      scales: {
        x: { time: false, range: () => shown() },
        y: { range: (_plot, _low, high) => [0, 1.08 * Math.max(chart.memory && nearLimit(high) ? latest.limit / MIB : 0, high || 0, 4)] },
      },
      axes: [
        { ...axis, space: TICK_PX, incrs: STEPS_S, values: (_plot, at) => at.map(clock) },
        { ...axis, size: 80, values: (_plot, at) => at.map((value) => value.toLocaleString("en")) },
      ],
      series: [
        { label: "at", value: (plot, t, _place, at) => clock(at === null ? newest(plot.data[0]) : t) },
        ...latest.arms.map((arm, n) => ({
          label: arm.name,
          stroke: colour(n),
          dash: DASHES[dash(n)],
          width: 1.75,
          points: { show: false },
          value: (plot, value, place, at) => {
            const down = chart.from === "readings" && latest.arms[n].down;
            const last = at !== null ? value : down ? null : newest(plot.data[place]);
            return last === null || last === undefined ? "" : write(last, chart.digits);
          },
        })),
      ],
      hooks: {
        drawClear: [shade],
        draw: chart.memory ? [mark] : [],
        setSelect: [(self) => {
          if (self.select.width < 4) return;
          choose(null, [self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")]);
          self.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        }],
      },
    }, table(chart), figure);
    plot.over.addEventListener("dblclick", () => choose(null, null));
    plots.push(plot);
  }
}

function end() {
  const ends = [...points.values()].map((kept) => (kept.points.length ? kept.points[kept.points.length - 1][0] : 0));
  return Math.max(10, ...ends);
}

function shown() {
  if (chosen) return chosen;
  const to = end();
  return lastS === null ? [0, to] : [Math.max(0, to - lastS), to];
}

function choose(last, range) {
  lastS = last;
  chosen = range;
  for (const button of document.querySelectorAll("[data-last]")) {
    const own = button.dataset.last === "" ? null : Number(button.dataset.last);
    button.setAttribute("aria-pressed", String(!chosen && own === lastS));
  }
  if (latest) draw();
}

function draw() {
  plots.forEach((plot, n) => plot.setData(table(CHARTS[n])));
}

function showState(data) {
  const phase = data.phase || "start";
  const doing = phase === "quiesce" ? "quiesce, then the report is made" : phase;
  const verdicts = data.arms.map((arm) => `${arm.name} ${arm.verdict}`).join(", ");
  const judged = data.judged ? `, judged at ${data.judged}` : "";
  show("clock", [`${data.run}, ${clock(end())} since its start${judged}.`]);
  show("state", [`Phase: ${doing}. Verdict so far: ${verdicts}.`]); // announced when it changes: no clock in it
  const link = byId("report");
  link.hidden = !data.report;
  if (data.report) link.href = data.report;
  show("arms", data.arms.map(article));
}

async function poll() {
  try {
    const answer = await fetch(`/soak/data?have=${have}`, { signal: AbortSignal.timeout(POLL_TIMEOUT_MS), cache: "no-store" });
    if (answer.redirected) return location.reload(); // to the login
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const data = await answer.json();
    const first = latest === null || latest.run !== data.run;
    if (latest !== null && first) { // another run: what was kept is of the one before
      points.clear();
      have = "";
      latest = null;
      return void setTimeout(poll, 0);
    }
    keep(data);
    latest = data;
    if (first) build();
    showState(data);
    draw();
  } catch (error) {
    show("state", ["No answer: the run has ended, or its web UI is busy. The last data received is shown."], "gone");
  }
  setTimeout(poll, POLL_MS);
}

for (const button of document.querySelectorAll("[data-last]")) {
  button.addEventListener("click", () => choose(button.dataset.last === "" ? null : Number(button.dataset.last), null));
}
addEventListener("resize", () => plots.forEach((plot, n) => plot.setSize({ width: plot.root.parentElement.clientWidth, height: CHARTS[n].memory ? 280 : 170 })));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => latest && build());
choose(null, null);
poll();
