import type { GenerationRequest, PlotSpec } from "../../api/types";
import { keptForm } from "../../state/kept";

export const AXES = ["x", "y", "z"] as const;
export type AxisKey = (typeof AXES)[number];

export interface AxisForm {
  name: string;
  values: string;
}

export interface PlotForm {
  axes: Record<AxisKey, AxisForm>;
  vary: AxisKey[];
  legend: boolean;
  margin: number;
}

export const NOTHING = "Nothing";

export const usePlot = keptForm<PlotForm>("plot", {
  axes: {
    x: { name: "Steps", values: "10-30 (+10)" },
    y: { name: NOTHING, values: "" },
    z: { name: NOTHING, values: "" },
  },
  vary: [],
  legend: true,
  margin: 0,
});

export function setAxis(key: AxisKey, axis: Partial<AxisForm>): void {
  const { form, set } = usePlot.getState();
  set({ axes: { ...form.axes, [key]: { ...form.axes[key], ...axis } } });
}

/** Two axes in each other's places. */
export function swapAxes(one: AxisKey, other: AxisKey): void {
  const { form, set } = usePlot.getState();
  set({ axes: { ...form.axes, [one]: form.axes[other], [other]: form.axes[one] } });
}

export const axisText = ({ name, values }: AxisForm): string => (name === NOTHING ? NOTHING : `${name}: ${values.trim()}`);

/** The job that the form asks for, or null where an axis has no values. */
export function specOf({ axes, vary, legend, margin }: PlotForm, request: Partial<GenerationRequest>): PlotSpec | null {
  const used = AXES.filter((key) => axes[key].name !== NOTHING);
  if (used.length === 0 || used.some((key) => !axes[key].values.trim())) return null;
  return {
    kind: "plot",
    request,
    ...(Object.fromEntries(AXES.map((key) => [key, axisText(axes[key])])) as Record<AxisKey, string>),
    vary_seeds: vary.filter((key) => used.includes(key)),
    legend,
    margin,
  };
}
