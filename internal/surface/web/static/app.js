// The page: it draws what /api/v1 tells and asks nobody else. It changes nothing on the host.
const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
let lang = query.get('lang') || (navigator.language.startsWith('fr') ? 'fr' : 'en');
let words = {};
let watch = null;
let space = query.get('namespace') || '';
let range = Number(query.get('last')) || 3600;
let by = 'src';
let plot = null;

const say = (code, gaps = {}) => (words[code] || code).replace(/\{(\w+)\}/g, (_, g) => gaps[g] ?? '');
const count = (n) => Math.round(n).toLocaleString(lang);
const share = (x) => x.toLocaleString(lang, { style: 'percent', maximumFractionDigits: x < 0.1 ? 1 : 0 });
const rate = (x) => x.toLocaleString(lang, { maximumFractionDigits: x < 10 ? 1 : 0 });

function duration(s) {
  const day = lang === 'fr' ? 'j' : 'd';
  const units = [[86400, day], [3600, 'h'], [60, 'min'], [1, 's']];
  const i = units.findIndex(([n]) => s >= n);
  if (i < 0) return `${Math.max(0, Math.round(s * 10) / 10).toLocaleString(lang)} s`;
  const whole = Math.floor(s / units[i][0]);
  const rest = i < 3 ? Math.floor((s % units[i][0]) / units[i + 1][0]) : 0;
  return `${whole} ${units[i][1]}` + (rest ? ` ${rest} ${units[i + 1][1]}` : '');
}

const bytes = (n) => (n / 1048576).toLocaleString(lang, { maximumFractionDigits: 0 }) + (lang === 'fr' ? ' Mio' : ' MiB');
const clock = (t) => new Date(t).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'medium' });

async function get(path, params = {}) {
  const url = new URL('api/v1/' + path, document.baseURI);
  for (const [k, v] of Object.entries(params)) if (v !== '') url.searchParams.set(k, v);
  const answer = await fetch(url);
  const doc = await answer.json();
  if (!answer.ok) throw new Error(doc.error || answer.statusText);
  return doc;
}

// element makes a node: text is always text, never markup.
function element(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k === 'class') e.className = v;
    else if (k in e) e[k] = v;
    else e.setAttribute(k, v);
  }
  e.append(...children);
  return e;
}

const current = () => watch && (watch.namespaces.find((n) => n.name === space) || watch.namespaces.find((n) => n.initial) || watch.namespaces[0]);

function drawNow() {
  const n = current();
  if (!n) return;
  const last = n.last;
  const fill = (id, x, bad) => { $(id).style.width = Math.min(100, 100 * x) + '%'; $(id).className = bad ? 'bad' : ''; };
  const occupancy = last.max ? last.count / last.max : 0;
  fill('bar-count', occupancy, occupancy >= 0.95);
  $('v-count').textContent = last.max ? `${share(occupancy)} · ${say('of', { count: count(last.count), max: count(last.max) })}` : count(last.count);
  if (last.held !== undefined && last.max) {
    const pressure = last.held / last.max;
    fill('bar-held', pressure, pressure >= 0.9);
    $('v-held').textContent = `${share(pressure)} · ${say('of', { count: count(last.held), max: count(last.max) })} · ${say('age', { age: duration(age(n.flows_at)) })}`;
  } else {
    $('v-held').textContent = say('unknown');
  }
  $('v-refused').textContent = rate(last.rises.refused);
  $('v-refused').classList.toggle('badtext', last.rises.refused > 0);
  $('n-refused').textContent = say('refused_all', { count: count(n.refused), time: clock(watch.started) });
  $('v-evicted').textContent = rate(last.rises.early_drop);
  drawForecast(n.forecast);
  $('alarm').hidden = !n.incident;
  if (n.incident) $('alarm').textContent = say('incident_now', { time: clock(n.incident.began) });
  if (n.flows_at) $('table-age').textContent = say('table_age', { age: duration(age(n.flows_at)), every: duration(watch.table_every_seconds) });
  const lived = (Date.parse(watch.at) - Date.parse(watch.started)) / 1000;
  $('cost').textContent = say('cost', { cpu: lived > 0 ? share(watch.cpu_seconds / lived) : '–', memory: bytes(watch.resident_bytes) });
}

const age = (t) => Math.max(0, (Date.parse(watch.at) - Date.parse(t)) / 1000);

function drawForecast(f) {
  let value = say('unknown'), note = '';
  if (f && f.full_in !== undefined) {
    value = duration(f.full_in);
    note = say('between', { low: duration(f.full_in_soonest), high: duration(f.full_in_latest) });
  } else if (f && f.trend === 'full') value = say('full');
  else if (f && f.trend !== 'unknown') value = say('not_filling');
  $('v-full').textContent = value;
  $('n-full').textContent = note;
}

function drawNamespaces() {
  const names = watch.namespaces.map((n) => n.name);
  const select = $('namespace');
  if ([...select.options].map((o) => o.value).join() === names.join()) return;
  select.replaceChildren(...names.map((n) => element('option', { value: n, textContent: n })));
  space = (current() || {}).name || '';
  select.value = space;
}

async function drawHistory() {
  let doc;
  try {
    doc = await get('history', { namespace: space, last: range, limit: 720 });
  } catch (e) {
    $('no-history').hidden = false;
    $('no-history').textContent = say('error', { error: e.message });
    return;
  }
  const s = doc.samples;
  $('no-history').hidden = s.length > 1;
  $('no-history').textContent = say('no_history');
  const data = [s.map((x) => Date.parse(x.at) / 1000), s.map((x) => x.peak), s.map((x) => x.held ?? null), s.map((x) => x.max ?? null),
    s.map((x) => x.rises.refused || null)];
  const colour = (v) => getComputedStyle(document.documentElement).getPropertyValue(v).trim();
  const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line') } };
  const stamp = (u, vals) => vals.map((v, i) => {
    const t = new Date(v * 1000);
    const day = t.toLocaleDateString(lang, { day: 'numeric', month: 'short' });
    const hour = t.toLocaleTimeString(lang, { hour: '2-digit', minute: '2-digit', hour12: false });
    return range > 172800 ? day : (i === 0 ? `${hour}\n${day}` : hour);
  });
  const big = (u, vals) => vals.map((v) => (v === null ? '' : v.toLocaleString(lang)));
  if (plot) plot.destroy();
  plot = null;
  $('plot').replaceChildren();
  if (s.length < 2) return;
  const top = Math.max(...data[1], 1);
  plot = new window.uPlot({
    width: $('plot').clientWidth, height: 260, cursor: { drag: { x: true, y: false } },
    scales: { y: { range: (u, min, max) => [0, Math.max(max, top) * 1.05] }, r: { range: (u, min, max) => [0, Math.max(max, 1) * 4] } },
    axes: [{ ...axis, values: stamp }, { ...axis, values: big, size: 70 }, { ...axis, scale: 'r', side: 1, values: big, size: 60, grid: { show: false } }],
    series: [{ label: say('time'), value: (u, v) => (v === null ? '' : clock(v * 1000)) }, { label: say('count'), stroke: colour('--count'), width: 2, fill: colour('--count') + '33' },
      { label: say('held'), stroke: colour('--held'), width: 2 },
      { label: say('max'), stroke: colour('--quiet'), dash: [6, 4], auto: false, scale: 'y', show: top > 0.3 * Math.max(...data[3], 0) },
      { label: say('refused'), stroke: colour('--bad'), fill: colour('--bad') + '88', width: 1, scale: 'r', paths: window.uPlot.paths.bars({ size: [0.9, 20] }) }],
  }, data, $('plot'));
}

async function drawRanking() {
  const table = $('ranking');
  try {
    const doc = await get('flows', { namespace: space, by });
    const state = by === 'state';
    const heads = state ? [say('by_state'), say('flows'), say('share'), say('assured')] : [say('by_' + by), say('flows'), say('share'), say('assured'), say('half_open')];
    const rows = doc.rows.map((r) => {
      const key = state ? `${r.proto} ${r.state || ''}` : r.key;
      const cells = [key, count(r.count), share(doc.total ? r.count / doc.total : 0), count(r.assured || 0)];
      if (!state) cells.push(count(r.half_open || 0));
      return cells;
    });
    fillTable(table, heads, rows);
  } catch (e) {
    table.replaceChildren(element('caption', { class: 'note', textContent: say('error', { error: e.message }) }));
  }
}

function fillTable(table, heads, rows) {
  table.replaceChildren(
    element('thead', {}, element('tr', {}, ...heads.map((h) => element('th', { scope: 'col', textContent: h })))),
    element('tbody', {}, ...rows.map((cells) => element('tr', {}, ...cells.map((c, i) => element(i ? 'td' : 'th', i ? { textContent: c } : { scope: 'row', class: 'left', textContent: c })))))
  );
}

async function drawFindings() {
  const into = $('findings');
  try {
    const doc = await get('findings', { lang });
    $('verdict').textContent = doc.text;
    into.replaceChildren(...doc.findings.map(finding));
  } catch (e) {
    into.replaceChildren(element('p', { class: 'note', textContent: say('error', { error: e.message }) }));
  }
}

function finding(f) {
  const box = element('div', { class: 'finding ' + f.severity }, element('span', { class: 'tag', textContent: say('severity_' + f.severity) }),
    element('h3', { textContent: f.text + (f.namespace ? ` · ${f.namespace}` : '') }), element('p', { textContent: f.cause }));
  for (const c of f.cure || []) {
    box.append(element('p', { textContent: c.text }));
    const text = c.command || (c.sysctl || []).join('\n');
    if (text) box.append(element('div', { class: 'cure' }, element('pre', { textContent: text }), copyButton(text)));
  }
  if ((f.evidence || []).length) {
    box.append(element('details', {}, element('summary', { textContent: say('evidence') }),
      element('ul', {}, ...f.evidence.map((e) => element('li', { textContent: `${e.text} (${e.source})` })))));
  }
  return box;
}

function copyButton(text) {
  const b = element('button', { type: 'button', textContent: say('copy') });
  b.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    b.textContent = say('copied');
    setTimeout(() => { b.textContent = say('copy'); }, 2000);
  });
  return b;
}

async function drawSettings() {
  try {
    const doc = await get('settings', { namespace: space, lang });
    const only = $('only-changed').checked;
    const rows = doc.settings.filter((s) => !only || s.differs).map((s) => [s.name, s.text, s.default === undefined ? '–' : String(s.default),
      s.set_by + (s.file ? ` ${s.file}` : '')]);
    fillTable($('settings'), [say('setting'), say('running'), say('default'), say('set_by')], rows);
  } catch (e) {
    $('settings').replaceChildren(element('caption', { class: 'note', textContent: say('error', { error: e.message }) }));
  }
}

async function drawIncidents() {
  const into = $('incidents');
  try {
    const doc = await get('incidents');
    if (!doc.incidents.length) {
      into.replaceChildren(element('p', { class: 'note', textContent: say('no_incidents') }));
      return;
    }
    into.replaceChildren(...doc.incidents.map(incident));
    if (location.hash.startsWith('#incident-')) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  } catch (e) {
    into.replaceChildren(element('p', { class: 'note', textContent: say('error', { error: e.message }) }));
  }
}

function incident(i) {
  const id = 'incident-' + i.id;
  const lasted = i.ended ? duration((Date.parse(i.ended) - Date.parse(i.began)) / 1000) : say('ongoing');
  const box = element('div', { class: 'incident', id },
    element('h3', {}, element('a', { href: '#' + id, textContent: clock(i.began) }), ` · ${i.namespace} · ${lasted}`),
    element('p', { textContent: say('incident_line', { refused: count(i.refused), evicted: count(i.early_drops), peak: count(i.peak), max: count(i.max), pressure: share(i.peak_pressure || 0) }) }));
  if (i.log_lines) box.append(element('p', { class: 'note', textContent: say('log_lines', { lines: count(i.log_lines) }) }));
  if ((i.sources || []).length) {
    box.append(element('p', { class: 'note', textContent: `${say('top_sources')}: ` + i.sources.slice(0, 5).map((r) => `${r.key} (${count(r.count)})`).join(', ') }));
  }
  return box;
}

function drawRanges() {
  const ranges = [[600, '10 min'], [3600, '1 h'], [86400, lang === 'fr' ? '1 j' : '1 d'], [604800, lang === 'fr' ? '7 j' : '7 d'], [2678400, lang === 'fr' ? '31 j' : '31 d']];
  $('ranges').setAttribute('aria-label', say('range'));
  $('ranges').replaceChildren(...ranges.map(([s, name]) => {
    const b = element('button', { type: 'button', textContent: name, 'aria-pressed': String(s === range) });
    b.addEventListener('click', () => { range = s; drawRanges(); drawHistory(); });
    return b;
  }));
}

async function speak() {
  words = await get('words', { lang });
  document.documentElement.lang = lang;
  document.title = `ctkeeper · ${say('title')}`;
  for (const e of document.querySelectorAll('[data-say]')) e.textContent = say(e.dataset.say);
  $('by').replaceChildren(...['src', 'src_prefix', 'dst', 'dst_prefix', 'dport', 'zone', 'state'].map((k) => element('option', { value: k, textContent: say('by_' + k) })));
  $('by').value = by;
  $('language').value = lang;
  drawRanges();
}

const drawSlow = () => Promise.all([drawHistory(), drawRanking(), drawIncidents()]);
const drawSlower = () => Promise.all([drawFindings(), drawSettings()]);

function listen() {
  const events = new EventSource('api/v1/events');
  $('link').textContent = say('connecting');
  let table = '';
  events.addEventListener('snapshot', (e) => {
    watch = JSON.parse(e.data);
    $('link').textContent = say('live');
    $('link').className = 'good';
    $('host').textContent = watch.host || '';
    $('version').textContent = 'ctkeeper ' + (watch.version || '');
    drawNamespaces();
    drawNow();
    const read = (current() || {}).flows_at || '';
    if (read !== table) { table = read; drawRanking(); }
  });
  events.onerror = () => { $('link').textContent = say('lost'); $('link').className = 'badtext'; };
}

$('namespace').addEventListener('change', (e) => { space = e.target.value; drawNow(); drawSlow(); drawSettings(); });
$('by').addEventListener('change', (e) => { by = e.target.value; drawRanking(); });
$('only-changed').addEventListener('change', drawSettings);
$('language').addEventListener('change', async (e) => { lang = e.target.value; await speak(); if (watch) drawNow(); drawSlow(); drawSlower(); });
let resized;
addEventListener('resize', () => { clearTimeout(resized); resized = setTimeout(drawHistory, 200); });

await speak();
listen();
drawSlow();
drawSlower();
setInterval(() => { if (!document.hidden) drawSlow(); }, 10000);
setInterval(() => { if (!document.hidden) drawSlower(); }, 60000);
