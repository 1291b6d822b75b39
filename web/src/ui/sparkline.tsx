import { count } from "../core/format.ts";

export interface SparklineProps {
  readonly points: readonly { readonly delivered: number; readonly failed: number }[];
  /** The span, for those who do not see it: "Last 24 hours". */
  readonly label: string;
}

const width = 120;
const height = 24;

/** Small bars: failed at the base, delivered on top, a dot of a line where nothing was sent. */
export function Sparkline({ points, label }: SparklineProps) {
  const most = Math.max(1, ...points.map((p) => p.delivered + p.failed));
  const step = width / Math.max(1, points.length);
  const bar = Math.max(1, step - 1);
  const delivered = points.reduce((sum, p) => sum + p.delivered, 0);
  const failed = points.reduce((sum, p) => sum + p.failed, 0);
  const tall = (n: number): number => (n === 0 ? 0 : Math.max(2, (n / most) * (height - 1)));
  const text = `${label}: ${count(delivered, "attempt")} delivered, ${failed === 0 ? "none" : count(failed, "attempt")} failed`;
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={text}>
      <title>{text}</title>
      {points.map((p, i) => {
        const good = tall(p.delivered);
        const bad = tall(p.failed);
        const x = i * step;
        if (good === 0 && bad === 0) return <rect key={i} class="spark-base" x={x} y={height - 1} width={bar} height={1} />;
        return (
          <g key={i}>
            {good > 0 && <rect class="spark-good" x={x} y={Math.max(0, height - bad - good)} width={bar} height={good} />}
            {bad > 0 && <rect class="spark-bad" x={x} y={height - bad} width={bar} height={bad} />}
          </g>
        );
      })}
    </svg>
  );
}
