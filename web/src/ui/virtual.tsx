import type { ComponentChildren, CSSProperties } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface VirtualListProps<T> {
  readonly label: string;
  readonly rows: readonly T[];
  readonly id: (row: T) => string;
  /** Pixels; every row is as high. */
  readonly rowHeight: number;
  /** The height of the list in pixels; it is never higher than its rows. */
  readonly height: number;
  readonly children: (row: T, index: number) => ComponentChildren;
  readonly current?: number;
  /** Rows that are selected. */
  readonly chosen?: (row: T) => boolean;
  /** Called near the end, to load more. */
  readonly onEnd?: () => void;
  /** The box that scrolls. */
  readonly boxRef?: { current: HTMLDivElement | null };
  /** Called when the reader leaves the top, and when they come back to it. */
  readonly onAway?: (away: boolean) => void;
}

const beyond = 8;

/**
 * Renders only the rows in sight, so that 10,000 of them scroll as well as ten.
 * New rows at the top do not move what is being read, unless it is the top.
 */
export function VirtualList<T>({ label, rows, id, rowHeight, height, children, current, chosen, onEnd, boxRef, onAway }: VirtualListProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const first = useRef<string | undefined>(undefined);
  const [top, setTop] = useState(0);
  const shown = Math.min(height, rows.length * rowHeight + 2);
  const from = Math.max(0, Math.floor(top / rowHeight) - beyond);
  const to = Math.min(rows.length, Math.ceil((top + shown) / rowHeight) + 1 + beyond);

  const away = useRef(false);
  // Only a whole row more or less changes what is rendered.
  const scrolled = useCallback(() => {
    const y = box.current?.scrollTop ?? 0;
    setTop(Math.floor(y / rowHeight) * rowHeight);
    if (y >= rowHeight !== away.current) {
      away.current = y >= rowHeight;
      onAway?.(away.current);
    }
  }, [rowHeight, onAway]);

  useLayoutEffect(() => {
    const list = box.current;
    const before = first.current;
    const now = rows[0] === undefined ? undefined : id(rows[0]);
    first.current = now;
    if (list === null || before === undefined || now === before || list.scrollTop < rowHeight) return;
    const added = rows.findIndex((row) => id(row) === before);
    if (added > 0) list.scrollTop += added * rowHeight;
  }, [rows]);

  useEffect(() => {
    if (onEnd !== undefined && to === rows.length && rows.length > 0) onEnd();
  }, [to, rows.length, onEnd]);

  useEffect(() => {
    const list = box.current;
    if (current === undefined || current < 0 || list === null) return;
    const y = current * rowHeight;
    if (y < list.scrollTop) list.scrollTop = y;
    else if (y + rowHeight > list.scrollTop + list.clientHeight) list.scrollTop = y + rowHeight - list.clientHeight;
  }, [current, rowHeight]);

  const rowStyle = (index: number): CSSProperties => ({ height: `${rowHeight}px`, transform: `translateY(${index * rowHeight}px)` });
  return (
    <div class="virtual" ref={(el) => { box.current = el; if (boxRef !== undefined) boxRef.current = el; }} style={{ height: `${shown}px` }} onScroll={scrolled} tabIndex={0} role="group" aria-label={label}>
      <div class="virtual-space" role="list" style={{ height: `${rows.length * rowHeight}px` }}>
        {rows.slice(from, to).map((row, i) => (
          <div
            class="virtual-row" role="listitem" key={id(row)} style={rowStyle(from + i)} data-current={current === from + i || undefined} data-chosen={chosen?.(row) || undefined}
            aria-setsize={rows.length} aria-posinset={from + i + 1}
          >
            {children(row, from + i)}
          </div>
        ))}
      </div>
    </div>
  );
}
