import { describe, expect, it } from "vitest";
import type { GenerationRequest } from "../api/types";
import { loadable } from "./loadable";

/** As a picture tells it, which is not always what the page would send. */
const told = (fields: object) => loadable(fields as Partial<GenerationRequest>);

describe("loadable", () => {
  it("takes the settings, not how many there were", () => {
    const found = told({ prompt: "a cat", seed: 7, vae: null, model: "starter", num_images: 1, dtype: "float32" });
    expect(found).toEqual({ request: { prompt: "a cat", seed: 7, model: "starter" }, left: [] });
  });

  it("takes pictures that are here", () => {
    const request = { init_image: "upload:ab", mask_image: "upload:cd", controls: [{ image: "picture:3" }] };
    expect(told(request)).toEqual({ request, left: [] });
  });

  it("says which pictures are not, and leaves out what cannot be without them", () => {
    const found = told({
      init_image: { path: null, sha256: "ab" },
      mask_image: "upload:cd",
      outpaint_left: 8,
      controls: [{ image: "upload:1" }, { image: { sha256: "x" } }],
    });
    expect(found).toEqual({ request: { controls: [{ image: "upload:1" }] }, left: ["init_image", "controls"] });
  });
});
