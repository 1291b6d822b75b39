import type { PartialAnchorHTMLAttributes, ButtonHTMLAttributes, ComponentChildren } from "preact";
import { classes } from "./classes.ts";
import { Icon } from "./icon.tsx";
import type { IconName } from "./icons.ts";

type Native = Omit<ButtonHTMLAttributes<HTMLButtonElement>, "size" | "icon" | "label" | "class">;

export interface ButtonProps extends Native {
  /** One primary action a page at most. */
  readonly kind?: "normal" | "primary" | "danger" | "quiet";
  readonly size?: "normal" | "small";
  readonly icon?: IconName;
  /** At work: it shows a wheel and takes no click. */
  readonly busy?: boolean;
  readonly children?: ComponentChildren;
}

export function Button({ kind = "normal", size = "normal", icon, busy = false, children, onClick, type = "button", ...rest }: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      class={classes("btn", kind !== "normal" && `btn-${kind}`, size === "small" && "btn-small")}
      aria-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
    >
      {busy ? <Icon name="busy" spin /> : icon !== undefined && <Icon name={icon} />}
      {children}
    </button>
  );
}

export interface IconButtonProps extends Native {
  readonly icon: IconName;
  /** What it does; said and shown on hover. */
  readonly label: string;
  readonly kind?: "normal" | "quiet";
  readonly size?: "normal" | "small";
}

export function IconButton({ icon, label, kind = "quiet", size = "normal", type = "button", ...rest }: IconButtonProps) {
  return (
    <button {...rest} type={type} class={classes("btn btn-icon", kind === "quiet" && "btn-quiet", size === "small" && "btn-small")} aria-label={label} title={label}>
      <Icon name={icon} />
    </button>
  );
}

export interface ButtonLinkProps extends Omit<PartialAnchorHTMLAttributes<HTMLAnchorElement>, "role" | "icon" | "size" | "class"> {
  readonly href: string;
  readonly kind?: "normal" | "primary" | "quiet";
  readonly size?: "normal" | "small";
  readonly icon?: IconName;
}

/** A link that looks like a button: it goes somewhere and does nothing else. */
export function ButtonLink({ kind = "normal", size = "normal", icon, children, ...rest }: ButtonLinkProps) {
  return (
    <a {...rest} class={classes("btn", kind !== "normal" && `btn-${kind}`, size === "small" && "btn-small")}>
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </a>
  );
}
