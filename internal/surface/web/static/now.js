// The figures of this moment.
import { $, aged } from './dom.js';
import { say, count, share, rate, duration, clock, bytes } from './say.js';

function fill(id, part, bad) {
  $(id).style.width = `${Math.min(100, 100 * part)}%`;
  $(id).className = bad ? 'bad' : '';
}

export function drawNow(watch, n) {
  const last = n.last;
  const of = (x) => `${share(x / last.max)} · ${say('of', { count: count(x), max: count(last.max) })}`;
  fill('bar-count', last.max ? last.count / last.max : 0, last.count >= 0.95 * last.max);
  $('v-count').textContent = last.max ? of(last.count) : count(last.count);
  aged('age-count', last.at);
  const known = last.held !== undefined && last.max;
  fill('bar-held', known ? last.held / last.max : 0, known && last.held >= 0.9 * last.max);
  $('v-held').textContent = known ? of(last.held) : say('unknown');
  aged('age-held', known ? n.flows_at : '');
  $('v-refused').textContent = rate(last.rises.refused);
  $('v-refused').classList.toggle('badtext', last.rises.refused > 0);
  $('n-refused').textContent = say('refused_all', { count: count(n.refused), time: clock(watch.started) });
  aged('age-refused', last.at);
  $('v-evicted').textContent = rate(last.rises.early_drop);
  aged('age-evicted', last.at);
  drawForecast(n.forecast);
  aged('age-full', last.at);
  $('alarm').hidden = !n.incident;
  if (n.incident) {
    $('alarm-text').textContent = say('incident_now', { time: clock(n.incident.began) });
    $('alarm-link').href = `incident/${encodeURIComponent(n.incident.id)}${location.search}`;
  }
  $('failed').hidden = !n.error;
  $('failed').textContent = n.error ? say('error', { error: n.error }) : '';
  const lived = (Date.parse(watch.at) - Date.parse(watch.started)) / 1000;
  $('cost').textContent = say('cost', { cpu: lived > 0 ? share(watch.cpu_seconds / lived) : '–', memory: bytes(watch.resident_bytes) });
}

function drawForecast(f) {
  let value = say('unknown'), between = '';
  if (f && f.full_in !== undefined) {
    value = duration(f.full_in);
    between = say('between', { low: duration(f.full_in_soonest), high: duration(f.full_in_latest) });
  } else if (f && f.trend === 'full') value = say('full');
  else if (f && f.trend !== 'unknown') value = say('not_filling');
  $('v-full').textContent = value;
  $('v-full').classList.toggle('badtext', f !== undefined && (f.trend === 'full' || f.full_in < 3600));
  $('n-full').textContent = between;
}
