type Fields = Record<string, unknown>;

/** What says with which files and on which machine a picture was painted; a new picture finds these for itself. */
const PROVENANCE = "model_hash vae_hash network_hashes a1111_hashes device dtype num_images batch_size".split(" ");
const NEEDS_START = "mask_image outpaint_left outpaint_right outpaint_top outpaint_bottom".split(" ");

export interface Loadable {
  request: Fields;
  /** The fields that were left out because this server has not got their pictures. */
  left: string[];
}

/** Of a picture's request, what the form takes over: all but its provenance and pictures that are not here. */
export function loadable(request: Fields): Loadable {
  const left: string[] = [];
  const kept: Fields = {};
  for (const [name, value] of Object.entries(request)) {
    if (value === null || PROVENANCE.includes(name)) continue;
    if (name === "init_image" || name === "mask_image") {
      if (isHere(value)) kept[name] = value;
      else left.push(name);
    } else if (name === "controls" || name === "regions") {
      const units = Array.isArray(value) ? value : [];
      const here = units.filter((unit: Fields) => isHere(unit.image) && (!unit.mask || isHere(unit.mask)));
      kept[name] = here;
      if (here.length < units.length) left.push(name);
    } else if (name === "init_noise") {
      left.push(name);
    } else {
      kept[name] = value;
    }
  }
  if (!kept.init_image) for (const name of NEEDS_START) delete kept[name];
  return { request: kept, left };
}

/** Where a request belongs in the Paint tab. */
export function modeOf(request: Fields): "txt2img" | "img2img" | "inpaint" {
  if (!request.init_image) return "txt2img";
  const edited = NEEDS_START.some((name) => request[name]);
  return edited ? "inpaint" : "img2img";
}

function isHere(source: unknown): boolean {
  return typeof source === "string" && /^(upload|picture):/.test(source);
}
