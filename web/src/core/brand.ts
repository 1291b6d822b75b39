import { asText, css, parseHex, textOn } from "./contrast.ts";

/** Shows the platform's colour, through the CSSOM: the policy allows no style attributes. */
export function showAccent(accent: string | null): void {
  const root = document.documentElement;
  const color = accent === null ? null : parseHex(accent);
  root.toggleAttribute("data-branded", color !== null);
  if (color === null) return;
  root.style.setProperty("--brand", css(color));
  root.style.setProperty("--brand-on", css(textOn(color)));
  root.style.setProperty("--brand-text-light", css(asText(color, "light")));
  root.style.setProperty("--brand-text-dark", css(asText(color, "dark")));
}
