import { expect, test } from "vitest";
import { specOf, type ExtrasForm } from "./form";

const form: ExtrasForm = {
  images: ["upload:a"], by: "scale", scale: 2, maxSide: null, width: 512, height: 256, crop: true,
  upscaler: "Lanczos", upscaler2: null, visibility2: 0.5, faces: null, faceVisibility: 1, format: null,
};

test("a job has a scale or a size, and of what is off nothing", () => {
  expect(specOf(form)).toEqual({
    kind: "upscale", images: ["upload:a"], scale: 2, max_side: 0, upscaler: "Lanczos", format: null,
  });
  expect(specOf({ ...form, by: "size", upscaler2: "Nearest" })).toEqual({
    kind: "upscale", images: ["upload:a"], width: 512, height: 256, crop: true, upscaler: "Lanczos",
    upscaler2: "Nearest", visibility2: 0.5, format: null,
  });
});
