import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { useShortcuts } from "../core/keys.ts";
import { count } from "../core/format.ts";
import { go } from "../core/router.ts";
import { Button } from "./button.tsx";
import { classes } from "./classes.ts";
import { Checkbox } from "./field.tsx";

export interface Column<T> {
  /** The head, and on a card the name of the value. */
  readonly name: string;
  readonly cell: (row: T) => ComponentChildren;
  readonly align?: "end";
  /** The one that names the row: first and without its name on a card. */
  readonly main?: boolean;
  /** Holds the row's menu: no name, and in the corner of a card. */
  readonly actions?: boolean;
}

export interface Selection {
  readonly ids: ReadonlySet<string>;
  readonly onChange: (ids: ReadonlySet<string>) => void;
}

export interface TableProps<T> {
  /** Says what is listed, for those who do not see it. */
  readonly label: string;
  readonly rows: readonly T[];
  readonly id: (row: T) => string;
  readonly columns: readonly Column<T>[];
  /** Where a click on a row leads; give the main cell a link to the same. */
  readonly href?: (row: T) => string;
  readonly selection?: Selection;
  readonly nameOf?: (row: T) => string;
  /** `j`, `k` and Enter move through the rows. One table of a page. */
  readonly keyboard?: boolean;
  readonly foot?: ComponentChildren;
}

/** A table that becomes cards below 640 px. */
export function Table<T>({ label, rows, id, columns, href, selection, nameOf, keyboard = false, foot }: TableProps<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const current = useRowKeys(rows.map(id), keyboard, body);
  const chosen = selection === undefined ? 0 : rows.filter((row) => selection.ids.has(id(row))).length;
  const choose = (row: T, on: boolean): void => {
    if (selection === undefined) return;
    const ids = new Set(selection.ids);
    if (on) ids.add(id(row));
    else ids.delete(id(row));
    selection.onChange(ids);
  };
  return (
    <div class="table-wrap">
      <table class="table table-cards" aria-label={label}>
        <thead>
          <tr>
            {selection !== undefined && (
              <th scope="col">
                <Checkbox
                  label="Select all that are shown" hideLabel checked={rows.length > 0 && chosen === rows.length} mixed={chosen > 0 && chosen < rows.length}
                  onChecked={(on) => selection.onChange(on ? new Set(rows.map(id)) : new Set())}
                />
              </th>
            )}
            {columns.map((c) => (
              <th key={c.name} scope="col" class={classes(c.align)}>{c.actions ? <span class="visually-hidden">{c.name}</span> : c.name}</th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row) => (
            <tr
              key={id(row)} tabIndex={-1} data-link={href !== undefined || undefined} data-current={current === id(row) || undefined}
              aria-selected={selection?.ids.has(id(row)) || undefined}
              onClick={(event) => {
                if (href !== undefined && followable(event)) go(href(row));
              }}
            >
              {selection !== undefined && (
                <td data-name="Select"><Checkbox label={`Select ${nameOf?.(row) ?? id(row)}`} hideLabel checked={selection.ids.has(id(row))} onChecked={(on) => choose(row, on)} /></td>
              )}
              {columns.map((c) => (
                <td key={c.name} class={classes(c.align, c.main && "cell-main", c.actions && "cell-actions")} data-name={c.main || c.actions ? undefined : c.name}>{c.cell(row)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {foot}
    </div>
  );
}

/** A plain click on a row, not on something in it, and not the end of a selection of text. */
function followable(event: MouseEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return false;
  if ((event.target as Element).closest("a, button, input, label, select, [role=menu]") !== null) return false;
  return window.getSelection()?.isCollapsed ?? true;
}

/**
 * The row that `j` and `k` move from, by its id: it stays marked where others
 * come and go. From one that is gone they lead to what stands in its place.
 * Enter follows the row's first link.
 */
function useRowKeys(ids: readonly string[], on: boolean, body: { readonly current: HTMLElement | null }): string | undefined {
  const [current, setCurrent] = useState<{ readonly id: string; readonly at: number } | null>(null);
  const latest = useRef({ ids, current });
  latest.current = { ids, current };
  const list = useMemo(() => {
    if (!on) return [];
    const move = (step: number): void => {
      const now = latest.current;
      const at = now.current === null ? -1 : now.ids.indexOf(now.current.id);
      const to = now.current !== null && at < 0 ? now.current.at : at + step;
      const next = Math.min(now.ids.length - 1, Math.max(0, to));
      const id = now.ids[next];
      if (id === undefined) return;
      setCurrent({ id, at: next });
      const row = body.current?.children[next];
      if (row instanceof HTMLElement) row.focus({ preventScroll: false });
    };
    return [
      { key: "j", label: "Next row", run: () => move(1) },
      { key: "k", label: "Previous row", run: () => move(-1) },
      {
        key: "Enter",
        label: "Open the row",
        run: () => {
          const active = document.activeElement;
          if (active instanceof HTMLAnchorElement || active instanceof HTMLButtonElement) active.click();
          else if (active !== null && body.current?.contains(active)) active.querySelector<HTMLAnchorElement>("a[href]")?.click();
        },
      },
    ];
  }, [on, body]);
  useShortcuts(list);
  return current?.id;
}

/** Below a list: how many are shown, and a button for the next page. */
export function More({ shown, noun, hasMore, loading, onMore }: { readonly shown: number; readonly noun: string; readonly hasMore: boolean; readonly loading: boolean; readonly onMore: () => void }) {
  if (!hasMore && shown === 0) return null;
  return (
    <div class="table-foot">
      <span>{count(shown, noun)} shown{hasMore ? "; there are more" : ""}</span>
      {hasMore && <span class="push"><Button size="small" busy={loading} onClick={onMore}>Show more</Button></span>}
    </div>
  );
}
