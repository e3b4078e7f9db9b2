import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import words from "../locales/en/viewer.json";
import { chosen, describeRequest, differences } from "./fields";

beforeAll(() => i18next.init({ lng: "en", resources: { en: { viewer: words } } }));

describe("fields", () => {
  it("tells a request in words, parts with the name of the whole, without what is not said", () => {
    const request = {
      prompt: "a cat",
      steps: 20,
      seed: null,
      tiling: "both",
      mask_soft: true,
      sampler_options: { s_churn: 0.1 + 0.2 },
      hires: { scale: 2, upscaler: "Latent", prompt: null },
      guidance_interval: [0.5, 10],
      controls: [{ model: "canny", image: { path: "upload:1", sha256: "ab" } }],
      regions: [],
    };
    const told = Object.fromEntries(describeRequest(request, i18next.t).map((row) => [row.label, row.value]));
    expect(told).toEqual({
      Prompt: "a cat",
      Steps: "20",
      "Seamless tiling": "both ways",
      "Soft mask": "yes",
      "Sampler options · s_churn": "0.3",
      "High-resolution fix · Scale": "2",
      "High-resolution fix · Upscaler": "Latent",
      "Guidance interval": "0.5 – 10",
      "Control 1 · Model": "canny",
      "Control 1 · Picture": "upload:1",
    });
  });

  it("finds what is different, on either side alone too", () => {
    const found = differences({ steps: 20, seed: 1, clip_skip: 2 }, { steps: 30, seed: 1, tiling: "x" }, i18next.t);
    expect(found).toEqual([
      { key: "steps", label: "Steps", left: "20", right: "30" },
      { key: "clip_skip", label: "CLIP skip", left: "2", right: "" },
      { key: "tiling", label: "Seamless tiling", left: "", right: "horizontally" },
    ]);
  });

  it("leaves out what is as usual", () => {
    const defaults = { tiling: "none", sampler_options: {}, controls: [] };
    expect(chosen({ steps: 20, tiling: "none", sampler_options: {}, controls: [] }, defaults)).toEqual({ steps: 20 });
  });
});
