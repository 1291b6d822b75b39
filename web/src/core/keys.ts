/** The keyboard: single keys, never while somebody types or a dialog without keys of its own is open. */
import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";

export interface Shortcut {
  readonly key: string;
  /** What it does, for the help dialog: "Next delivery". */
  readonly label: string;
  readonly run: () => void;
}

/** All that work now, the latest component's last; the help dialog lists them. */
export const shortcuts = signal<readonly Shortcut[]>([]);

/**
 * Makes keys work while the component is shown. Memoize the list. From the
 * commit on, not a frame later: the next key may come within it.
 */
export function useShortcuts(list: readonly Shortcut[]): void {
  useLayoutEffect(() => {
    shortcuts.value = [...shortcuts.peek(), ...list];
    return () => {
      shortcuts.value = shortcuts.peek().filter((s) => !list.includes(s));
    };
  }, [list]);
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/**
 * What has the keyboard may go away while it has it, or be switched off: a row
 * that is deleted, a step of a dialog. What is around it takes the keyboard then.
 */
function keepFocus(): void {
  let last: Element | null = null;
  document.addEventListener("focusin", (event) => {
    if (event.target instanceof Element) last = event.target;
  });
  const observer = new MutationObserver(() => {
    if (last === null || (last.isConnected && !last.matches(":disabled"))) return;
    const { activeElement: active } = document;
    if (active !== null && active !== document.body && active !== last) return;
    last = null;
    const dialogs = document.querySelectorAll<HTMLElement>("dialog:modal");
    (dialogs[dialogs.length - 1] ?? document.getElementById("content"))?.focus({ preventScroll: true });
  });
  observer.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"] });
}

export function startKeys(): void {
  keepFocus();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
    if (document.querySelector("dialog:modal:not([data-keys])") !== null) return;
    const found = shortcuts.peek().findLast((s) => s.key === event.key);
    if (found === undefined) return;
    event.preventDefault();
    found.run();
  });
}

/** Puts the cursor into the page's search field. */
export function focusSearch(): void {
  document.querySelector<HTMLInputElement>("input[type=search]")?.focus();
}
