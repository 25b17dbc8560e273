// What if: the last day under other settings, by sliders.
import { $, element, fillTable, copyable, failed, quote } from './dom.js';
import { say, count, share, duration, clock, bytes } from './say.js';
import { get } from './api.js';
import { state, go } from './state.js';
import { draw, colour, moment, flowsOf } from './chart.js';

// sliders run by ratios from the least to the most; max around what is in force.
const sliders = { max: null, tcp_timeout_established: [60, 432000], tcp_timeout_time_wait: [1, 600], tcp_timeout_close_wait: [1, 3600], udp_timeout: [1, 600], udp_timeout_stream: [1, 3600] };
const steps = 200;
let running = {}; // settings in force
let ends = {};
let asking, waiting;

const at = (name, step) => round(ends[name][0] * (ends[name][1] / ends[name][0]) ** (step / steps), name);
const stepOf = (name, v) => Math.round(steps * Math.log(v / ends[name][0]) / Math.log(ends[name][1] / ends[name][0]));
const value = (name, v) => (name === 'max' ? count(v) : v >= 60 ? `${count(v)} s (${duration(v)})` : `${count(v)} s`);

// round gives figures that people would choose: two digits, or for max a multiple of 1024.
function round(v, name) {
  if (name === 'max') return Math.max(1024, Math.round(v / 1024) * 1024);
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(v)) - 1);
  return Math.max(1, Math.round(v / unit) * unit);
}

function build() {
  $('sliders').replaceChildren(...Object.keys(sliders).filter((n) => running[n]).map((name) => {
    const [low, high] = sliders[name] || [running.max / 16, running.max * 16];
    ends[name] = [Math.max(1, Math.min(low, running[name])), Math.max(high, running[name])];
    const out = element('output', { id: `out-${name}`, htmlFor: `set-${name}` });
    const input = element('input', { type: 'range', id: `set-${name}`, min: 0, max: steps, step: 1 });
    input.addEventListener('input', () => { choose(name, Number(input.value)); });
    return element('div', { class: 'slider' }, element('label', { htmlFor: input.id, textContent: name }), input, out);
  }));
  show();
}

// choose takes a slider's place; the place of what is in force means no change.
function choose(name, step) {
  const set = { ...state.set };
  if (step === stepOf(name, running[name])) delete set[name];
  else set[name] = String(at(name, step));
  go({ set }, true);
  show();
  clearTimeout(waiting);
  waiting = setTimeout(drawWhatIf, 350);
}

function show() {
  for (const name of Object.keys(ends)) {
    const v = Number(state.set[name] ?? running[name]);
    const input = $(`set-${name}`);
    if (document.activeElement !== input || state.set[name] === undefined) input.value = stepOf(name, v);
    const changed = state.set[name] !== undefined;
    const text = changed ? say('instead_of', { then: value(name, v), now: value(name, running[name]) }) : value(name, v);
    input.setAttribute('aria-valuetext', text);
    $(`out-${name}`).textContent = text;
    $(`out-${name}`).className = changed ? 'changed' : '';
  }
}

export async function drawWhatIf() {
  asking?.abort();
  asking = new AbortController();
  $('whatif').setAttribute('aria-busy', 'true');
  try {
    const doc = await get('whatif', { namespace: state.namespace, set: Object.entries(state.set).map(([k, v]) => `${k}=${v}`) }, asking.signal);
    running = Object.fromEntries(Object.entries(doc.settings).map(([k, v]) => [k, v.now]));
    build.for === doc.namespace ? show() : (build.for = doc.namespace, build());
    $('no-whatif').replaceChildren(doc.ready ? '' : doc.since ? say('whatif_soon', { since: clock(doc.since), every: duration(doc.reading_seconds || 0) }) : say('whatif_none'));
    $('whatif-answer').hidden = !doc.ready;
    if (doc.ready) answer(doc);
  } catch (e) {
    if (e.name === 'AbortError') return;
    if (e.after) waiting = setTimeout(drawWhatIf, e.after * 1000);
    failed($('no-whatif'), e);
  }
  $('whatif').removeAttribute('aria-busy');
}

function answer(doc) {
  const a = doc.answer;
  const changed = Object.keys(state.set).length > 0;
  $('whatif-verdict').textContent = say(changed ? 'whatif_' + a.verdict : 'whatif_move', { peak: range(a.peak), max: count(a.max) });
  $('whatif-verdict').className = changed && a.verdict !== 'fits' ? (a.verdict === 'refuses' ? 'badtext' : 'warntext') : '';
  curve(a);
  fillTable($('whatif-facts'), [say('fact'), say('measured'), say('would_be')], [
    [say('peak'), count(a.peak_measured), range(a.peak)],
    [say('held_peak'), '–', range(a.peak_held)],
    [say('max'), count(doc.settings.max.now), count(doc.settings.max.then)],
    [say('over_max'), '–', a.over_max_seconds.high ? times(a.over_max_seconds) : say('never')],
    [say('refused_packets'), count(a.refused_measured), '–'],
    [say('broken'), '–', a.broken.high ? say('at_most', { count: count(a.broken.high) }) : say('none_seen')],
    [say('memory_full'), '–', bytes(doc.memory_full_bytes)]]);
  $('whatif-error').replaceChildren(...notes(doc).map((t) => element('li', { textContent: t })));
  $('whatif-command').replaceChildren(...(changed ? [element('p', { textContent: say('whatif_apply') }), copyable(commands(doc.namespace).join('\n'))] : []));
  $('whatif-reset').hidden = !changed;
}

// commands set it: max for the machine, timeouts where the flows are.
function commands(namespace) {
  const own = (name) => name !== 'max' && !state.initial;
  const set = (pairs) => pairs.map(([k, v]) => ` --set ${k}=${v}`).join('');
  const machine = Object.entries(state.set).filter(([k]) => !own(k)), there = Object.entries(state.set).filter(([k]) => own(k));
  return [...(machine.length ? [`ctkeeper apply${set(machine)}`] : []), ...(there.length ? [`ctkeeper apply --netns ${quote(namespace)}${set(there)}`] : [])];
}

const range = (r) => (r.low === r.high ? count(r.low) : say('from_to', { low: count(r.low), high: count(r.high) }));
const times = (r) => (r.low === r.high ? duration(r.low) : say('from_to', { low: duration(r.low), high: duration(r.high) }));

// notes are what the answer rests on, and what it cannot tell.
function notes(doc) {
  const a = doc.answer;
  const out = [say('whatif_record', { flows: count(a.flows), share: share(a.share), from: clock(a.from), to: clock(a.to) }),
    say('whatif_sampling', { error: share(a.sampling_error) })];
  if (a.model_error !== undefined) out.push(say('whatif_model', { error: share(a.model_error) }));
  out.push(say('whatif_short', { every: duration(doc.reading_seconds || 0) }), say('whatif_between'));
  if (a.refused_measured) out.push(say('whatif_refused', { count: count(a.refused_measured) }));
  out.push(say('whatif_budget', { took: duration(doc.cost_seconds || 0), budget: share(doc.budget), memory: bytes(doc.memory_limit_bytes) }));
  return out;
}

function curve(a) {
  const from = Date.parse(a.from) / 1000;
  const x = a.measured.map((_, i) => from + i * a.step);
  const top = Math.max(...a.high.map((v) => v ?? 0), ...a.measured.map((v) => v ?? 0), 1);
  const then = colour('--then');
  draw($('whatif-plot'), {
    seconds: x.length * a.step, data: [x, a.measured, a.low, a.high, x.map(() => a.max)],
    label: say('whatif_chart', { peak: range(a.peak), measured: count(a.peak_measured) }),
    scales: { y: { range: (u, lo, hi) => [0, Math.max(hi, top) * 1.05] } },
    bands: [{ series: [3, 2], fill: `${then}44` }],
    series: [{ label: say('time'), value: moment }, { label: say('measured'), stroke: colour('--count'), width: 2, value: flowsOf(0) },
      { label: say('at_least'), stroke: then, width: 1, value: flowsOf(0) }, { label: say('at_most_head'), stroke: then, width: 2, value: flowsOf(0) },
      { label: say('max'), stroke: colour('--quiet'), dash: [6, 4], value: flowsOf(0), show: top > 0.3 * a.max }],
  });
}

export function wireWhatIf() {
  $('whatif-reset').addEventListener('click', () => { go({ set: {} }, true); show(); drawWhatIf(); });
}
