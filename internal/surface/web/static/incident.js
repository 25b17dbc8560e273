// One incident's page: what happened, who filled the table, what was set and what was done.
import { $, element, fillTable, failed, copyable, note, quote } from './dom.js';
import { learn, say, count, share, clock, now, setClock } from './say.js';
import { get } from './api.js';
import { lasted, summary } from './incidents.js';
import { state } from './state.js';
import { plotSamples } from './past.js';

const id = decodeURIComponent(location.pathname.split('/').pop());

async function draw() {
  const doc = await get(`incidents/${encodeURIComponent(id)}`);
  const i = doc.incident;
  const watch = await get('snapshot');
  setClock(watch.at);
  state.open = new Set(watch.namespaces.filter((n) => n.incident).map((n) => n.incident.id));
  document.title = `${say('incident')} ${clock(i.began)} · ctkeeper`;
  $('host').textContent = doc.host || '';
  $('when').textContent = `${clock(i.began)} · ${i.namespace} · ${lasted(i)}`;
  $('line').textContent = summary(i);
  fillTable($('facts'), [say('fact'), say('value')], [
    [say('began'), clock(i.began)], [say('ended'), i.ended ? clock(i.ended) : lasted(i)], [say('before'), count(i.before)],
    [say('peak'), `${count(i.peak)} (${share(i.max ? i.peak / i.max : 0)})`], [say('max'), count(i.max)], [say('pressure'), i.peak_pressure === undefined ? say('unknown') : share(i.peak_pressure)],
    [say('refused_packets'), count(i.refused)], [say('evicted_flows'), count(i.early_drops)], [say('log_lines_head'), count(i.log_lines || 0)]]);
  sources(i);
  done(i);
  fillTable($('settings'), [say('setting'), say('value')], Object.entries(i.settings || {}).sort().map(([k, v]) => [k, count(v)]));
  const hours = Math.ceil((now() - Date.parse(i.began)) / 3600000) + 1;
  $('commands').replaceChildren(copyable(`ctkeeper history --incidents --since ${hours}h`), copyable(`ctkeeper doctor --netns ${quote(i.namespace)}`));
  await curve(i);
}

function sources(i) {
  if (!(i.sources || []).length) {
    $('sources').replaceChildren(element('caption', { class: 'note', textContent: say('no_sources') }));
    return;
  }
  fillTable($('sources'), [say('source'), say('flows'), say('assured'), say('half_open')], i.sources.map((r) => [r.key, count(r.count), count(r.assured || 0), count(r.half_open || 0)]));
}

function done(i) {
  $('done').replaceChildren(...((i.changes || []).length
    ? [element('ul', {}, ...i.changes.map((c) => element('li', { textContent: say('changed', { time: clock(c.at), setting: c.setting, from: count(c.from), to: count(c.to) }) + (c.by ? ` · ${c.by}` : '') })))]
    : [note(say('nothing_done'))]));
}

const stamp = (t) => new Date(t).toISOString().replace(/\.\d+/, '');

async function curve(i) {
  const began = Date.parse(i.began), ended = i.ended ? Date.parse(i.ended) : Date.now();
  const margin = Math.max(ended - began, 600000);
  const doc = await get('history', { namespace: i.namespace, from: stamp(began - margin), to: stamp(ended + margin), limit: 720 });
  $('no-history').hidden = doc.samples.length > 1;
  if (doc.samples.length > 1) plotSamples($('plot'), doc.samples, [i], (ended - began + 2 * margin) / 1000);
}

await learn();
$('home').href = `../${location.search}`;
try {
  await draw();
} catch (e) {
  failed($('when'), e);
}
