import { create } from "zustand";
import type { Picture } from "../api/types";

interface ViewerState {
  pictures: Picture[];
  /** The place of the picture that is shown; null while the viewer is closed. */
  index: number | null;
  pair: [Picture, Picture] | null;
  showDetails: boolean;
  /** The jobs that check pictures, by the pictures' numbers; they go on while others are looked at. */
  verifications: Record<number, string>;
  show: (index: number) => void;
  /** Put the new state of a picture in the place of the old one, such as after it became a favourite. */
  update: (picture: Picture) => void;
  remove: (id: number) => void;
  toggleDetails: () => void;
  verify: (id: number, job: string) => void;
  close: () => void;
}

export const useViewer = create<ViewerState>((set) => ({
  pictures: [],
  index: null,
  pair: null,
  showDetails: window.innerWidth >= 1000,
  verifications: {},
  show: (index) => set({ index }),
  update: (picture) =>
    set(({ pictures, pair }) => ({
      pictures: pictures.map((one) => (one.id === picture.id ? picture : one)),
      pair: pair && [pair[0].id === picture.id ? picture : pair[0], pair[1].id === picture.id ? picture : pair[1]],
    })),
  remove: (id) => set(({ pictures, index }) => without(pictures, index, id)),
  toggleDetails: () => set(({ showDetails }) => ({ showDetails: !showDetails })),
  verify: (id, job) => set(({ verifications }) => ({ verifications: { ...verifications, [id]: job } })),
  close: () => set({ index: null, pair: null }),
}));

/** Show the pictures on the whole screen, beginning with one of them. */
export function openViewer(pictures: Picture[], index: number): void {
  const last = pictures.length - 1;
  if (last >= 0) useViewer.setState({ pictures, index: Math.min(Math.max(index, 0), last), pair: null });
}

/** Show two pictures over each other, and what is different in how they were made. */
export function openCompare(left: Picture, right: Picture): void {
  useViewer.setState({ pair: [left, right], index: null });
}

/** The list without a picture; what is shown then is the next one, or the last, or nothing. */
export function without(
  pictures: Picture[],
  index: number | null,
  id: number,
): { pictures: Picture[]; index: number | null } {
  const place = pictures.findIndex((one) => one.id === id);
  if (place < 0) return { pictures, index };
  const left = pictures.filter((one) => one.id !== id);
  if (index === null || left.length === 0) return { pictures: left, index: null };
  const shown = place < index ? index - 1 : index;
  return { pictures: left, index: Math.min(shown, left.length - 1) };
}
