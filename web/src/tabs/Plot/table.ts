import type { GenerationRequest, Job, Picture, PlotSpec } from "../../api/types";
import { loadable } from "../../viewer/loadable";
import { NOTHING } from "./form";

export interface Cell {
  place: [number, number, number];
  picture: Picture | undefined;
}

export interface PlotTable {
  axes: { name: string; values: string[] }[];
  at: (x: number, y: number, z: number) => Cell;
}

interface Told {
  axes: { name: string; values: string[] }[];
  cells: { place: [number, number, number]; index: number }[];
}

/** A plot as a table of what is there of it by now; null before the server has read its axes. */
export function tableOf(job: Job): PlotTable | null {
  const told = job.result as unknown as Partial<Told> | null;
  if (!told?.axes || !told.cells) return null;
  const pictures = new Map(job.pictures.filter(({ role }) => role === "picture").map((one) => [one.index, one]));
  const index = new Map(told.cells.map((cell) => [cell.place.join(), cell.index]));
  return {
    axes: told.axes,
    at: (x, y, z) => ({ place: [x, y, z], picture: pictures.get(index.get([x, y, z].join()) ?? -1) }),
  };
}

export const gridOf = (job: Job): Picture | undefined => job.pictures.find(({ role }) => role === "grid");

/** The same request with another seed. */
export const anotherSeed = (request: Partial<GenerationRequest>): Partial<GenerationRequest> => ({
  ...loadable(request).request,
  seed: null,
});

/** A row with another seed: x is laid on its first picture's request, in which y and z have done what they do. Null
 * before there is one, and for styles, which are in its prompt already and would come twice. */
export function rowAgain(spec: PlotSpec, first: Picture | undefined): PlotSpec | null {
  if (!first?.request || spec.x?.startsWith("Styles")) return null;
  return { ...spec, request: anotherSeed(first.request), y: NOTHING, z: NOTHING };
}
