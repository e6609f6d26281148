"use strict";

// What is said of the arms, and how it is shown; soak.js has the curves.

const byId = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function figure(list, name, value) {
  if (!value) return;
  const pair = element("div");
  pair.append(element("dt", name), element("dd", value));
  list.append(pair);
}

// The processes of an arm that has several: which of them grow.
function processTable(arm) {
  const made = element("table");
  made.append(element("caption", "Processes; the verdict is on their sum"));
  const head = element("tr");
  for (const [name, kind] of [["process"], ["RSS, MiB", "number"], ["growth"], ["rate so far"]]) {
    const cell = element("th", name, kind);
    cell.scope = "col";
    head.append(cell);
  }
  const rows = arm.processes.map((one) => {
    const row = element("tr", undefined, one.growth === "grows" ? "grows" : "");
    const name = element("th", one.name);
    name.scope = "row";
    row.append(name, element("td", one.rss, "number"), element("td", one.growth), element("td", one.rate));
    return row;
  });
  const top = element("thead"), body = element("tbody");
  top.append(head);
  body.append(...rows);
  made.append(top, body);
  const room = element("div", undefined, "processes");
  room.setAttribute("role", "region"); // it scrolls where it is narrow, by the keyboard, too
  room.setAttribute("aria-label", `Processes of ${arm.name}`);
  room.tabIndex = 0;
  room.append(made);
  if (arm.more) room.append(element("p", `${arm.more}.`, "reason"));
  return room;
}

function article(arm) {
  const made = element("article", undefined, `arm ${arm.state}`);
  const head = element("h2", `${arm.name}: `);
  head.append(element("span", arm.verdict === "none yet" ? "no verdict yet" : arm.verdict, "verdict"));
  const texts = element("div");
  if (arm.rate) texts.append(element("p", `Leak rate now: ${arm.rate}` + (arm.oom ? `; time to OOM: ${arm.oom}` : "")));
  if (arm.suspect) texts.append(element("p", `Leak suspect: ${arm.suspect}`));
  if (arm.reason) texts.append(element("p", `${arm.reason}.`, "reason"));
  const list = element("dl");
  figure(list, "RSS", arm.rss && `${arm.rss} MiB`);
  figure(list, "USS", arm.uss && `${arm.uss} MiB`);
  figure(list, "live blocks", arm.blocks);
  figure(list, "tasks", arm.tasks);
  figure(list, "open sessions", arm.sessions);
  figure(list, "ok/s", arm.ok);
  figure(list, "failed/s", arm.failed);
  figure(list, "life", arm.life);
  figure(list, "OOM kills", arm.kills);
  made.append(head, texts, list);
  if (arm.processes.length) made.append(processTable(arm));
  return made;
}

// Make a node as another one, by class and text, and touch only what differs: a selection and a table that is scrolled
// stay, and what is the same is not announced again.
function liken(node, to) {
  if (node.nodeName !== to.nodeName) return void node.replaceWith(to);
  if (node.nodeValue !== to.nodeValue) node.nodeValue = to.nodeValue; // of a text; of an element it is null
  if (node.className !== to.className) node.className = to.className;
  const had = [...node.childNodes], wanted = [...to.childNodes];
  wanted.forEach((one, n) => (n < had.length ? liken(had[n], one) : node.append(one)));
  for (const rest of had.slice(wanted.length)) rest.remove();
}

function show(id, parts, className = "") {
  const to = byId(id).cloneNode();
  to.className = className;
  to.append(...parts);
  liken(byId(id), to);
}
