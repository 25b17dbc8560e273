// Who fills the table: a ranking that can be turned, and descended into row by row.
import { $, element, fillTable, failed, copyable, aged, bar, quote } from './dom.js';
import { say, count, share, duration } from './say.js';
import { get } from './api.js';
import { state, go, link, filter } from './state.js';

const keys = ['src', 'src_prefix', 'dst', 'dst_prefix', 'dport', 'service', 'sport', 'proto', 'state', 'status', 'idle', 'remaining', 'zone', 'mark'];
// next is what a row is asked for once it is descended into.
const next = { src: 'service', src_prefix: 'src', dst: 'dport', dst_prefix: 'dst', dport: 'src', service: 'src', sport: 'src', proto: 'state', state: 'src', status: 'src', idle: 'src', remaining: 'src', zone: 'src', mark: 'src' };

export function drawKeys() {
  const known = keys.includes(state.by) ? keys : [...keys, state.by];
  $('by').replaceChildren(...known.map((k) => element('option', { value: k, textContent: keys.includes(k) ? say('by_' + k) : k })));
  $('by').value = state.by;
}

let asking;

export async function drawRanking(again = false) {
  drawTrail();
  if (again && state.where.length) return; // a reading that was asked for is not repeated unasked
  asking?.abort();
  asking = new AbortController();
  try {
    $('ranking').setAttribute('aria-busy', 'true');
    const doc = await get('flows', { namespace: state.namespace, by: state.by, filter: filter(), list: state.where.length ? 50 : '' }, asking.signal);
    rows(doc);
    flows(doc);
    aged('age-ranking', doc.read_at);
    $('read-again').hidden = !doc.asked;
    $('inexact').hidden = doc.exact && doc.consistent;
    $('inexact').textContent = [doc.exact ? '' : say('inexact'), doc.consistent ? '' : say('inconsistent')].join(' ');
  } catch (e) {
    if (e.name !== 'AbortError') failed($('ranking'), e);
  }
  $('ranking').removeAttribute('aria-busy');
}

function rows(doc) {
  fillTable($('ranking'), [keys.includes(doc.by) ? say('by_' + doc.by) : doc.by, say('flows'), say('share'), say('assured'), say('half_open')], doc.rows.map((r) => {
    const part = doc.total ? r.count / doc.total : 0;
    const key = r.where ? link(element('a', { textContent: r.key, title: r.where }), { where: [...state.where, r.where], by: next[doc.by] || 'src' }) : r.key;
    return [key, (r.error ? '≤ ' : '') + count(r.count), [bar(part), share(part)], count(r.assured), count(r.half_open)];
  }));
  if (!doc.rows.length) $('ranking').append(element('caption', { class: 'note', textContent: say('none') }));
}

// flows lists some of the flows themselves, at the bottom of a descent.
function flows(doc) {
  $('flows').hidden = !doc.flows;
  if (!doc.flows) return;
  $('flows-head').textContent = say('some_flows', { shown: count(doc.flows.length), total: count(doc.total) });
  const end = (a, port) => (port === undefined ? a : a.includes(':') ? `[${a}]:${port}` : `${a}:${port}`);
  fillTable($('flow-list'), [say('source'), say('destination'), say('by_proto'), say('state'), say('left')], doc.flows.map((f) => [
    end(f.orig.src, f.orig.sport), end(f.orig.dst, f.orig.dport), f.proto, f.state || (f.status || []).join(' ') || '–', f.timeout === undefined ? '–' : duration(f.timeout)]));
  $('flow-command').replaceChildren(copyable(`ctkeeper flows list --netns ${quote(doc.namespace)} ${quote(doc.filter)}`));
}

// drawTrail is the way back: each step a link.
function drawTrail() {
  $('trail').hidden = !state.where.length;
  $('back').hidden = !state.where.length;
  $('trail').setAttribute('aria-label', say('trail'));
  const steps = [element('li', {}, link(element('a', { textContent: say('whole_table') }), { where: [], by: state.where.length ? came(state.where[0]) : 'src' }))];
  state.where.forEach((w, i) => {
    const here = i === state.where.length - 1;
    steps.push(element('li', {}, here ? element('span', { textContent: w, 'aria-current': 'true' }) : link(element('a', { textContent: w }), { where: state.where.slice(0, i + 1), by: came(state.where[i + 1]) })));
  });
  $('trail-steps').replaceChildren(...steps);
}

// drawStates is the table by protocol and state.
export async function drawStates() {
  try {
    const doc = await get('flows', { namespace: state.namespace, by: 'state', limit: 40 });
    fillTable($('states'), [say('by_state'), say('flows'), say('share'), say('assured')], doc.rows.map((r) => {
      const part = doc.total ? r.count / doc.total : 0;
      return [link(element('a', { textContent: r.key, title: r.where }), { where: [r.where], by: 'src' }), count(r.count), [bar(part), share(part)], count(r.assured)];
    }));
    aged('age-states', doc.read_at);
  } catch (e) {
    if (e.status === 404) $('states').replaceChildren(element('caption', { class: 'note', textContent: say('unknown') }));
    else failed($('states'), e);
  }
}

// came is the key whose row a step was: going back, the table is turned as it was.
function came(where) {
  const [word, value] = where.split(' ');
  if (word === 'src' || word === 'dst') return where.includes(' dport ') ? 'service' : word + (value.includes('/') ? '_prefix' : '');
  if (word === 'proto') return where.includes(' dport ') ? 'dport' : where.includes(' sport ') ? 'sport' : where.includes(' state ') ? 'state' : 'proto';
  return { timeout: 'remaining', not: 'status' }[word] || (keys.includes(word) ? word : 'src');
}

export function wireRanking() {
  $('by').addEventListener('change', (e) => go({ by: e.target.value }));
  $('back').addEventListener('click', () => go({ where: state.where.slice(0, -1), by: came(state.where.at(-1)) }));
  $('read-again').addEventListener('click', () => drawRanking());
}
