// The API, beside this file: nobody else is asked for anything.
const base = new URL('api/v1/', import.meta.url);

// get asks for a document; a parameter that is a list is repeated, an empty one left out.
export async function get(path, params = {}, signal) {
  const url = new URL(path, base);
  for (const [k, v] of Object.entries(params)) {
    for (const one of Array.isArray(v) ? v : [v]) if (one !== '') url.searchParams.append(k, one);
  }
  const answer = await fetch(url, { signal });
  if (answer.ok) return answer.json();
  const doc = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(doc.error || `${answer.status} ${answer.statusText}`), { status: answer.status, after: Number(answer.headers.get('Retry-After')) });
}

export const events = () => new EventSource(new URL('events', base));
