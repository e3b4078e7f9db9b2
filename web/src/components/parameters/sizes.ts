// Sizes worth offering for a model: its own area in usual proportions.

export interface Size {
  width: number;
  height: number;
}

const PROPORTIONS = [[1, 1], [4, 3], [3, 2], [16, 9], [3, 4], [2, 3], [9, 16]] as const;

/** Each with about as many pixels as `native`, which a model knows best, in multiples of `step`. */
export function presets(native: Size, step = native.width >= 512 ? 64 : 8): (Size & { name: string })[] {
  const area = native.width * native.height;
  const round = (side: number) => Math.max(64, Math.round(side / step) * step);
  return PROPORTIONS.map(([across, down]) => {
    const height = Math.sqrt((area * down) / across);
    return { name: `${across}:${down}`, width: round((height * across) / down), height: round(height) };
  });
}
