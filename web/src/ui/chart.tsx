import { useEffect, useRef, useState } from "preact/hooks";
import { localTime } from "../core/format.ts";
import { usePart } from "../core/part.ts";
import type { Tone } from "../core/state.ts";
import { look as shownLook } from "../core/preference.ts";
import { Button } from "./button.tsx";
import { Loading } from "./feedback.tsx";
import type { Plot } from "./plot.ts";

export interface Series {
  readonly name: string;
  readonly tone: Tone;
  /** One for each time; null: nothing was measured. */
  readonly values: readonly (number | null)[];
  readonly kind: "bars" | "line";
}

export interface ChartProps {
  /** What it shows: "Attempts in the last 24 hours". */
  readonly label: string;
  readonly times: readonly string[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  readonly height?: number;
}

const plotting = () => import("./plot.ts");

/** A chart over time. uPlot is loaded when the first one is shown; the same numbers are there as a table. */
export function Chart({ label, times, series, format, height = 200 }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const { part, missing } = usePart(plotting);
  const [asTable, setAsTable] = useState(false);
  const table = asTable || missing;
  const look = shownLook.value;

  useEffect(() => {
    if (part === undefined || box.current === null) return;
    plot.current = part.createPlot(box.current, { times, series, format, height, onCursor: setAt });
    return () => {
      plot.current?.destroy();
      plot.current = null;
    };
  }, [part, look, table, height, series.map((s) => s.name + s.kind).join()]);

  useEffect(() => plot.current?.update(times, series), [times, series]);

  const shown = at ?? null;
  return (
    <figure class="chart" aria-label={label}>
      <div class="row">
        <div class="legend">
          <span class="legend-item">{shown === null || times[shown] === undefined ? label : localTime(times[shown])}</span>
          {series.map((s) => (
            <span class={`legend-item tone-${s.tone}`} key={s.name}>
              <span class="swatch" aria-hidden /> {s.name} {shown !== null && <b>{show(s.values[shown], format)}</b>}
            </span>
          ))}
        </div>
        <span class="push"><Button size="small" kind="quiet" aria-pressed={table} disabled={missing} onClick={() => setAsTable(!asTable)}>Table</Button></span>
      </div>
      {table ? <Numbers label={label} times={times} series={series} format={format} /> : (
        <div class="chart-canvas" ref={box} role="img" aria-label={`${label}. The button Table shows the numbers.`} style={{ minHeight: `${height}px` }}>
          {part === undefined && <Loading lines={3} label="Loading the chart" />}
        </div>
      )}
    </figure>
  );
}

function Numbers({ label, times, series, format }: Omit<ChartProps, "height">) {
  return (
    <div class="table-wrap chart-table" tabIndex={0} role="group" aria-label={label}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map((s) => <th scope="col" class="end" key={s.name}>{s.name}</th>)}
          </tr>
        </thead>
        <tbody>
          {times.map((time, i) => (
            <tr key={time}>
              <td><time dateTime={time}>{localTime(time)}</time></td>
              {series.map((s) => <td class="end number" key={s.name}>{show(s.values[i], format)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const show = (value: number | null | undefined, format: (value: number) => string): string =>
  value === null || value === undefined ? "–" : format(value);
