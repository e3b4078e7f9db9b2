// What the server says, word for word: names are those of its JSON. Times are ISO texts, UTC.

export type JobState = "queued" | "held" | "running" | "done" | "failed" | "cancelled";
export type JobKind = "generate" | "upscale" | "plot" | "merge" | "train" | "verify";
export type PictureFormat = "png" | "jpg" | "webp" | "avif";
export type Mode = "txt2img" | "img2img" | "inpaint";

/** "upload:ID" | "picture:ID" | a data URL. */
export type PictureSource = string;

/** Digits as a text where a number would round them, from 2 ** 53 on; the server takes both. */
export type Seed = number | string;

export interface ControlUnit {
  model: string;
  image: PictureSource;
  weight?: number;
  start?: number;
  end?: number;
  mode?: "balanced" | "prompt" | "control";
  preprocessor?: string;
  threshold_a?: number | null;
  threshold_b?: number | null;
  resolution?: number | null;
  resize_mode?: "stretch" | "crop" | "fill";
  mask?: PictureSource | null;
  style_fidelity?: number;
  model_hash?: string | null;
  /** The page's own: a unit that is kept in the draft, but not sent. */
  enabled?: boolean;
}

export interface HiresPass {
  scale?: number;
  width?: number | null;
  height?: number | null;
  upscaler?: string;
  steps?: number | null;
  strength?: number;
  sampler?: string | null;
  schedule?: string | null;
  prompt?: string | null;
  negative_prompt?: string | null;
  guidance_scale?: number | null;
}

export interface TiledDiffusion {
  method?: "multidiffusion" | "mixture";
  size?: number | null;
  overlap?: number;
  at_once?: number;
}

export interface RegionMask {
  part: number;
  image: PictureSource;
  blur?: number;
  invert?: boolean;
}

export type OptionValue = boolean | number | string;

export interface GenerationRequest {
  prompt: string;
  negative_prompt: string;
  dialect: "a1111" | "comfy" | "plain";
  emphasis: "None" | "Ignore" | "Original" | "No norm";
  lora_application: "merge" | "live";
  width: number | null;
  height: number | null;
  steps: number | null;
  sampler: string | null;
  schedule: string | null;
  sampler_options: Record<string, OptionValue>;
  sigma_min: number | null;
  sigma_max: number | null;
  rho: number | null;
  guidance_scale: number | null;
  guidance_rescale: number;
  guidance_interval: [number, number] | null;
  clip_skip: number;
  seed: Seed | null;
  num_images: number;
  batch_size: number;
  variation_seed: Seed | null;
  variation_strength: number;
  seed_width: number | null;
  seed_height: number | null;
  init_noise: { path: string } | null;
  tiling: "none" | "x" | "y" | "both";
  init_image: PictureSource | null;
  strength: number | null;
  step_rule: "a1111" | "exact" | "diffusers";
  resize_mode: "stretch" | "crop" | "fill" | "latent";
  noise_multiplier: number;
  extra_noise: number;
  image_guidance_scale: number;
  mask_image: PictureSource | null;
  mask_blur: number;
  mask_invert: boolean;
  mask_soft: boolean;
  mask_grow: number;
  mask_strength: number;
  masked_content: "fill" | "original" | "noise" | "nothing";
  inpaint_area: "whole" | "masked";
  inpaint_padding: number;
  outpaint_left: number;
  outpaint_right: number;
  outpaint_top: number;
  outpaint_bottom: number;
  match_colors: boolean;
  hires: HiresPass | null;
  tiled_diffusion: TiledDiffusion | null;
  controls: ControlUnit[];
  regions: RegionMask[];
  watermark: boolean;
  safety_checker: boolean;
  noise_source: "cpu" | "nv";
  eta_noise_seed_delta: number;
  model: string | null;
  model_hash: string | null;
  vae: string | null;
  vae_hash: string | null;
  network_hashes: Record<string, string>;
  a1111_hashes: Record<string, string>;
  device: string | null;
  dtype: "float32" | "bfloat16" | "float16" | null;
}

export interface GenerateSpec {
  kind: "generate";
  request: Partial<GenerationRequest>;
  styles?: string[];
  variants?: boolean;
  format?: PictureFormat | null;
}

export interface UpscaleSpec {
  kind: "upscale";
  images: PictureSource[];
  scale?: number | null;
  width?: number | null;
  height?: number | null;
  crop?: boolean;
  max_side?: number;
  upscaler?: string;
  upscaler2?: string | null;
  visibility2?: number;
  faces?: string | null;
  face_visibility?: number;
  format?: PictureFormat | null;
}

export interface PlotSpec {
  kind: "plot";
  request: Partial<GenerationRequest>;
  x?: string;
  y?: string;
  z?: string;
  vary_seeds?: ("x" | "y" | "z")[];
  legend?: boolean;
  margin?: number;
}

export interface MergeSpec {
  kind: "merge";
  models: string[];
  method?: string;
  multiplier?: number | null;
  blocks?: string | null;
  density?: number;
  drop?: number;
  seed?: number;
  vae?: string | null;
  discard?: string | null;
  precision?: "float32" | "float16" | "bfloat16" | null;
  name?: string | null;
  compare?: boolean;
}

export interface TrainSpec {
  kind: "train";
  training: "lora" | "embedding" | "dreambooth" | "diffusion" | "hypernetwork" | "controlnet";
  name: string;
  dataset: string;
  model?: string | null;
  fields?: Record<string, unknown>;
}

export interface VerifySpec {
  kind: "verify";
  picture: number;
}

export type Spec = GenerateSpec | UpscaleSpec | PlotSpec | MergeSpec | TrainSpec | VerifySpec;

export interface Progress {
  stage: "waiting" | "loading" | "working" | "saving";
  done: number;
  picture: number;
  pictures: number;
  step: number;
  steps: number | null;
  seconds_left: number | null;
  metrics: Record<string, number>;
}

export interface Picture {
  id: number;
  job: string | null;
  index: number;
  role: "picture" | "grid" | "sample";
  width: number;
  height: number;
  seed: Seed | null;
  filename: string;
  created: string;
  favourite: boolean;
  prompt: string;
  request: Partial<GenerationRequest> | null;
  warnings: string[];
}

export interface Job {
  id: string;
  kind: JobKind;
  state: JobState;
  title: string;
  priority: number;
  place: number | null;
  spec: Spec;
  created: string;
  started: string | null;
  finished: string | null;
  progress: Progress;
  pictures: Picture[];
  result: Record<string, unknown> | null;
  error: { type: string; message: string } | null;
  warnings: string[];
  attempts: number;
  client: string | null;
  preview_step: number | null;
}

export interface Jobs {
  jobs: Job[];
  total: number;
}

export interface Queue {
  paused: boolean;
  running: Job[];
  waiting: Job[];
  /** How many wait: more than are listed, perhaps. */
  total: number;
}

export interface Pictures {
  pictures: Picture[];
  total: number;
}

export interface PlanMessage {
  /** In the namespace messages, under "plan". */
  key: string;
  values: Record<string, string | number>;
  /** The same in English. */
  text: string;
}

export interface Plan {
  fits: boolean;
  seconds: number | null;
  bytes: number | null;
  available_bytes: number | null;
  device: string;
  model: string;
  pictures: number;
  steps: number;
  messages: PlanMessage[];
}

export type ModelKind =
  | "checkpoints"
  | "vae"
  | "loras"
  | "embeddings"
  | "hypernetworks"
  | "controlnet"
  | "upscale_models";

export interface ModelCard {
  name: string;
  kind: ModelKind;
  family: string | null;
  bytes: number;
  hash: string | null;
  loaded: boolean;
  default: boolean;
  purpose: "paint" | "inpaint" | "instruct" | null;
  width: number | null;
  height: number | null;
  steps: number | null;
  sampler: string | null;
  schedule: string | null;
  guidance_scale: number | null;
  description: string | null;
}

export interface SamplerChoice {
  name: string;
  aliases: string[];
  stochastic: boolean;
  order: number;
  calls_per_step: number;
  schedule: string;
  options: Record<string, OptionValue | null>;
  about: string;
}

export interface ScheduleChoice {
  name: string;
  label: string;
  aliases: string[];
  about: string;
}

export interface Threshold {
  name: string;
  default: number;
  min: number;
  max: number;
}

export interface Preprocessor {
  name: string;
  label: string;
  thresholds: Threshold[];
}

export interface TrainingField {
  name: string;
  type: "boolean" | "integer" | "number" | "string" | "choice" | "list" | "object";
  default: unknown;
  description: string;
  section: string;
  choices: (string | number)[] | null;
}

export interface MergeMethod {
  name: string;
  label: string;
  /** How many it takes. */
  models: number;
  /** Its default. */
  multiplier: number;
  about: string;
}

export interface Choices {
  samplers: SamplerChoice[];
  schedules: ScheduleChoice[];
  upscalers: string[];
  latent_upscalers: string[];
  faces: string[];
  preprocessors: Preprocessor[];
  axes: string[];
  merge_methods: MergeMethod[];
  trainings: Record<string, TrainingField[]>;
  formats: PictureFormat[];
  privacies: string[];
  previews: string[];
  dialects: string[];
}

export interface Style {
  name: string;
  prompt: string;
  negative_prompt: string;
}

export interface Settings {
  default_model: string | null;
  format: PictureFormat;
  privacy: string;
  preview_method: string;
  preview_every: number;
  keep_steps: boolean;
  memory_budget_gb: number | null;
  most_queued: number;
  lenient: boolean;
}

export interface System {
  version: string;
  torch: string;
  python: string;
  platform: string;
  devices: { name: string; kind: string; dtype: string | null; state: string; job: string | null; reason: string }[];
  /** Bytes; of a GPU, by its name, how many it has. */
  memory: { ram: { free: number | null; total: number | null }; gpu: Record<string, number> };
  data_dir: string;
  models_dir: string | null;
  uptime: number;
  cache: { loaded: { name: string; bytes: number }[]; bytes: number; budget: number };
  disk: { total: number; used: number; free: number };
}

export interface Upload {
  id: string;
  width: number;
  height: number;
  url: string;
}

export interface PictureInfo {
  program: string | null;
  prompt: string;
  negative_prompt: string;
  fields: Record<string, unknown>;
  request: Partial<GenerationRequest> | null;
  raw: string;
  warnings: string[];
}

export interface PromptToken {
  id: number;
  text: string;
  weight: number;
  is_embedding: boolean;
}

export interface PromptPhase {
  first_step: number;
  last_step: number;
  text: string;
  chunks: PromptToken[][];
}

export interface InspectedPrompt {
  parts: { weight: number; phases: PromptPhase[] }[];
  networks: { kind: string; name: string; weight: number; missing?: boolean }[];
  embeddings: string[];
  tokens: number;
  capacity: number;
}

export interface Inspection {
  prompt: InspectedPrompt;
  negative_prompt: InspectedPrompt;
  messages: string[];
}

export interface Completion {
  kind: "lora" | "embedding" | "style" | "wildcard" | "hypernet";
  name: string;
  insert: string;
}

/** A JSON schema, as far as the page reads one. */
export interface Schema {
  properties?: Record<string, SchemaField>;
  $defs?: Record<string, Schema>;
}

export interface SchemaField {
  description?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  multipleOf?: number;
  enum?: string[];
  anyOf?: SchemaField[];
}
