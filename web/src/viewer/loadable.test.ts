import { describe, expect, it } from "vitest";
import { loadable, modeOf } from "./loadable";

describe("loadable", () => {
  it("takes the settings, not the provenance", () => {
    const found = loadable({ prompt: "a cat", seed: 7, vae: null, model: "starter", model_hash: "00", dtype: "float32" });
    expect(found).toEqual({ request: { prompt: "a cat", seed: 7, model: "starter" }, left: [] });
    expect(modeOf(found.request)).toBe("txt2img");
  });

  it("takes pictures that are here", () => {
    const request = { init_image: "upload:ab", mask_image: "upload:cd", controls: [{ image: "picture:3" }] };
    expect(loadable(request)).toEqual({ request, left: [] });
    expect(modeOf(request)).toBe("inpaint");
    expect(modeOf({ init_image: "upload:ab", outpaint_left: 0 })).toBe("img2img");
  });

  it("says which pictures are not, and leaves out what cannot be without them", () => {
    const found = loadable({
      init_image: { path: null, sha256: "ab" },
      mask_image: "upload:cd",
      outpaint_left: 8,
      controls: [{ image: "upload:1" }, { image: { sha256: "x" } }],
    });
    expect(found).toEqual({ request: { controls: [{ image: "upload:1" }] }, left: ["init_image", "controls"] });
  });
});
