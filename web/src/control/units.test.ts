import { expect, it } from "vitest";
import { newUnit, REFERENCE, suggested, withModel } from "./units";

const PREPROCESSORS = ["none", "canny", "tile", "inpaint"];

it("finds the preprocessor that a model's name speaks of", () => {
  expect(suggested("control_v11p_sd15_canny.safetensors", PREPROCESSORS)).toBe("canny");
  expect(suggested("control_v11f1e_sd15_tile", PREPROCESSORS)).toBe("tile");
  expect(suggested("reptiles", PREPROCESSORS)).toBeNull();
});

it("another model brings its preprocessor, whose settings begin anew", () => {
  const unit = { ...newUnit(["canny"], PREPROCESSORS), threshold_a: 50 };
  expect(unit.preprocessor).toBe("canny");
  expect(withModel(unit, "sd15_canny_v2", PREPROCESSORS).threshold_a).toBe(50);
  expect(withModel(unit, "depth", PREPROCESSORS).preprocessor).toBe("canny");
  expect(withModel(unit, REFERENCE, PREPROCESSORS)).toMatchObject({ preprocessor: "none", threshold_a: null });
});
