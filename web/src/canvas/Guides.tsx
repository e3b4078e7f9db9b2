import { Circle, Line, Rect } from "react-konva";
import { extended, handlePlace, HANDLES, type Margins, type Point, type Size } from "./geometry";
import { type Area, type Tool, useTools } from "./tools";
import type { useGestures } from "./useGestures";
import { useView } from "./view";

interface Props {
  gestures: Pick<ReturnType<typeof useGestures>, "cursor" | "outline" | "panning">;
  size: Size;
  margins: Margins;
  area: Area;
  tool: Tool;
}

const INK = "#2f5d9e";

/** What helps to paint and is no part of the picture: the frame with its handles, outlines, the brush's edge. */
export function Guides({ gestures, size, margins, area, tool }: Props) {
  const scale = useView((state) => state.view.scale);
  const { size: brushSize, hardness, colour } = useTools();
  const { cursor, outline } = gestures;
  const pixel = 1 / scale;
  const painting = area !== "extend" && !gestures.panning;
  const isBrush = tool === "brush" || tool === "eraser";
  return (
    <>
      {area === "extend" && (
        <>
          <Rect x={-margins.left} y={-margins.top} {...extended(size, margins)} stroke={INK} strokeWidth={2 * pixel} />
          {HANDLES.map((handle) => {
            const place = handlePlace(handle, margins, size);
            return <Knob key={handle.join()} at={place} pixel={pixel} radius={7} />;
          })}
        </>
      )}
      {outline?.kind === "rectangle" && <Dashed points={corners(outline.points)} closed pixel={pixel} />}
      {outline?.kind === "lasso" && (
        <Dashed points={cursor ? [...outline.points, cursor] : outline.points} pixel={pixel} />
      )}
      {outline?.kind === "lasso" && outline.points[0] && <Knob at={outline.points[0]} pixel={pixel} radius={5} />}
      {painting && cursor && isBrush && <Ring at={cursor} radius={brushSize / 2} pixel={pixel} />}
      {painting && cursor && isBrush && hardness < 1 && (
        <Circle {...cursor} radius={(brushSize / 2) * hardness} stroke="white" strokeWidth={pixel} opacity={0.5} />
      )}
      {painting && cursor && !isBrush && <Cross at={cursor} pixel={pixel} colour={tool === "pick" ? colour : INK} />}
    </>
  );
}

interface Drawn {
  at: Point;
  /** The length of a CSS pixel. */
  pixel: number;
}

/** Something to take hold of; its radius is in CSS pixels. */
function Knob({ at, radius, pixel }: Drawn & { radius: number }) {
  return <Circle {...at} radius={radius * pixel} fill="white" stroke={INK} strokeWidth={2 * pixel} />;
}

/** Light and dark, so that it is seen on any picture. */
function Ring({ at, radius, pixel }: Drawn & { radius: number }) {
  return (
    <>
      <Circle {...at} radius={radius} stroke="black" strokeWidth={3 * pixel} opacity={0.5} />
      <Circle {...at} radius={radius} stroke="white" strokeWidth={pixel} />
    </>
  );
}

function Cross({ at, pixel, colour }: Drawn & { colour: string }) {
  const arm = 9 * pixel;
  const lines = [[at.x - arm, at.y, at.x + arm, at.y], [at.x, at.y - arm, at.x, at.y + arm]];
  return lines.flatMap((points, i) => [
    <Line key={`${i}w`} points={points} stroke="white" strokeWidth={3 * pixel} />,
    <Line key={`${i}c`} points={points} stroke={colour} strokeWidth={1.5 * pixel} />,
  ]);
}

function Dashed({ points, pixel, closed = false }: { points: readonly Point[]; pixel: number; closed?: boolean }) {
  const flat = points.flatMap(({ x, y }) => [x, y]);
  return (
    <>
      <Line points={flat} closed={closed} stroke="white" strokeWidth={3 * pixel} />
      <Line points={flat} closed={closed} stroke={INK} strokeWidth={1.5 * pixel} dash={[6 * pixel, 4 * pixel]} />
    </>
  );
}

function corners([a, b]: readonly Point[]): Point[] {
  return a && b ? [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }] : [];
}
