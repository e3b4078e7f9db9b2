// A training's curve as points of a drawing.

export interface CurveRow {
  step: number;
  metrics: Record<string, number | null>;
}

export interface Point {
  step: number;
  value: number;
}

/** The course that counts: a run that was killed goes on from its last saved state, and takes some steps again. */
export function course(rows: readonly CurveRow[]): CurveRow[] {
  const kept: CurveRow[] = [];
  for (const row of rows) {
    while ((kept.at(-1)?.step ?? -1) >= row.step) kept.pop();
    kept.push(row);
  }
  return kept;
}

/** The points of one measurement; rows that lack it, or where it is no number, are left out. */
export function pointsOf(rows: readonly CurveRow[], name: string): Point[] {
  return rows.flatMap(({ step, metrics: { [name]: value } }) =>
    typeof value === "number" && Number.isFinite(value) ? [{ step, value }] : [],
  );
}

/** Without what was only repeated: rows carry the last measurement on until there is another. */
export function measured(points: readonly Point[]): Point[] {
  return points.filter(({ value }, i) => value !== points[i - 1]?.value);
}

/** At most `most` points, each the mean of its neighbours: noise of single steps goes, the course stays. */
export function thinned(points: readonly Point[], most: number): Point[] {
  const size = Math.ceil(points.length / most);
  if (size <= 1) return [...points];
  const found: Point[] = [];
  for (let i = 0; i < points.length; i += size) {
    const group = points.slice(i, i + size);
    const mean = (of: (point: Point) => number) => group.reduce((sum, point) => sum + of(point), 0) / group.length;
    found.push({ step: Math.round(mean(({ step }) => step)), value: mean(({ value }) => value) });
  }
  return found;
}

/** Round numbers from below `low` to above `high`, about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  const span = high > low ? high - low : Math.abs(high) || 1;
  const rough = span / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 2.5, 5].find((factor) => factor * unit >= rough * 0.999) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
