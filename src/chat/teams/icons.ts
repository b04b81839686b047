/** An open eye with a pulse in it: Vigil watches. Drawn in a square of 96. */
const eye = (line: string, pulse: string): string => `
  <path d="M10 48 C 26 22, 70 22, 86 48 C 70 74, 26 74, 10 48 Z" fill="none" stroke="${line}" stroke-width="5" stroke-linejoin="round"/>
  <circle cx="48" cy="48" r="15" fill="none" stroke="${line}" stroke-width="5"/>
  <path d="M21 48 H 38 L 44 38 L 52 58 L 58 48 H 75" fill="none" stroke="${pulse}" stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/>`;

const drawing = (size: number, inner: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 ${size} ${size}">${inner}</svg>`;

/** In colour on its ground; what matters is in the middle, since Teams rounds the corners. */
export const COLOR_ICON = drawing(
  192,
  `<rect width="192" height="192" fill="#1d3557"/><g transform="translate(36 36) scale(1.25)">${eye("#f1faee", "#f08c4b")}</g>`,
);

/** White on nothing, as Teams wants its outline. */
export const OUTLINE_ICON = drawing(32, `<g transform="scale(0.3333)">${eye("#ffffff", "#ffffff")}</g>`);

/** Renders a drawing of ours as PNG. */
export async function iconPng(svg: string): Promise<Buffer> {
  const { Resvg } = await import("@resvg/resvg-js");
  return new Resvg(svg).render().asPng();
}
