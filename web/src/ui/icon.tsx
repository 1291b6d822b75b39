import { createElement } from "preact";
import { type IconName, icons } from "./icons.ts";

export interface IconProps {
  readonly name: IconName;
  readonly size?: "s" | "m" | "l";
  /** Said to those who do not see it; without one it is decoration beside a word. */
  readonly label?: string;
  readonly spin?: boolean;
}

export function Icon({ name, size = "m", label, spin = false }: IconProps) {
  const classes = ["icon", size === "m" ? "" : `icon-${size}`, spin ? "spin" : ""].filter((c) => c !== "").join(" ");
  const said = label === undefined ? { "aria-hidden": true as const } : { role: "img" as const, "aria-label": label };
  return (
    <svg class={classes} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round" {...said}>
      {icons[name].map(([tag, attributes]) => createElement(tag, { ...attributes, key: JSON.stringify(attributes) }))}
    </svg>
  );
}
