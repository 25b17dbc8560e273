// Curves over time, drawn by uPlot.
import { lang, count, share, clock } from './say.js';

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// incrs are the steps of a time axis, in seconds: its labels tell minutes.
const incrs = [60, 120, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000];

// stamps are the labels of a time axis; days matter when hours alone would not tell.
const stamps = (seconds) => (u, vals) => vals.map((v, i) => {
  const t = new Date(v * 1000);
  const day = t.toLocaleDateString(lang, { day: 'numeric', month: 'short' });
  const hour = t.toLocaleTimeString(lang, { hour: '2-digit', minute: '2-digit', hour12: false });
  if (seconds > 172800) return day;
  return i === 0 ? `${hour}\n${day}` : hour;
});

const short = (v) => (v === null ? '' : v.toLocaleString(lang, v >= 1e6 ? { notation: 'compact' } : {}));
export const moment = (u, v) => (v === null ? '' : clock(v * 1000));
export const flowsOf = (max) => (u, v) => (v === null ? '' : count(v) + (max ? ` (${share(v / max)})` : ''));

// draw puts a chart into a place; the old one goes. further are axes beside the two usual ones.
export function draw(into, { seconds, label, series, data, bands, further = [], scales, hooks }) {
  into.plot?.destroy();
  into.replaceChildren();
  into.setAttribute('role', 'img');
  into.setAttribute('aria-label', label);
  const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line') } };
  const narrow = into.clientWidth < 500;
  into.plot = new window.uPlot({
    width: into.clientWidth, height: narrow ? 220 : 260, cursor: { drag: { x: true, y: false } }, scales, series, bands, hooks,
    axes: [{ ...axis, values: stamps(seconds), space: narrow ? 70 : 60, incrs }, { ...axis, values: (u, v) => v.map(short), size: 66 },
      ...further.map((f) => ({ ...axis, values: (u, v) => v.map(short), size: 50, side: 1, grid: { show: false }, ...f }))],
  }, data, into);
}

// gaps breaks curves where samples are missing: nothing is drawn through a time that nobody measured.
export function gaps(data) {
  const x = data[0];
  const steps = x.slice(1).map((v, i) => v - x[i]).sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)] || 1;
  const out = data.map(() => []);
  x.forEach((v, i) => {
    if (i && v - x[i - 1] > Math.max(4 * usual, 5)) out.forEach((c, k) => c.push(k ? null : x[i - 1] + usual));
    out.forEach((c, k) => c.push(data[k][i]));
  });
  return out;
}

// shade marks stretches of time over the whole height: [from, to] in seconds.
export const shade = (spans, fill) => (u) => {
  u.ctx.save();
  u.ctx.fillStyle = fill;
  for (const [from, to] of spans) {
    const a = Math.max(u.valToPos(from, 'x', true), u.bbox.left);
    const b = Math.min(u.valToPos(to, 'x', true), u.bbox.left + u.bbox.width);
    if (b >= u.bbox.left && a <= u.bbox.left + u.bbox.width) u.ctx.fillRect(a, u.bbox.top, Math.max(b - a, 3), u.bbox.height);
  }
  u.ctx.restore();
};
