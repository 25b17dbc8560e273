// Occupancy and pressure over time, with refusals and incidents marked on it.
import { $, element, aged } from './dom.js';
import { say, count, share, clock, lang, now } from './say.js';
import { get } from './api.js';
import { state, go } from './state.js';
import { draw, colour, moment, flowsOf, shade, gaps } from './chart.js';

export function drawRanges() {
  const day = lang === 'fr' ? 'j' : 'd';
  const ranges = [[600, '10 min'], [3600, '1 h'], [86400, `1 ${day}`], [604800, `7 ${day}`], [2678400, `31 ${day}`]];
  $('ranges').setAttribute('aria-label', say('range'));
  $('ranges').replaceChildren(...ranges.map(([s, name]) => {
    const b = element('button', { type: 'button', textContent: name, 'aria-pressed': String(s === state.last) });
    b.addEventListener('click', () => go({ last: s }));
    return b;
  }));
}

export async function drawPast() {
  try {
    const [doc, past] = await Promise.all([get('history', { namespace: state.namespace, last: state.last, limit: 720 }), get('incidents', { last: state.last + 86400 })]);
    const mine = past.incidents.filter((i) => i.namespace === doc.namespace);
    $('no-history').hidden = doc.samples.length > 1;
    $('no-history').textContent = say('no_history');
    if (doc.samples.length > 1) plotSamples($('plot'), doc.samples, mine, state.last);
    else { $('plot').plot?.destroy(); $('plot').replaceChildren(); }
    aged('age-past', doc.samples.at(-1)?.at);
  } catch (e) {
    $('no-history').hidden = false;
    $('no-history').textContent = say('error', { error: e.message });
  }
}

// plotSamples draws samples; stretches of incidents are shaded.
export function plotSamples(into, s, incidents, seconds) {
  const data = [s.map((x) => Date.parse(x.at) / 1000), s.map((x) => x.peak), s.map((x) => x.held ?? null), s.map((x) => x.max ?? null), s.map((x) => x.rises.refused || null)];
  const max = s.at(-1).max;
  const top = Math.max(...data[1], 1);
  const refused = s.reduce((n, x) => n + x.rises.refused, 0);
  const peak = s.reduce((a, b) => (b.peak > a.peak ? b : a));
  const bad = colour('--bad');
  const spans = incidents.map((i) => [Date.parse(i.began) / 1000, (i.ended ? Date.parse(i.ended) : now()) / 1000]);
  draw(into, {
    seconds, data: gaps(data),
    label: say('chart', { peak: count(peak.peak), share: max ? share(peak.peak / max) : '–', time: clock(peak.at), refused: count(refused), incidents: count(incidents.length) }),
    scales: { y: { range: (u, lo, hi) => [0, Math.max(hi, top) * 1.05] }, r: { range: (u, lo, hi) => [0, Math.max(hi, 1) * 4] } },
    further: refused ? [{ scale: 'r', stroke: bad }] : [],
    hooks: { drawClear: [shade(spans, `${bad}22`)] },
    series: [{ label: say('time'), value: moment }, { label: say('occupancy'), stroke: colour('--count'), width: 2, fill: `${colour('--count')}33`, value: flowsOf(max) },
      { label: say('pressure'), stroke: colour('--held'), width: 2, value: flowsOf(max) },
      { label: say('max'), stroke: colour('--quiet'), dash: [6, 4], value: flowsOf(0), show: top > 0.3 * Math.max(...data[3], 0) },
      { label: say('refused_packets'), stroke: bad, fill: `${bad}88`, width: 1, scale: 'r', value: flowsOf(0), paths: window.uPlot.paths.bars({ size: [0.9, 20] }) }],
  });
}
