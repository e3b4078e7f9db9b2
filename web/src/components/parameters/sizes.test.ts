import { expect, test } from "vitest";
import { presets } from "./sizes";

test("presets keep the area and come in steps", () => {
  const sizes = presets({ width: 512, height: 512 });
  expect(sizes.map(({ name, width, height }) => `${name} ${width}x${height}`)).toEqual([
    "1:1 512x512", "4:3 576x448", "3:2 640x448", "16:9 704x384", "3:4 448x576", "2:3 448x640", "9:16 384x704",
  ]);
  expect(presets({ width: 128, height: 128 })[1]).toEqual({ name: "4:3", width: 144, height: 112 });
});
