/** Which part of the picture is seen, how large. */
import { create } from "zustand";
import { useDraft } from "../state/draft";
import { fit, keepInSight, type Margins, NO_MARGINS, type Point, type Size, type View, zoomAt } from "./geometry";
import { useCanvas } from "./state";

interface Seen {
  view: View;
  /** Of the board, in CSS pixels. */
  screen: Size;
  /** Whether all is seen and nobody has zoomed since: then it stays so when the board's size changes. */
  fitted: boolean;
}

export const useView = create<Seen>(() => ({
  view: { x: 0, y: 0, scale: 1 },
  screen: { width: 0, height: 0 },
  fitted: true,
}));

/** The margins of the draft; none in modes that do not extend. */
export function marginsOf({ request, mode }: ReturnType<typeof useDraft.getState>): Margins {
  if (mode !== "inpaint") return NO_MARGINS;
  return {
    left: request.outpaint_left ?? 0,
    top: request.outpaint_top ?? 0,
    right: request.outpaint_right ?? 0,
    bottom: request.outpaint_bottom ?? 0,
  };
}

export function setMargins(margins: Margins): void {
  useDraft.getState().set({
    outpaint_left: margins.left || undefined,
    outpaint_top: margins.top || undefined,
    outpaint_right: margins.right || undefined,
    outpaint_bottom: margins.bottom || undefined,
  });
}

export function setScreen(screen: Size): void {
  useView.setState({ screen });
  if (useView.getState().fitted) fitView();
}

export function setView(view: View): void {
  const { painting } = useCanvas.getState();
  if (painting === null) return;
  useView.setState({ view: keepInSight(view, painting.size, useView.getState().screen), fitted: false });
}

export function fitView(): void {
  const { painting } = useCanvas.getState();
  const { screen } = useView.getState();
  if (painting === null || screen.width === 0) return;
  useView.setState({ view: fit(painting.size, marginsOf(useDraft.getState()), screen), fitted: true });
}

/** Zoom around a point of the board, or around its middle. */
export function zoom(factor: number, at?: Point): void {
  const { view, screen } = useView.getState();
  setView(zoomAt(view, at ?? { x: screen.width / 2, y: screen.height / 2 }, factor));
}

export function pan(x: number, y: number): void {
  const { view } = useView.getState();
  setView({ ...view, x: view.x + x, y: view.y + y });
}
