// Settings: running, default, after the next boot, and who decides.
import { $, element, fillTable, failed, aged } from './dom.js';
import { say, lang, count, duration, bytes } from './say.js';
import { get } from './api.js';
import { state } from './state.js';

export async function drawSettings() {
  try {
    const doc = await get('settings', { namespace: state.namespace, lang });
    const only = $('only-changed').checked;
    const shown = doc.settings.filter((s) => !only || s.differs || drifts(s));
    fillTable($('settings'), ['setting', 'running', 'default', 'boot', 'decided_by'].map((h) => say(h)), shown.map((s) => [
      element('span', { textContent: s.name, title: s.key }), emphasised(s.differs, value(s, s.value, s.text)), value(s, s.default, '–'), boot(s), decides(s)]));
    const n = doc.settings.filter(drifts).length;
    $('drift').hidden = !n;
    $('drift').textContent = say('drift', { count: count(n) });
    aged('age-settings', doc.taken_at);
  } catch (e) {
    failed($('settings'), e);
  }
}

const emphasised = (strong, text) => (strong ? element('strong', { textContent: text }) : text);

// value is a number as people read it, in its unit.
function value(s, v, absent) {
  if (v === undefined) return absent;
  if (s.unit === 's') return v >= 60 ? `${count(v)} s (${duration(v)})` : `${count(v)} s`;
  return s.unit === 'bytes' ? bytes(v) : count(v);
}

// drifts tells of a setting that the next boot changes, whichever loader runs.
function drifts(s) {
  const b = s.boot;
  return Boolean(b) && s.value !== undefined && [b.systemd, b.procps].every((o) => o.value !== undefined && o.value !== s.value);
}

function boot(s) {
  if (!s.boot) return '–';
  const { systemd, procps } = s.boot;
  if (systemd.value === procps.value) return drifts(s) ? element('strong', { class: 'warntext', textContent: `≠ ${value(s, systemd.value, '–')}` }) : value(s, systemd.value, '–');
  return element('strong', { class: 'warntext', textContent: say('loaders', { systemd: value(s, systemd.value, '–'), procps: value(s, procps.value, '–') }) });
}

// decides names the file and line, and the loader where they differ.
function decides(s) {
  const by = (o) => o.file || say('source_' + o.source);
  if (!s.boot) return s.writable || s.set_by !== 'default' ? say('set_' + s.set_by) : '–';
  const { systemd, procps } = s.boot;
  const lines = by(systemd) === by(procps) ? [by(systemd)] : [`systemd-sysctl: ${by(systemd)}`, `sysctl --system: ${by(procps)}`];
  if (s.boot.overwritten_by) lines.push(say('overwritten', { programs: s.boot.overwritten_by.join(', ') }));
  return lines.map((l) => element('div', { textContent: l }));
}
