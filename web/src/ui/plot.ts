/** uPlot behind a small door. This module is a chunk of its own: import it lazily. */
import uPlot from "uplot";
import { axisTime, compact } from "../core/format.ts";
import type { Series } from "./chart.tsx";

export interface Plot {
  readonly update: (times: readonly string[], series: readonly Series[]) => void;
  readonly destroy: () => void;
}

export interface PlotOptions {
  readonly times: readonly string[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  readonly height: number;
  /** The point under the pointer, or null. */
  readonly onCursor: (index: number | null) => void;
}

export function createPlot(box: HTMLElement, options: PlotOptions): Plot {
  const color = colors(box);
  const axis: uPlot.Axis = { stroke: color("--text-muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px Inter, sans-serif" };
  const plot = new uPlot(
    {
      width: Math.max(1, box.clientWidth),
      height: options.height,
      cursor: { y: false, points: { size: 6 } },
      scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
      axes: [{ ...axis, grid: { show: false }, size: 30, values: (_, ticks, __, ___, step) => ticks.map((t) => axisTime(t * 1_000, step)) }, { ...axis, ...steps(options.series), size: 52, values: (_, ticks) => ticks.map((t) => (t >= 10_000 ? compact(t) : options.format(t))) }],
      series: [{}, ...options.series.map((s) => line(s, color))],
      hooks: { setCursor: [(u) => options.onCursor(u.cursor.idx ?? null)] },
    },
    data(options.times, options.series),
    box,
  );
  const observer = new ResizeObserver(() => {
    if (box.clientWidth > 0 && box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height: options.height });
  });
  observer.observe(box);
  return {
    update: (times, series) => plot.setData(data(times, series)),
    destroy: () => {
      observer.disconnect();
      plot.destroy();
    },
  };
}

/** Bars count things: no axis of theirs has halves. */
function steps(series: readonly Series[]): Pick<uPlot.Axis, "incrs"> {
  if (series.some((s) => s.kind !== "bars")) return {};
  return { incrs: Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat() };
}

/** A value between two gaps has no line: it is shown as a point. */
function alone(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  return [...values.keys()].filter((i) => typeof values[i] === "number" && typeof values[i - 1] !== "number" && typeof values[i + 1] !== "number");
}

function line(s: Series, color: (name: string) => string): uPlot.Series {
  const stroke = color(`--${s.tone}`);
  if (s.kind === "line") return { label: s.name, stroke, width: 2, points: { show: true, size: 6, fill: stroke, filter: alone } };
  const bars = uPlot.paths.bars;
  return { label: s.name, stroke, fill: stroke, width: 0, points: { show: false }, ...(bars === undefined ? {} : { paths: bars({ size: [0.7, 24], radius: 0.1 }) }) };
}

/** Bars stand on each other: each has the sum of its own and all before, the highest drawn first. */
function data(times: readonly string[], series: readonly Series[]): uPlot.AlignedData {
  const seconds = times.map((t) => Date.parse(t) / 1_000);
  const bars = series.filter((s) => s.kind === "bars");
  const columns = series.map((s) => {
    if (s.kind === "line") return [...s.values];
    const below = bars.slice(bars.indexOf(s));
    return s.values.map((_, i) => {
      const own = s.values[i];
      return own === null || own === undefined || own === 0 ? null : below.reduce((sum, b) => sum + (b.values[i] ?? 0), 0);
    });
  });
  return [seconds, ...columns];
}

/** Tokens as colours for the canvas, which knows no light-dark(). */
function colors(box: HTMLElement): (name: string) => string {
  const probe = document.createElement("span");
  // A transition would give the colour before the change: the last one asked for.
  probe.style.transitionProperty = "none";
  box.append(probe);
  const resolved = new Map<string, string>();
  return (name) => {
    const known = resolved.get(name);
    if (known !== undefined) return known;
    probe.style.color = `var(${name})`;
    const value = getComputedStyle(probe).color;
    resolved.set(name, value);
    return value;
  };
}
