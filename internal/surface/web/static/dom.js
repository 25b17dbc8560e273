// Nodes and tables. Text is always text, never markup.
import { say, ago } from './say.js';

export const $ = (id) => document.getElementById(id);

export function element(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k === 'class') e.className = v;
    else if (k in e) e[k] = v;
    else e.setAttribute(k, v);
  }
  e.append(...children);
  return e;
}

// fillTable writes a table; the first cell of a row is its head. A cell is a text, a node, or several in a list.
export function fillTable(table, heads, rows) {
  const cell = (c, i) => element(i ? 'td' : 'th', i ? {} : { scope: 'row' }, ...(Array.isArray(c) ? c : [c]));
  table.replaceChildren(
    element('thead', {}, element('tr', {}, ...heads.map((h) => element('th', { scope: 'col', textContent: h })))),
    element('tbody', {}, ...rows.map((cells) => element('tr', {}, ...cells.map(cell)))),
  );
}

export const note = (text) => element('p', { class: 'note', textContent: text });

// failed says why something is not there, in its place.
export function failed(into, error) {
  const text = say('error', { error: error.message });
  into.replaceChildren(into.tagName === 'TABLE' ? element('caption', { class: 'note', textContent: text }) : note(text));
}

// copyable is a command beside the button that copies it.
export function copyable(text) {
  const b = element('button', { type: 'button', textContent: say('copy') });
  b.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      b.textContent = say('copied');
    } catch {
      getSelection().selectAllChildren(pre); // no clipboard without TLS: the text is ready to be taken
      b.textContent = say('selected');
    }
    setTimeout(() => { b.textContent = say('copy'); }, 2000);
  });
  const pre = element('pre', { textContent: text });
  return element('div', { class: 'command' }, pre, b);
}

// quote is a word of a shell command.
export const quote = (s) => (/^[\w.:@/-]+$/.test(s) ? s : `'${s.replaceAll("'", "'\\''")}'`);

// bar is a share as a length, for the eye alone.
export function bar(share) {
  const b = element('span', { class: 'sharebar', 'aria-hidden': 'true' }, element('span'));
  b.firstChild.style.width = `${Math.min(100, 100 * share)}%`;
  return b;
}

// aged shows how old a figure is, and goes on doing so.
export function aged(id, at) {
  const e = $(id);
  if (at) e.dataset.at = at; else delete e.dataset.at;
  age(e);
}

function age(e) {
  e.textContent = e.dataset.at ? say('age', { age: ago(e.dataset.at) }) : '';
}

setInterval(() => document.querySelectorAll('[data-at]').forEach(age), 1000);
