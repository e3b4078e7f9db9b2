import { beforeEach, expect, test, vi } from "vitest";

/** What a browser keeps, for one tab. */
function storage(): Storage {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  } as Storage;
}

async function openTab() {
  vi.resetModules();
  vi.stubGlobal("sessionStorage", storage());
  return (await import("./draft")).useDraft;
}

beforeEach(() => {
  vi.stubGlobal("localStorage", storage());
  vi.stubGlobal("location", { hash: "" });
  vi.stubGlobal("window", { addEventListener: () => undefined });
});

test("a draft survives a reload, and a new tab begins with the newest", async () => {
  const first = await openTab();
  first.getState().set({ prompt: "a cat", steps: 7 });
  vi.resetModules(); // a reload: the same storages
  const { useDraft: reloaded } = await import("./draft");
  expect(reloaded.getState().request).toEqual({ prompt: "a cat", steps: 7 });
  const second = await openTab();
  expect(second.getState().request).toEqual({ prompt: "a cat", steps: 7 });
});

test("two tabs do not disturb each other", async () => {
  const first = await openTab();
  const mine = sessionStorage;
  first.getState().set({ prompt: "a cat" });
  const second = await openTab();
  second.getState().set({ prompt: "a dog" });
  vi.resetModules();
  vi.stubGlobal("sessionStorage", mine);
  const { useDraft: reloaded } = await import("./draft");
  expect(reloaded.getState().request.prompt).toBe("a cat");
});

test("what is broken in the storage gives an empty draft", async () => {
  localStorage.setItem("inkbloom.draft", "{");
  expect((await openTab()).getState().request).toEqual({});
});

test("a replaced request tells its mode, and brings no provenance", async () => {
  const draft = (await openTab()).getState();
  draft.replace({ prompt: "a", model_hash: "0123456789", init_image: "picture:1", outpaint_left: 8 });
  const { request, mode } = (await import("./draft")).useDraft.getState();
  expect([mode, request.model_hash]).toEqual(["inpaint", undefined]);
});

test("a mode sends only what belongs to it", async () => {
  const { specOf } = await import("./spec");
  const request = {
    prompt: "a", init_image: "upload:1", mask_image: "upload:2", hires: {},
    controls: [{ model: "m", image: "upload:3", enabled: false }, { model: "n", image: "upload:4", enabled: true }],
  };
  const sent = (mode: "txt2img" | "img2img" | "inpaint") =>
    Object.keys(specOf({ request, mode, styles: [], variants: false, format: null }).request).sort();
  expect(sent("txt2img")).toEqual(["controls", "hires", "prompt"]);
  expect(sent("img2img")).toEqual(["controls", "init_image", "prompt"]);
  expect(sent("inpaint")).toEqual(["controls", "init_image", "mask_image", "prompt"]);
  const { request: spec } = specOf({ request, mode: "txt2img", styles: [], variants: false, format: null });
  expect(spec.controls).toEqual([{ model: "n", image: "upload:4" }]);
  const regions = [{ part: 1, image: "upload:5" }, { part: 2, image: "upload:6" }];
  const painted = (prompt: string, dialect?: "comfy") => {
    const kept = { request: { prompt, dialect, regions }, styles: [], variants: false, format: null };
    return specOf({ ...kept, mode: "txt2img" }).request.regions?.length;
  };
  expect([painted("a AND b"), painted("a and b"), painted("a AND b", "comfy")]).toEqual([2, 1, 0]);
});

test("the address says the tab and its parameters", async () => {
  const { placeOf } = await import("./navigation");
  expect(placeOf("#/gallery?q=a%20cat")).toEqual({ tab: "gallery", params: { q: "a cat" } });
  expect(placeOf("#/nowhere")).toEqual({ tab: "paint", params: {} });
});
