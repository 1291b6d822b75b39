import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { classes } from "./classes.ts";
import { Icon } from "./icon.tsx";
import type { IconName } from "./icons.ts";

export interface MenuItem {
  readonly label: string;
  readonly icon?: IconName;
  readonly onSelect?: () => void;
  readonly href?: string;
  readonly danger?: boolean;
  readonly disabled?: boolean;
  /** Of one choice among several. */
  readonly checked?: boolean;
}

export interface MenuProps {
  /** What the button is, for those who do not see it. */
  readonly label: string;
  readonly items: readonly (MenuItem | "rule")[];
  /** The button's inside; without, three dots. */
  readonly children?: ComponentChildren;
  readonly buttonClass?: string;
  readonly align?: "start" | "end";
}

/** A menu button (ARIA Authoring Practices): arrows move, Escape closes, letters find. */
export function Menu({ label, items, children, buttonClass, align = "end" }: MenuProps) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const id = useId();

  // Before the next key: letters are the menu's as soon as it is open.
  useLayoutEffect(() => {
    const list = menu.current;
    if (!open || list === null || button.current === null) return;
    list.showPopover();
    place(button.current, list, align);
    options(list)[0]?.focus();
  }, [open, align]);

  // A frame later: the end of a scroll before it was opened is told within it.
  useEffect(() => {
    const list = menu.current;
    if (!open || list === null) return;
    const close = (event: Event): void => {
      if (event.type !== "scroll" || (event.target instanceof Node && !list.contains(event.target))) setOpen(false);
    };
    const outside = (event: PointerEvent): void => {
      const target = event.target as Node;
      if (!list.contains(target) && button.current?.contains(target) !== true) setOpen(false);
    };
    window.addEventListener("resize", close);
    document.addEventListener("scroll", close, true);
    document.addEventListener("pointerdown", outside);
    return () => {
      window.removeEventListener("resize", close);
      document.removeEventListener("scroll", close, true);
      document.removeEventListener("pointerdown", outside);
    };
  }, [open]);

  const shut = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  const keys = (event: KeyboardEvent): void => {
    if (menu.current === null) return;
    const all = options(menu.current);
    const at = all.indexOf(document.activeElement as HTMLElement);
    const moves: Record<string, number> = { ArrowDown: (at + 1) % all.length, ArrowUp: (at + all.length - 1) % all.length, Home: 0, End: all.length - 1 };
    const to = moves[event.key];
    if (to !== undefined) all[to]?.focus();
    else if (event.key === "Escape") shut();
    else if (event.key === "Tab") return setOpen(false);
    else if (event.key.length === 1 && event.key !== " ") {
      [...all.slice(at + 1), ...all.slice(0, at + 1)].find((o) => o.textContent?.trim().toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <span class="menu-anchor" onClick={(event) => event.stopPropagation()}>
      <button
        ref={button} type="button" class={buttonClass ?? "btn btn-quiet btn-icon btn-small"}
        aria-haspopup="menu" aria-expanded={open} aria-controls={open ? id : undefined} aria-label={label} title={children === undefined ? label : undefined}
        onClick={() => setOpen(!open)}
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
          event.preventDefault();
          setOpen(true);
        }}
      >
        {children ?? <Icon name="more" />}
      </button>
      {open && (
        <div class="menu" id={id} ref={menu} role="menu" aria-label={label} popover="manual" onKeyDown={keys}>
          {items.map((item, i) => (item === "rule" ? <hr class="menu-rule" key={i} /> : <Item item={item} key={item.label} close={shut} />))}
        </div>
      )}
    </span>
  );
}

function Item({ item, close }: { readonly item: MenuItem; readonly close: () => void }) {
  const common = {
    class: classes("menu-item", item.danger && "menu-item-danger"),
    tabIndex: -1,
    "aria-disabled": item.disabled || undefined,
    ...(item.checked === undefined ? { role: "menuitem" as const } : { role: "menuitemradio" as const, "aria-checked": item.checked }),
  };
  const inside = (
    <>
      {item.icon !== undefined && <Icon name={item.icon} />}
      <span class="truncate grow">{item.label}</span>
      {item.checked === true && <Icon name="check" />}
    </>
  );
  if (item.href !== undefined) return <a {...common} href={item.href} onClick={close}>{inside}</a>;
  const select = (): void => {
    if (item.disabled) return;
    close();
    item.onSelect?.();
  };
  return <button {...common} type="button" onClick={select}>{inside}</button>;
}

const options = (menu: HTMLElement): HTMLElement[] => [...menu.querySelectorAll<HTMLElement>('[role^="menuitem"]')];

/** Below the button, or above it where there is no room; by the CSSOM. */
function place(button: HTMLElement, menu: HTMLElement, align: "start" | "end"): void {
  const box = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const left = align === "end" ? box.right - width : box.left;
  const below = box.bottom + 4;
  const top = below + height > window.innerHeight - 8 && box.top - height - 4 > 8 ? box.top - height - 4 : below;
  menu.style.left = `${Math.max(8, Math.min(left, window.innerWidth - width - 8))}px`;
  menu.style.top = `${top}px`;
}
