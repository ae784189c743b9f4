/** Makes the parts of a drawing. */

const SVG = 'http://www.w3.org/2000/svg';

/** Returns a shape such as a `line`, with its attributes. */
export function svgShape(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, String(value));
  }
  return made;
}

export function svgLabel(text: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = svgShape('text', attributes);
  made.textContent = text;
  return made;
}
