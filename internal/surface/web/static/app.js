// The page: it draws what the API tells and changes nothing on the host.
import { $, element } from './dom.js';
import { learn, lang, say, setClock } from './say.js';
import { events } from './api.js';
import { state, read, go, onChange } from './state.js';
import { drawNow } from './now.js';
import { drawPast, drawRanges } from './past.js';
import { drawKeys, drawRanking, drawStates, wireRanking } from './ranking.js';
import { drawFindings } from './findings.js';
import { drawSettings } from './settings.js';
import { drawIncidents } from './incidents.js';
import { drawWhatIf, wireWhatIf } from './whatif.js';

let watch = null;
const current = () => watch && (watch.namespaces.find((n) => n.name === state.namespace) || watch.namespaces.find((n) => n.initial) || watch.namespaces[0]);

function drawNamespaces() {
  const names = watch.namespaces.map((n) => n.name);
  const select = $('namespace');
  if ([...select.options].map((o) => o.value).join('\n') !== names.join('\n')) {
    select.replaceChildren(...names.map((n) => element('option', { value: n, textContent: n })));
  }
  select.value = current()?.name ?? '';
}

// listen takes the snapshot of every second; a table that was read anew brings new rankings.
function listen() {
  let table = '';
  const link = (code, kind) => { if ($('link').textContent !== say(code)) { $('link').textContent = say(code); $('link').className = kind; } };
  link('connecting', '');
  const source = events();
  source.addEventListener('snapshot', (e) => {
    watch = JSON.parse(e.data);
    setClock(watch.at);
    link('live', 'good');
    $('host').textContent = watch.host || '';
    $('version').textContent = `ctkeeper ${watch.version || ''}`;
    const n = current();
    if (!n) return;
    if (!state.namespace) drawSlower(go({ namespace: n.name }, true));
    takeState(watch, n);
    drawNamespaces();
    drawNow(watch, n);
    const told = `${n.name} ${n.flows_at || ''}`;
    if (told !== table) { table = told; drawRanking(true); drawStates(); }
  });
  source.onerror = () => link('lost', 'badtext');
}

// takeState keeps what other parts ask of the snapshot.
function takeState(w, n) {
  state.initial = Boolean(n.initial);
  const open = w.namespaces.filter((x) => x.incident).map((x) => x.incident.id);
  if (open.join() === [...state.open].join()) return;
  state.open = new Set(open);
  drawSlow();
}

const drawTable = () => Promise.all([drawRanking(), drawStates()]);
const drawSlow = () => Promise.all([drawPast(), drawIncidents()]);
const drawSlower = () => Promise.all([drawFindings(), drawSettings()]);

function changed(what) {
  drawRanges();
  drawKeys();
  if (what.includes('namespace')) {
    if (watch) { drawNamespaces(); drawNow(watch, current()); }
    drawSlow();
    drawStates();
    drawSlower();
    drawWhatIf();
  } else if (what.includes('last')) drawPast();
  if (what.some((k) => ['namespace', 'by', 'where'].includes(k))) drawRanking();
}

async function speak(to) {
  await learn(to);
  document.title = `ctkeeper · ${say('title')}`;
  $('language').value = lang;
  drawRanges();
  drawKeys();
}

read();
await speak(lang);
onChange(changed);
wireRanking();
wireWhatIf();
$('namespace').addEventListener('change', (e) => go({ namespace: e.target.value, where: [], by: 'src' }));
$('only-changed').addEventListener('change', drawSettings);
$('language').addEventListener('change', async (e) => {
  const q = new URLSearchParams(location.search);
  q.set('lang', e.target.value);
  history.replaceState(null, '', `${location.pathname}?${q}${location.hash}`);
  await speak(e.target.value);
  if (watch) drawNow(watch, current());
  drawTable(); drawSlow(); drawSlower(); drawWhatIf();
});
const again = () => { drawPast(); drawWhatIf(); };
let resized;
let width = innerWidth;
addEventListener('resize', () => { if (innerWidth !== width) { width = innerWidth; clearTimeout(resized); resized = setTimeout(again, 200); } });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
listen();
drawTable(); drawSlow(); drawSlower(); drawWhatIf();
setInterval(() => { if (!document.hidden) drawSlow(); }, 10000);
setInterval(() => { if (!document.hidden) drawSlower(); }, 60000);
