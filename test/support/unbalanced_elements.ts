/** Checks the elements of an HTML file. */

/** Elements that are closed out of order or not at all; script and style bodies are skipped. */
export function unbalanced(html: string): string[] {
  const empty = new Set(['meta', 'br', 'img', 'input', 'line', 'circle', 'polyline', 'path', 'doctype']);
  const body = html.replace(/<(script|style)\b[^>]*>[\s\S]*?<\/\1>/g, '');
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, close, name, rest] of body.matchAll(/<(\/?)!?([a-z0-9]+)((?:"[^"]*"|'[^']*'|[^>"'])*)>/g)) {
    if (!name || empty.has(name) || rest?.endsWith('/')) {
      continue;
    }
    if (close === '') {
      open.push(name);
    } else if (open.pop() !== name) {
      wrong.push(name);
    }
  }
  return [...wrong, ...open];
}
