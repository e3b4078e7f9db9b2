import { type CSSProperties, type PointerEvent, useCallback, useEffect, useRef, useState } from "react";
import { clamped, fitScale, type Size, type View, WHOLE, zoomedAt } from "./zoom";

const STEP = 1.4;
const SWIPE = 60; // CSS pixels that a finger moves before it turns the page
const PIXELATED_FROM = 4; // CSS pixels per pixel, from where on single pixels are what one wants to see

interface Options {
  picture: Size;
  /** Another value shows the picture whole again. */
  reset: unknown;
  /** A finger went sideways over a picture that is shown whole: 1 to the next, -1 to the one before. */
  onSwipe?: (direction: 1 | -1) => void;
}

/** Zoom by wheel, pinch and double click, pan by dragging; for a stage and the picture in its middle. */
export function useZoomPan({ picture, reset, onSwipe }: Options) {
  const [stage, setStage] = useState<HTMLElement | null>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const [view, setView] = useState<View>(WHOLE);
  const pointers = useRef(new Map<number, { x: number; y: number }>());
  const swipeFrom = useRef<number | null>(null);

  useEffect(() => setView(WHOLE), [reset]);

  useEffect(() => {
    if (!stage) return;
    const observer = new ResizeObserver(() => setSize({ width: stage.clientWidth, height: stage.clientHeight }));
    observer.observe(stage);
    return () => observer.disconnect();
  }, [stage]);

  const change = useCallback(
    (next: (view: View) => View) => setView((now) => clamped(next(now), picture, size)),
    [picture.width, picture.height, size],
  );

  // React listens to the wheel passively, where the page could not be kept from scrolling.
  useEffect(() => {
    if (!stage) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const factor = Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.002));
      change((now) => zoomedAt(now, factor, fromMiddle(stage, event.clientX, event.clientY)));
    };
    stage.addEventListener("wheel", onWheel, { passive: false });
    return () => stage.removeEventListener("wheel", onWheel);
  }, [stage, change]);

  const zoomBy = (factor: number) => change((now) => zoomedAt(now, factor, { x: 0, y: 0 }));

  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    if (event.button !== 0 && event.button !== 1) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const alone = pointers.current.size === 1;
    swipeFrom.current = alone && event.pointerType === "touch" && view.zoom === 1 ? event.clientX : null;
  };

  const onPointerMove = (event: PointerEvent<HTMLElement>) => {
    const before = pointers.current.get(event.pointerId);
    if (!before || !stage) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
    pointers.current.set(event.pointerId, now);
    if (other) {
      const factor = distance(now, other) / Math.max(1, distance(before, other));
      const middle = fromMiddle(stage, (now.x + other.x) / 2, (now.y + other.y) / 2);
      change((old) => zoomedAt(old, factor, middle));
    } else {
      change((old) => ({ ...old, x: old.x + now.x - before.x, y: old.y + now.y - before.y }));
    }
  };

  const onPointerUp = (event: PointerEvent<HTMLElement>) => {
    const moved = swipeFrom.current === null ? 0 : event.clientX - swipeFrom.current;
    if (event.type === "pointerup" && Math.abs(moved) > SWIPE) onSwipe?.(moved < 0 ? 1 : -1);
    swipeFrom.current = null;
    pointers.current.delete(event.pointerId);
  };

  const fit = fitScale(picture, size);
  const scale = fit * view.zoom;
  const style: CSSProperties = {
    position: "absolute",
    left: "50%",
    top: "50%",
    width: picture.width * fit,
    height: picture.height * fit,
    maxWidth: "none",
    transform: `translate(-50%, -50%) translate(${view.x}px, ${view.y}px) scale(${view.zoom})`,
    imageRendering: view.zoom > 1 && scale >= PIXELATED_FROM ? "pixelated" : "auto",
  };

  return {
    stageProps: {
      ref: setStage,
      onPointerDown,
      onPointerMove,
      onPointerUp,
      onPointerCancel: onPointerUp,
      onDoubleClick: () => (view.zoom > 1 ? setView(WHOLE) : zoomBy(Math.max(2, 1 / fit))),
      style: { cursor: view.zoom > 1 ? "grab" : "default", touchAction: "none" } satisfies CSSProperties,
    },
    style,
    percent: Math.round(scale * 100),
    zoomIn: () => zoomBy(STEP),
    zoomOut: () => zoomBy(1 / STEP),
    fit: () => setView(WHOLE),
  };
}

function fromMiddle(stage: HTMLElement, clientX: number, clientY: number): { x: number; y: number } {
  const box = stage.getBoundingClientRect();
  return { x: clientX - box.left - box.width / 2, y: clientY - box.top - box.height / 2 };
}

function distance(a: { x: number; y: number }, b: { x: number; y: number }): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
