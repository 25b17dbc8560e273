// Incidents, each with a page of its own to share.
import { $, element, failed, note } from './dom.js';
import { say, count, share, clock, duration } from './say.js';
import { get } from './api.js';
import { state } from './state.js';

export async function drawIncidents() {
  try {
    const doc = await get('incidents', { limit: 50 });
    $('incidents').replaceChildren(...(doc.incidents.length ? doc.incidents.map(line) : [note(say('no_incidents'))]));
  } catch (e) {
    failed($('incidents'), e);
  }
}

export const lasted = (i) => (i.ended ? duration((Date.parse(i.ended) - Date.parse(i.began)) / 1000) : say(state.open.has(i.id) ? 'ongoing' : 'left_open'));
export const summary = (i) => say('incident_line', { refused: count(i.refused), evicted: count(i.early_drops), peak: count(i.peak), max: count(i.max), pressure: share(i.peak_pressure || 0) });

function line(i) {
  const here = i.namespace === state.namespace;
  return element('div', { class: `incident${state.open.has(i.id) ? ' open' : ''}` },
    element('h3', {}, element('a', { href: `incident/${encodeURIComponent(i.id)}${location.search}`, textContent: clock(i.began) }), ` · ${here ? '' : `${i.namespace} · `}${lasted(i)}`),
    element('p', { textContent: summary(i) }));
}
