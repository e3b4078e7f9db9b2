import type { Picture } from "../../api/types";

/** The chosen pictures, by their numbers, in the order in which they were chosen. */
export type Selection = ReadonlyMap<number, Picture>;

export function toggled(selection: Selection, picture: Picture): Selection {
  const next = new Map(selection);
  if (!next.delete(picture.id)) next.set(picture.id, picture);
  return next;
}

/** With all from one picture to another, as a click with Shift adds them; alone the second where the first is gone. */
export function extended(selection: Selection, pictures: Picture[], from: number | null, to: Picture): Selection {
  const places = [pictures.findIndex(({ id }) => id === from), pictures.findIndex(({ id }) => id === to.id)];
  const between = places.includes(-1) ? [to] : pictures.slice(Math.min(...places), Math.max(...places) + 1);
  return new Map([...selection, ...between.map((picture) => [picture.id, picture] as const)]);
}

/** Where a key leads in a grid of so many pictures and columns; null where it is not one of moving. */
export function moved(key: string, from: number, count: number, columns: number): number | null {
  const steps: Record<string, number> = {
    ArrowLeft: from - 1,
    ArrowRight: from + 1,
    ArrowUp: from - columns,
    ArrowDown: from + columns,
    PageUp: from - 3 * columns,
    PageDown: from + 3 * columns,
    Home: 0,
    End: count - 1,
  };
  const to = steps[key];
  if (to === undefined || count === 0) return null;
  if (key.startsWith("Arrow") && (to < 0 || to >= count)) return from;
  return Math.min(Math.max(to, 0), count - 1);
}
