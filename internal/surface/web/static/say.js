// Sentences and figures in the reader's language.
import { get } from './api.js';

const query = new URLSearchParams(location.search);
export let lang = query.get('lang') || (navigator.language.startsWith('fr') ? 'fr' : 'en');
if (lang !== 'fr') lang = 'en';
let words = {};
let ahead = 0; // of the host's clock before ours, in milliseconds

// learn fetches the sentences of a language and puts them into the page.
export async function learn(to = lang) {
  lang = to;
  words = await get('words', { lang });
  document.documentElement.lang = lang;
  for (const e of document.querySelectorAll('[data-say]')) e.textContent = say(e.dataset.say);
}

export const say = (code, gaps = {}) => (words[code] || code).replace(/\{(\w+)\}/g, (_, g) => gaps[g] ?? '');
export const count = (n) => Math.round(n).toLocaleString(lang);
export const share = (x) => x.toLocaleString(lang, { style: 'percent', maximumFractionDigits: x < 0.1 ? 1 : 0 });
export const rate = (x) => x.toLocaleString(lang, { maximumFractionDigits: x < 10 ? 1 : 0 });
export const clock = (t) => new Date(t).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'medium' });
export const bytes = (n) => {
  const big = n >= 1 << 30;
  const unit = (big ? 'G' : 'M') + (lang === 'fr' ? 'io' : 'iB');
  return `${(n / (big ? 1 << 30 : 1 << 20)).toLocaleString(lang, { maximumFractionDigits: big ? 1 : 0 })} ${unit}`;
};

export function duration(s) {
  const units = [[86400, lang === 'fr' ? 'j' : 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const i = units.findIndex(([n]) => s >= n);
  if (i < 0) return `${Math.max(0, Math.round(s * 10) / 10).toLocaleString(lang)} s`;
  const whole = Math.floor(s / units[i][0]);
  const rest = i < 3 ? Math.floor((s % units[i][0]) / units[i + 1][0]) : 0;
  return `${whole} ${units[i][1]}` + (rest ? ` ${rest} ${units[i + 1][1]}` : '');
}

// now is the host's clock, which ages are told by.
export const now = () => Date.now() + ahead;
export const setClock = (t) => { ahead = Date.parse(t) - Date.now(); };
export const ago = (t) => duration(Math.max(0, Math.round((now() - Date.parse(t)) / 1000)));
