const ENDING = /\.(safetensors|ckpt|pt|pth|bin)$/i;

/** How a prompt names a model of the library. */
export function written(kind: "loras" | "hypernetworks" | "embeddings", file: string): string {
  const name = file.replace(ENDING, "");
  return { loras: `<lora:${name}:1>`, hypernetworks: `<hypernet:${name}:1>`, embeddings: name }[kind];
}
