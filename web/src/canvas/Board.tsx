import { useMergedRef, useElementSize } from "@mantine/hooks";
import type Konva from "konva";
import { type KeyboardEvent, type RefObject, useEffect, useRef, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Group, Image, Layer, Rect, Stage } from "react-konva";
import { useDraft } from "../state/draft";
import classes from "./Board.module.css";
import { extended } from "./geometry";
import { Guides } from "./Guides";
import { type LayerName, type Painting, tintOf } from "./painting";
import { useCanvas } from "./state";
import { type Area, type Tool, useTools } from "./tools";
import { useGestures } from "./useGestures";
import { fitView, marginsOf, pan, setScreen, useView, zoom } from "./view";

interface Props {
  painting: Painting;
  area: Area;
  tool: Tool;
  /** Null where the area has none to paint on. */
  layer: LayerName | null;
}

const PAN_STEP = 40; // CSS pixels for an arrow key
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [PAN_STEP, 0],
  ArrowRight: [-PAN_STEP, 0],
  ArrowUp: [0, PAN_STEP],
  ArrowDown: [0, -PAN_STEP],
};

/** The picture with its layers, to paint on. It takes the keys that concern what lies under the pointer. */
export function Board({ painting, area, tool, layer }: Props) {
  const { t } = useTranslation("canvas");
  const base = useCanvas((state) => state.base);
  const { view, screen } = useView();
  const overlay = useTools((state) => state.overlay);
  const gestures = useGestures(painting, area, tool, layer);
  const margins = marginsOf(useDraft());
  const shown = gestures.dragged ?? margins;
  const content = useRef<Konva.Layer>(null);
  const element = useRef<HTMLDivElement>(null);
  const { ref: measured, width, height } = useElementSize<HTMLDivElement>();

  useEffect(() => setScreen({ width, height }), [width, height]);
  useEffect(() => {
    useView.setState({ fitted: true });
    fitView();
  }, [painting]);
  useSyncExternalStore(painting.subscribe, () => painting.names.join()); // a layer that was loaded is to be seen
  // Strokes change the canvases in place, which React does not see
  useEffect(() => painting.subscribe(() => content.current?.batchDraw()), [painting]);
  useWheel(element);

  function onKeyDown(event: KeyboardEvent): void {
    const arrow = ARROWS[event.key];
    if (event.key === " ") gestures.setSpaceHeld(true);
    else if (event.key === "Enter" && gestures.outline) gestures.closeOutline(useTools.getState().subtract);
    else if (event.key === "Escape" && gestures.outline) gestures.abandon();
    else if (arrow) pan(...arrow);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  const { width: across, height: down } = painting.size;
  const whole = { x: -shown.left, y: -shown.top, ...extended(painting.size, shown) };
  const names = painting.names.filter((name) => isSeen(name, area));
  return (
    <div
      ref={useMergedRef(element, measured)}
      className={classes.board}
      data-panning={gestures.panning || undefined}
      data-area={area}
      tabIndex={0}
      role="application"
      aria-label={t("board.label")}
      aria-description={t("board.description")}
      onKeyDown={onKeyDown}
      onKeyUp={(event) => event.key === " " && gestures.setSpaceHeld(false)}
      onBlur={() => gestures.setSpaceHeld(false)}
      onContextMenu={(event) => event.preventDefault()}
      {...gestures.handlers}
    >
      <Stage width={screen.width} height={screen.height} listening={false}>
        <Layer ref={content} imageSmoothingEnabled={view.scale < 3}>
          <Group x={view.x} y={view.y} scaleX={view.scale} scaleY={view.scale}>
            <Rect {...whole} fill={`rgb(${tintOf("mask").join(" ")})`} opacity={overlay} />
            <Rect width={across} height={down} fill="white" />
            {base && <Image image={base} width={across} height={down} />}
            {names.map((name) => (
              <Image
                key={name}
                image={painting.seen(name)}
                opacity={name === "sketch" ? 1 : name === layer ? overlay : overlay / 2}
              />
            ))}
          </Group>
        </Layer>
        <Layer>
          <Group x={view.x} y={view.y} scaleX={view.scale} scaleY={view.scale}>
            <Guides gestures={gestures} size={painting.size} margins={shown} area={area} tool={tool} />
          </Group>
        </Layer>
      </Stage>
    </div>
  );
}

/** Colours always, a mask where it is painted or the frame is, regions among themselves. */
function isSeen(name: LayerName, area: Area): boolean {
  if (name === "sketch") return true;
  return name === "mask" ? area === "mask" || area === "extend" : area === "regions";
}

/** The wheel zooms; React's own listeners cannot keep the page from scrolling. */
function useWheel(element: RefObject<HTMLDivElement | null>): void {
  useEffect(() => {
    const board = element.current;
    if (board === null) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const place = board.getBoundingClientRect();
      // A pinch on a trackpad arrives as a wheel with Ctrl, in small steps
      const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015) * (event.deltaMode === 1 ? 20 : 1));
      zoom(factor, { x: event.clientX - place.left, y: event.clientY - place.top });
    };
    board.addEventListener("wheel", onWheel, { passive: false });
    return () => board.removeEventListener("wheel", onWheel);
  }, [element]);
}
