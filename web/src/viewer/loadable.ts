import type { GenerationRequest } from "../api/types";

type Request = Partial<GenerationRequest>;

export interface Loadable {
  request: Request;
  /** The fields that were left out because this server has not got their files. */
  left: (keyof GenerationRequest)[];
}

/** Of a picture's request, what the form takes over: one picture of many stands for itself, and files must be here. */
export function loadable(request: Request): Loadable {
  const { num_images: _count, batch_size: _atOnce, dtype: _dtype, ...kept } = request;
  const left: Loadable["left"] = [];
  if (kept.init_noise) left.push("init_noise");
  delete kept.init_noise;
  for (const name of ["init_image", "mask_image"] as const) {
    if (kept[name] && !isHere(kept[name])) left.push(name);
    if (!isHere(kept[name])) delete kept[name];
  }
  const controls = kept.controls?.filter((unit) => isHere(unit.image) && (!unit.mask || isHere(unit.mask)));
  const regions = kept.regions?.filter((region) => isHere(region.image));
  if (controls && controls.length < (kept.controls?.length ?? 0)) left.push("controls");
  if (regions && regions.length < (kept.regions?.length ?? 0)) left.push("regions");
  if (controls) kept.controls = controls;
  if (regions) kept.regions = regions;
  if (!kept.init_image) {
    // Without a picture there is nothing to repaint or to extend.
    delete kept.mask_image;
    for (const side of ["left", "right", "top", "bottom"] as const) delete kept[`outpaint_${side}`];
  }
  const said = Object.entries(kept).filter(([, value]) => value !== null);
  return { request: Object.fromEntries(said) as Request, left };
}

/** Foreign pictures tell a hash or a path, which nothing can be read from. */
function isHere(source: unknown): boolean {
  return typeof source === "string" && /^(upload|picture):/.test(source);
}
