// What is looked at, kept in the address so that it can be shared and gone back in.
const fields = { namespace: '', last: 3600, by: 'src' };
export const state = { ...fields, where: [], set: {}, initial: false, open: new Set() };
let whenChanged = () => {};

export function read() {
  const q = new URLSearchParams(location.search);
  state.namespace = q.get('namespace') || '';
  state.last = Number(q.get('last')) || fields.last;
  state.by = q.get('by') || fields.by;
  state.where = q.getAll('where');
  state.set = Object.fromEntries(q.getAll('set').map((s) => s.split('=')).filter((p) => p.length === 2));
}

// address is where a change would lead.
export function address(change = {}) {
  const s = { ...state, ...change };
  const q = new URLSearchParams();
  const lang = new URLSearchParams(location.search).get('lang');
  if (lang) q.set('lang', lang);
  for (const [k, usual] of Object.entries(fields)) if (s[k] !== usual) q.set(k, s[k]);
  for (const w of s.where) q.append('where', w);
  for (const [k, v] of Object.entries(s.set)) q.append('set', `${k}=${v}`);
  return `${location.pathname}${q.size ? `?${q}` : ''}${change.where ? '#table' : ''}`;
}

// go changes what is looked at; quietly leaves no step to go back to.
export function go(change, quietly = false) {
  const to = address(change);
  Object.assign(state, change);
  history[quietly ? 'replaceState' : 'pushState'](null, '', to);
  whenChanged(Object.keys(change));
}

export function onChange(fn) {
  whenChanged = fn;
  addEventListener('popstate', () => { read(); fn(['namespace', 'last', 'by', 'where', 'set']); });
}

// link is a link to a change that needs no loading of the page.
export function link(a, change) {
  a.href = address(change);
  a.addEventListener('click', (e) => {
    if (e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    e.preventDefault();
    go(change);
  });
  return a;
}

export const filter = () => state.where.map((w) => (state.where.length > 1 ? `(${w})` : w)).join(' and ');
