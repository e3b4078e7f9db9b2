/**
 * Keeps the canvas and the draft at one.
 *
 * The draft names pictures by their uploads; the canvas holds their pixels. `follow` brings the canvas to what the
 * draft says (settings were loaded, a picture was dropped); a stroke that ended is uploaded a moment later, and the
 * draft says so. Both go through one line of work, so that neither overtakes the other. A mask is thus kept by the
 * server from the first stroke on: it survives reloads and changes of the tab.
 */
import { api, ApiError, sourceUrl } from "../api/client";
import type { RegionMask } from "../api/types";
import { explain } from "../components/notify";
import { useDraft } from "../state/draft";
import type { Size } from "./geometry";
import { type LayerName, Painting } from "./painting";
import { flattened, loadImage, pixelsOf, pngOf } from "./pixels";
import { asGrey, fromGrey } from "./raster";
import { recallSketch, rememberSketch } from "./sketches";
import { type Problem, useCanvas } from "./state";

/** What of the draft is drawn here. */
interface Wanted {
  /** The picture to start from. */
  picture: string | null;
  mask: string | null;
  regions: readonly RegionMask[];
}

const NOTHING: Wanted = { picture: null, mask: null, regions: [] };
const PAUSE = 400; // milliseconds after a stroke, in which the next one may begin

const SHEET = "sheet:";
const NO_REGIONS: readonly RegionMask[] = [];

/** What the draft names. */
function named(): Wanted {
  const { init_image, mask_image, regions } = useDraft.getState().request;
  return { picture: init_image ?? null, mask: mask_image ?? null, regions: regions ?? NO_REGIONS };
}

/** What is to be shown: from text alone, a blank sheet for regions, as "sheet:" with its size. */
function wanted(): Wanted {
  if (useDraft.getState().mode !== "txt2img") return named();
  return { ...named(), picture: sheet && `${SHEET}${sheet.width}x${sheet.height}`, mask: null };
}

/** What the canvas shows, by the names in the draft. */
let shown = NOTHING;
let sheet: Size | null = null;
/** The picture under the sketch. */
let base: string | null = null;
const edited = new Set<LayerName>();
let pause: ReturnType<typeof setTimeout> | undefined;
let line: Promise<void> = Promise.resolve();

/**
 * Show what the draft says, or from text alone a sheet of this size. Costs nothing where it is shown already. Never
 * rejects: the canvas tells its problems.
 */
export function follow(blank: Size | null): Promise<void> {
  return inLine(async () => {
    sheet = blank;
    if (wanted().picture !== shown.picture) {
      // Where only the mode is another, the last strokes still belong to what the draft names
      const stays = shown.picture === named().picture || shown.picture?.startsWith(SHEET);
      if (stays && edited.size > 0) await saveEdited().catch(() => undefined);
      await showPicture();
    }
    if (wanted().mask !== shown.mask) await showMask();
    if (wanted().regions !== shown.regions) await showRegions();
  });
}

/**
 * Resolves when the draft names all that has been painted: to be awaited before the draft is sent. Rejects with an
 * ApiError where the server did not take it.
 */
export function settled(): Promise<void> {
  clearTimeout(pause);
  return inLine(saveEdited);
}

/** Try again what could not be shown, or not be sent. */
export function retry(): void {
  if (useCanvas.getState().problem?.key === "problem.saving") return save();
  shown = NOTHING;
  void follow(sheet);
}

/** As `settled`, where nobody waits: a failure is told on the canvas, and tried again after the next stroke. */
export function save(): void {
  settled().catch(() => undefined);
}

function inLine(work: () => Promise<void>): Promise<void> {
  const done = line.then(work);
  line = done.catch(() => undefined);
  return done;
}

function tell(key: Problem["key"], error: unknown): void {
  useCanvas.setState({ problem: { key, reason: error instanceof ApiError ? explain(error) : "" } });
}

async function showPicture(): Promise<void> {
  const { picture } = wanted();
  edited.clear();
  shown = { ...shown, picture };
  base = null;
  if (picture === null) return layOut(null, null);
  if (picture.startsWith(SHEET)) return layOut(null, sheet);
  useCanvas.setState({ loading: true });
  try {
    const sketched = recallSketch(picture);
    base = sketched?.base ?? picture;
    const image = await loadImage(sourceUrl(base));
    const colours = sketched && (await loadImage(sourceUrl(sketched.colours)));
    layOut(image, { width: image.naturalWidth, height: image.naturalHeight });
    const { painting } = useCanvas.getState();
    if (colours && painting) {
      const { width, height } = painting.size;
      painting.put("sketch", { width, height, channels: 4, data: pixelsOf(colours, painting.size) });
    }
  } catch (error) {
    layOut(null, null);
    tell("problem.missing", error);
  }
}

/** Another picture under the layers. Masks stay where they have its size; else they are loaded anew. */
function layOut(image: HTMLImageElement | null, size: Size | null): void {
  let { painting } = useCanvas.getState();
  if (painting !== null && painting.size.width === size?.width && painting.size.height === size.height) {
    painting.drop("sketch");
  } else {
    painting = size && new Painting(size, onEdited);
    shown = { ...shown, mask: null, regions: [] };
  }
  useCanvas.setState({ painting, base: image, loading: false, problem: null });
}

async function showMask(): Promise<void> {
  const { painting } = useCanvas.getState();
  const { mask } = wanted();
  shown = { ...shown, mask };
  edited.delete("mask");
  if (painting === null) return;
  if (mask === null) {
    if (!painting.isEmpty("mask")) painting.command("mask", "clear");
    edited.delete("mask");
    return;
  }
  try {
    const image = await loadImage(sourceUrl(mask));
    if (!sameProportions(image, painting.size)) {
      // The mask of another picture, which the server would refuse
      shown = { ...shown, mask: null };
      useDraft.getState().set({ mask_image: null });
      return;
    }
    const { width, height } = painting.size;
    painting.put("mask", fromGrey(width, height, pixelsOf(image, painting.size)));
    if (image.naturalWidth !== width) onEdited("mask");
  } catch (error) {
    tell("problem.maskMissing", error);
  }
}

async function showRegions(): Promise<void> {
  const { painting } = useCanvas.getState();
  const { regions } = wanted();
  const before = new Map(shown.regions.map(({ part, image }) => [part, image]));
  shown = { ...shown, regions };
  if (painting === null) return;
  for (const name of painting.names) {
    const part = partOf(name);
    if (part === null || regions.some((region) => region.part === part) || painting.isEmpty(name)) continue;
    painting.command(name, "clear");
    edited.delete(name);
  }
  for (const { part, image } of regions) {
    if (before.get(part) === image) continue;
    try {
      const mask = await loadImage(sourceUrl(image));
      const { width, height } = painting.size;
      painting.put(`region${part}`, fromGrey(width, height, pixelsOf(mask, painting.size)));
      if (!sameProportions(mask, painting.size)) onEdited(`region${part}`);
    } catch (error) {
      tell("problem.maskMissing", error);
    }
  }
}

function sameProportions(image: HTMLImageElement, { width, height }: Size): boolean {
  return Math.abs(image.naturalWidth * height - image.naturalHeight * width) <= Math.max(width, height);
}

function partOf(name: LayerName): number | null {
  return name.startsWith("region") ? Number(name.slice("region".length)) : null;
}

function onEdited(layer: LayerName): void {
  edited.add(layer);
  useCanvas.setState({ saving: true });
  clearTimeout(pause);
  pause = setTimeout(save, PAUSE);
}

async function saveEdited(): Promise<void> {
  const { painting } = useCanvas.getState();
  for (const layer of [...edited]) {
    if (painting === null || !edited.delete(layer)) continue;
    try {
      if (layer === "sketch") await saveSketch(painting);
      else if (layer === "mask") await saveMask(painting);
      else await saveRegion(painting, partOf(layer) ?? 1);
    } catch (error) {
      edited.add(layer);
      useCanvas.setState({ saving: false });
      tell("problem.saving", error);
      throw error;
    }
  }
  if (edited.size === 0) useCanvas.setState(({ problem }) => ({ saving: false, problem: withoutSaving(problem) }));
}

function withoutSaving(problem: Problem | null): Problem | null {
  return problem?.key === "problem.saving" ? null : problem;
}

async function saveMask(painting: Painting): Promise<void> {
  if (named().mask !== shown.mask) return; // another was loaded meanwhile, and is shown next
  const mask = await uploadedMask(painting, "mask");
  if (named().mask !== shown.mask) return;
  shown = { ...shown, mask };
  useDraft.getState().set({ mask_image: mask });
}

async function saveRegion(painting: Painting, part: number): Promise<void> {
  const image = await uploadedMask(painting, `region${part}`);
  if (named().regions !== shown.regions) return;
  const present = shown.regions.find((region) => region.part === part);
  const others = shown.regions.filter((region) => region.part !== part);
  const regions = image === null ? others : [...others, { ...present, part, image }].sort((a, b) => a.part - b.part);
  shown = { ...shown, regions };
  useDraft.getState().set({ regions });
}

/** The name of the layer's upload; null where it is empty. */
async function uploadedMask(painting: Painting, layer: LayerName): Promise<string | null> {
  if (painting.isEmpty(layer)) return null;
  const upload = await api.upload(await pngOf(asGrey(painting.raster(layer)), painting.size));
  return `upload:${upload.id}`;
}

async function saveSketch(painting: Painting): Promise<void> {
  const image = useCanvas.getState().base;
  if (image === null || base === null || named().picture !== shown.picture) return;
  let picture = base;
  if (!painting.isEmpty("sketch")) {
    const seen = painting.seen("sketch");
    const [whole, colours] = await Promise.all([
      flattened([image, seen], painting.size).then(api.upload),
      flattened([seen], painting.size).then(api.upload),
    ]);
    if (named().picture !== shown.picture) return;
    picture = `upload:${whole.id}`;
    rememberSketch(picture, { base, colours: `upload:${colours.id}` });
  }
  shown = { ...shown, picture };
  useDraft.getState().set({ init_image: picture });
}
