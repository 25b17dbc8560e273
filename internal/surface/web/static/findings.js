// The doctor's findings, each with its evidence and its cure.
import { $, element, copyable, failed, aged, note } from './dom.js';
import { say, lang, count } from './say.js';
import { get } from './api.js';
import { state } from './state.js';

export async function drawFindings() {
  try {
    const doc = await get('findings', { lang });
    $('verdict').textContent = doc.text;
    const here = (f) => !f.namespace || f.namespace === state.namespace;
    const elsewhere = doc.findings.filter((f) => !here(f));
    $('findings').replaceChildren(...doc.findings.filter(here).map(finding));
    if (!$('findings').firstChild) $('findings').replaceChildren(note(say('no_findings')));
    $('elsewhere').hidden = !elsewhere.length;
    $('elsewhere').firstChild.textContent = say('elsewhere', { count: count(elsewhere.length) });
    $('findings-elsewhere').replaceChildren(...elsewhere.map(finding));
    $('missing').hidden = !doc.missing.length;
    $('missing-list').replaceChildren(...doc.missing.map((m) => element('li', { textContent: `${m.source}: ${m.why}${m.hint ? ` — ${m.hint}` : ''}` })));
    aged('age-findings', doc.taken_at);
    aged('age-verdict', doc.taken_at);
  } catch (e) {
    failed($('findings'), e);
  }
}

function finding(f) {
  const box = element('div', { class: `finding ${f.severity}` }, element('span', { class: 'tag', textContent: say('severity_' + f.severity) }),
    element('h3', { textContent: f.text + (f.namespace ? ` · ${f.namespace}` : '') }), element('p', { textContent: f.cause }));
  for (const c of f.cure || []) box.append(...cure(c));
  if ((f.evidence || []).length) {
    box.append(element('details', {}, element('summary', { textContent: say('evidence') }),
      element('ul', {}, ...f.evidence.map((e) => element('li', { textContent: `${e.text} (${e.source})` })))));
  }
  return box;
}

function cure(c) {
  const out = [element('p', { textContent: c.text })];
  const plain = (c.sysctl || []).join('\n');
  if (c.command) out.push(copyable(c.command));
  if (plain && c.command) out.push(element('details', {}, element('summary', { textContent: say('without_ctkeeper') }), copyable(plain)));
  else if (plain) out.push(copyable(plain));
  return out;
}
