/** Makes a platform's colour readable (WCAG 2.2, 1.4.3 and its definitions). */

export type Rgb = readonly [red: number, green: number, blue: number];

const white: Rgb = [255, 255, 255];
const black: Rgb = [0, 0, 0];
/** The darkest light and the lightest dark background that accent text stands on. */
const lightSurface: Rgb = [240, 240, 243];
const darkSurface: Rgb = [43, 46, 49];

/** Reads "#rrggbb"; null for anything else. */
export function parseHex(text: string): Rgb | null {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  if (match === null) return null;
  return [hex(match[1]), hex(match[2]), hex(match[3])];
}

const hex = (digits: string | undefined): number => Number.parseInt(digits ?? "0", 16);

function luminance(color: Rgb): number {
  const [r, g, b] = color.map((channel) => {
    const c = channel / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}

/** The contrast ratio, 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

/** White or black, whichever reads better on the colour. */
export function textOn(color: Rgb): Rgb {
  return contrast(white, color) >= contrast(black, color) ? white : black;
}

/** The colour, moved towards black or white until it reads as text on a surface. */
export function asText(color: Rgb, theme: "light" | "dark"): Rgb {
  const [surface, goal] = theme === "light" ? [lightSurface, black] : [darkSurface, white];
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = mix(color, goal, share);
    if (contrast(mixed, surface) >= 4.5) return mixed;
  }
  return goal;
}

function mix(a: Rgb, b: Rgb, share: number): Rgb {
  return [blend(a[0], b[0], share), blend(a[1], b[1], share), blend(a[2], b[2], share)];
}

const blend = (a: number, b: number, share: number): number => Math.round(a + (b - a) * share);

export const css = (color: Rgb): string => `rgb(${color.join(" ")})`;
