import { Group, Text } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import { measured, type CurveRow, type Point, pointsOf, thinned, ticks } from "./curve";
import classes from "./Train.module.css";

const NARROW = 280; // pixels, below which the drawing is scaled down
const HEIGHT = 260;
const LEFT = 58;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 26;
const MOST = 300; // points of a line; more cannot be told apart

/** The loss over the steps, and the loss on what was held out. */
export function Chart({ rows }: { rows: CurveRow[] }) {
  const { t } = useTranslation("train");
  const { ref, width: place } = useElementSize<HTMLElement>();
  const width = Math.max(NARROW, place);
  const loss = thinned(pointsOf(rows, "loss"), MOST);
  const heldOut = measured(pointsOf(rows, "held_out_loss"));
  const all = [...loss, ...heldOut];
  if (all.length === 0)
    return (
      <Text size="sm" c="dimmed">
        {t("run.noCurve")}
      </Text>
    );
  const values = all.map(({ value }) => value);
  const across = ticks(0, Math.max(...all.map(({ step }) => step)), Math.min(8, Math.floor(width / 80)));
  const up = ticks(Math.min(...values), Math.max(...values), 4);
  const x = scale(across, LEFT, width - RIGHT);
  const y = scale(up, HEIGHT - BOTTOM, TOP);
  const path = (points: Point[]) => points.map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const last = (points: Point[]) => points.at(-1)?.value.toPrecision(4);
  return (
    <figure ref={ref} className={classes.figure}>
      <svg
        className={classes.chart}
        viewBox={`0 0 ${width} ${HEIGHT}`}
        role="img"
        aria-label={t("run.chart", { loss: last(loss) ?? "–" })}
      >
        {up.map((value) => (
          <g key={value}>
            <line className={classes.grid} x1={LEFT} x2={width - RIGHT} y1={y(value)} y2={y(value)} />
            <text className={classes.tick} x={LEFT - 8} y={y(value) + 4} textAnchor="end">
              {value}
            </text>
          </g>
        ))}
        {across.map((step) => (
          <text key={step} className={classes.tick} x={x(step)} y={HEIGHT - 6} textAnchor="middle">
            {step}
          </text>
        ))}
        <polyline className={classes.loss} points={path(loss)} />
        <polyline className={classes.heldOut} points={path(heldOut)} />
        {heldOut.map(({ step, value }) => (
          <circle key={step} className={classes.heldOutDot} cx={x(step)} cy={y(value)} r={3.5} />
        ))}
        {loss.length === 1 && <circle className={classes.lossDot} cx={x(loss[0]?.step ?? 0)} cy={y(loss[0]?.value ?? 0)} r={3.5} />}
      </svg>
      <Group component="figcaption" gap="lg" justify="center">
        <Legend line={classes.loss} text={t("run.loss", { value: last(loss) ?? "–" })} />
        {heldOut.length > 0 && <Legend line={classes.heldOut} text={t("run.heldOut", { value: last(heldOut) ?? "–" })} />}
      </Group>
    </figure>
  );
}

function Legend({ line, text }: { line?: string; text: string }) {
  return (
    <Group gap={6}>
      <svg className={classes.legend} viewBox="0 0 26 10" aria-hidden>
        <line className={line} x1={0} x2={26} y1={5} y2={5} />
      </svg>
      <Text size="xs">{text}</Text>
    </Group>
  );
}

function scale(marks: number[], from: number, to: number): (value: number) => number {
  const low = marks[0] ?? 0;
  const high = marks.at(-1) ?? 1;
  return (value) => from + ((to - from) * (value - low)) / (high - low || 1);
}
