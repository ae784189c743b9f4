/** Finds the elements of a page and the files that it links to, and makes buttons. */

/** @throws Error where the page has no such element */
export function element<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) {
    throw new Error(`the page has no ${type.name} with the id ${id}`);
  }
  return found;
}

/** Returns the address of a file that the build has put beside the page: `<link rel="…" href="…">`. */
export function linked(rel: string): string {
  const link = document.querySelector(`link[rel="${rel}"]`);
  if (!(link instanceof HTMLLinkElement)) {
    throw new Error(`the page has no link with the rel ${rel}`);
  }
  return link.href;
}

/** Returns a button that calls `press`, and that sends no form. */
export function button(label: string, press: () => void): HTMLButtonElement {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = label;
  made.addEventListener('click', press);
  return made;
}
