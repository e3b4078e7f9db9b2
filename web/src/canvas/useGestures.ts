/** What fingers, pen and mouse do on the board: paint, draw outlines, drag the frame, move and zoom. */
import { type PointerEvent, useRef, useState } from "react";
import { useDraft } from "../state/draft";
import { coverFlood, coverPolygon, coverRectangle, coverSegment } from "./coverage";
import {
  distance,
  dragFrame,
  type Handle,
  handlePlace,
  HANDLES,
  type Margins,
  pinch,
  type Point,
  toPicture,
} from "./geometry";
import type { LayerName, Painting } from "./painting";
import type { Paint } from "./raster";
import { alikeAt, colourAt } from "./sampling";
import { type Area, rgbOf, type Tool, useTools } from "./tools";
import { marginsOf, pan, setMargins, setView, useView } from "./view";

type Action =
  | { kind: "pan"; last: Point }
  | { kind: "pinch"; last: [Point, Point] }
  | { kind: "stroke"; last: Point }
  | { kind: "rectangle"; from: Point }
  | { kind: "lasso"; dragged: boolean }
  | { kind: "frame"; handle: Handle; start: Margins; from: Point };

/** What is being drawn, in pixels of the picture. */
export interface Outline {
  kind: "rectangle" | "lasso";
  points: Point[];
}

/** CSS pixels within which a handle, or the first point of an outline, is meant. */
const NEAR = 16;
/** CSS pixels between the points of an outline that is drawn by hand. */
const POINT_EVERY = 3;

export function useGestures(painting: Painting, area: Area, tool: Tool, layer: LayerName | null) {
  const pointers = useRef(new Map<number, Point>());
  const action = useRef<Action | null>(null);
  const [cursor, setCursor] = useState<Point | null>(null);
  const [outline, outlineNow, setOutline] = useLive<Outline | null>(null);
  const [dragged, draggedNow, setDragged] = useLive<Margins | null>(null);
  const [spaceHeld, setSpaceHeld] = useState(false);
  const panning = spaceHeld || tool === "pan";

  const onScreen = (event: PointerEvent): Point => {
    const place = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - place.left, y: event.clientY - place.top };
  };
  const inPicture = (screen: Point) => toPicture(useView.getState().view, screen);

  function closeOutline(subtract: boolean): void {
    const points = outlineNow.current?.points ?? [];
    setOutline(null);
    action.current = null;
    if (layer === null || points.length < 3) return;
    painting.paint(layer, paintOf(layer, subtract), (coverage) => coverPolygon(coverage, points));
  }

  function abandon(): void {
    painting.cancel();
    action.current = null;
    setOutline(null);
    setDragged(null);
  }

  function onPointerDown(event: PointerEvent<HTMLDivElement>): void {
    const screen = onScreen(event);
    event.currentTarget.setPointerCapture(event.pointerId);
    event.currentTarget.focus({ preventScroll: true });
    pointers.current.set(event.pointerId, screen);
    const [first, second, third] = [...pointers.current.values()];
    if (first && second) {
      // Two fingers move and zoom; what the first had begun was not meant
      abandon();
      action.current = third ? null : { kind: "pinch", last: [first, second] };
      return;
    }
    if (event.button === 1 || (event.button === 0 && panning && area !== "extend")) {
      event.preventDefault();
      action.current = { kind: "pan", last: screen };
    } else if (event.button === 0) {
      action.current = area === "extend" ? takeFrame(screen) : takeTool(screen, event);
    }
  }

  function takeFrame(screen: Point): Action {
    const start = marginsOf(useDraft.getState());
    const { view } = useView.getState();
    const places = HANDLES.map((handle) => {
      const place = handlePlace(handle, start, painting.size);
      return { handle, away: distance(screen, { x: view.x + place.x * view.scale, y: view.y + place.y * view.scale }) };
    });
    const nearest = places.reduce((best, next) => (next.away < best.away ? next : best));
    if (nearest.away > NEAR || spaceHeld) return { kind: "pan", last: screen };
    return { kind: "frame", handle: nearest.handle, start, from: inPicture(screen) };
  }

  function takeTool(screen: Point, event: PointerEvent): Action | null {
    const point = inPicture(screen);
    if (layer === null) return null;
    const subtract = isSubtracting(event.altKey);
    if (tool === "brush" || tool === "eraser") {
      painting.begin(layer, paintOf(layer, tool === "eraser" || event.altKey));
      painting.cover((coverage) => coverSegment(coverage, point, point, brushOf(event)));
      return { kind: "stroke", last: point };
    }
    if (tool === "rectangle") {
      setOutline({ kind: "rectangle", points: [point, point] });
      return { kind: "rectangle", from: point };
    }
    if (tool === "lasso") {
      const points = outlineNow.current?.points ?? [];
      const first = points[0];
      if (first && points.length > 2 && distance(first, point) * useView.getState().view.scale < NEAR) {
        closeOutline(subtract);
        return null;
      }
      setOutline({ kind: "lasso", points: [...points, point] });
      return { kind: "lasso", dragged: false };
    }
    if (tool === "fill") {
      painting.paint(layer, paintOf(layer, subtract), (all) => coverFlood(all, point, alikeAt(painting, layer, point)));
    }
    const colour = tool === "pick" ? colourAt(painting, point) : null;
    if (colour !== null) useTools.getState().set({ colour, tool: "brush" });
    return null;
  }

  function onPointerMove(event: PointerEvent<HTMLDivElement>): void {
    const screen = onScreen(event);
    setCursor(inPicture(screen));
    if (!pointers.current.has(event.pointerId)) return;
    pointers.current.set(event.pointerId, screen);
    const now = action.current;
    if (now === null) return;
    if (now.kind === "pan") {
      pan(screen.x - now.last.x, screen.y - now.last.y);
      now.last = screen;
    } else if (now.kind === "pinch") {
      const [a, b] = [...pointers.current.values()];
      if (!a || !b) return;
      setView(pinch(useView.getState().view, now.last, [a, b]));
      now.last = [a, b];
    } else if (now.kind === "stroke") {
      const point = inPicture(screen);
      const from = now.last;
      painting.cover((coverage) => coverSegment(coverage, from, point, brushOf(event)));
      now.last = point;
    } else if (now.kind === "rectangle") {
      setOutline({ kind: "rectangle", points: [now.from, inPicture(screen)] });
    } else if (now.kind === "lasso") {
      const points = outlineNow.current?.points ?? [];
      const last = points.at(-1);
      const { scale } = useView.getState().view;
      // A hand is never quite still: a click is not yet a line
      if (last && distance(last, inPicture(screen)) * scale < (now.dragged ? POINT_EVERY : 2 * POINT_EVERY)) return;
      now.dragged = true;
      setOutline({ kind: "lasso", points: [...points, inPicture(screen)] });
    } else {
      const { x, y } = inPicture(screen);
      setDragged(dragFrame(now.start, now.handle, { x: x - now.from.x, y: y - now.from.y }, painting.size));
    }
  }

  function onPointerUp(event: PointerEvent<HTMLDivElement>): void {
    const screen = onScreen(event);
    pointers.current.delete(event.pointerId);
    const now = action.current;
    action.current = null;
    if (now === null || layer === null) return finishFrame(now);
    if (now.kind === "stroke") painting.end();
    if (now.kind === "rectangle") {
      setOutline(null);
      const paint = paintOf(layer, isSubtracting(event.altKey));
      painting.paint(layer, paint, (all) => coverRectangle(all, now.from, inPicture(screen)));
    }
    // Drawn by hand it closes at once; set point by point it waits for the last one
    if (now.kind === "lasso" && now.dragged) closeOutline(isSubtracting(event.altKey));
  }

  function finishFrame(now: Action | null): void {
    if (now?.kind === "frame" && draggedNow.current) setMargins(draggedNow.current);
    setDragged(null);
  }

  const onPointerCancel = (event: PointerEvent<HTMLDivElement>) => {
    pointers.current.delete(event.pointerId);
    abandon();
  };

  return {
    cursor,
    outline,
    /** The frame while it is dragged. */
    dragged,
    panning,
    setSpaceHeld,
    closeOutline,
    abandon,
    handlers: { onPointerDown, onPointerMove, onPointerUp, onPointerCancel, onPointerLeave: () => setCursor(null) },
  };
}

/** State that handlers read as it is now: several moves of a pointer may come between two renderings. */
function useLive<T>(first: T) {
  const [value, setValue] = useState(first);
  const now = useRef(first);
  const set = (next: T) => {
    now.current = next;
    setValue(next);
  };
  return [value, now, set] as const;
}

function isSubtracting(altKey: boolean): boolean {
  return useTools.getState().subtract !== altKey;
}

function paintOf(layer: LayerName, erase: boolean): Paint {
  const { colour, opacity } = useTools.getState();
  return { erase, colour: rgbOf(colour), opacity: layer === "sketch" && !erase ? opacity : 1 };
}

/** A pen's pressure makes the brush smaller; a mouse has none. */
function brushOf(event: PointerEvent) {
  const { size, hardness } = useTools.getState();
  const pressure = event.pointerType === "pen" && event.pressure > 0 ? event.pressure : 1;
  return { radius: Math.max(0.5, (size / 2) * pressure), hardness };
}
