/** What is in the hand: which layer is painted on, with what. Kept by the browser. */
import { create } from "zustand";
import { persist } from "zustand/middleware";
import type { Mode } from "../api/types";
import type { DraftRequest } from "../state/draft";
import { partsOf } from "../state/parts";
import { clamp } from "./geometry";
import type { LayerName } from "./painting";
import type { Colour } from "./raster";

/** "picture" is only looked at. */
export const AREAS = ["picture", "mask", "extend", "sketch", "regions"] as const;
export type Area = (typeof AREAS)[number];

export const TOOLS = ["brush", "eraser", "rectangle", "lasso", "fill", "pick", "pan"] as const;
export type Tool = (typeof TOOLS)[number];

export const BRUSH_SIZES = { least: 1, most: 512 };

interface Tools {
  area: Area;
  tool: Tool;
  /** Shapes take away, as the eraser does. */
  subtract: boolean;
  /** The brush's diameter, in pixels of the picture. */
  size: number;
  /** The part of the brush that covers wholly, from 0 to 1. */
  hardness: number;
  /** Of the colour that is sketched, from 0 to 1. */
  opacity: number;
  /** "#rrggbb" */
  colour: string;
  /** How much a mask hides of the picture, from 0 to 1. */
  overlay: number;
  /** The part of the prompt whose region is painted, from 1. */
  part: number;
  set: (tools: Partial<Omit<Tools, "set">>) => void;
}

export const useTools = create<Tools>()(
  persist(
    (set) => ({
      area: "mask",
      tool: "brush",
      subtract: false,
      size: 40,
      hardness: 1,
      opacity: 1,
      colour: "#2f5d9e",
      overlay: 0.5,
      part: 1,
      set,
    }),
    { name: "inkbloom.tools" },
  ),
);

/** What can be painted in a mode; regions only where the prompt has parts, which AND joins. */
export function areasOf(mode: Mode, parts: number): Area[] {
  const areas: Record<Mode, Area[]> = {
    txt2img: [],
    img2img: ["picture", "sketch"],
    inpaint: ["mask", "extend", "sketch"],
  };
  return parts > 1 ? [...areas[mode], "regions"] : areas[mode];
}

export function layerOf(area: Area, part: number): LayerName | null {
  if (area === "extend" || area === "picture") return null;
  return area === "regions" ? `region${part}` : area;
}

export function toolsOf(area: Area): Tool[] {
  if (area === "extend" || area === "picture") return ["pan"];
  return TOOLS.filter((tool) => tool !== "pick" || area === "sketch");
}

/** The area or the tool that was chosen last, where a mode has it; else the first. */
export function chosen<T>(all: readonly T[], last: T): T | undefined {
  return all.includes(last) ? last : all[0];
}

/** The part that is painted: the one chosen last, or the last there is. */
export function partAt(request: DraftRequest, part: number): number {
  return Math.min(part, partsOf(request).length);
}

export function resized(size: number, factor: number): number {
  const next = Math.round(size * factor);
  return clamp(next === size ? size + Math.sign(factor - 1) : next, BRUSH_SIZES.least, BRUSH_SIZES.most);
}

export function rgbOf(colour: string): Colour {
  const number = Number.parseInt(colour.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

export function hexOf([red, green, blue]: Colour): string {
  return `#${((red << 16) | (green << 8) | blue).toString(16).padStart(6, "0")}`;
}
