/** The canvas's keys. They work while anything of the canvas has the focus, but not while text is typed. */
import type { KeyboardEvent } from "react";
import type { Painting } from "./painting";
import { clamp } from "./geometry";
import { resized, type Tool, TOOLS, useTools } from "./tools";
import { fitView, zoom } from "./view";

export const TOOL_KEYS: Record<Tool, string> = {
  brush: "B",
  eraser: "E",
  rectangle: "R",
  lasso: "L",
  fill: "G",
  pick: "I",
  pan: "H",
};

const SIZE_STEP = 1.15;
export const ZOOM_STEP = 1.25;

/** What a key does; null for keys that do nothing here. `tools` are those at hand. */
export function actionOf(event: KeyboardEvent, painting: Painting, tools: readonly Tool[]): (() => void) | null {
  const { size, hardness, subtract, set } = useTools.getState();
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") return () => (event.shiftKey ? painting.redo() : painting.undo());
    return key === "y" ? () => painting.redo() : null;
  }
  if (event.altKey) return null;
  const tool = TOOLS.find((name) => TOOL_KEYS[name].toLowerCase() === key);
  if (tool && tools.includes(tool)) return () => set({ tool });
  const actions: Record<string, () => void> = {
    "[": () => set({ size: resized(size, 1 / SIZE_STEP) }),
    "]": () => set({ size: resized(size, SIZE_STEP) }),
    "{": () => set({ hardness: clamp(hardness - 0.1, 0, 1) }),
    "}": () => set({ hardness: clamp(hardness + 0.1, 0, 1) }),
    x: () => set({ subtract: !subtract }),
    "+": () => zoom(ZOOM_STEP),
    "=": () => zoom(ZOOM_STEP),
    "-": () => zoom(1 / ZOOM_STEP),
    "0": fitView,
  };
  return actions[key] ?? null;
}

export function isTyping(target: EventTarget): boolean {
  const typed = "input, textarea, select, [contenteditable], [role=slider]";
  return target instanceof HTMLElement && target.closest(typed) !== null;
}
