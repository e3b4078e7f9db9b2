/** Pictures between the browser and arrays of pixels. */
import type { Size } from "./geometry";

/** The picture decoded; rejects where it is not there or is none. */
export async function loadImage(url: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

/** RGBA, row by row, of a picture at the size given, or of several over one another. */
export function pixelsOf(images: CanvasImageSource | readonly CanvasImageSource[], size: Size) {
  const context = laidOver(Array.isArray(images) ? images : [images], size);
  return new Uint8ClampedArray(context.getImageData(0, 0, size.width, size.height).data);
}

/** A PNG of RGBA pixels. */
export function pngOf(pixels: Uint8ClampedArray<ArrayBuffer>, size: Size): Promise<Blob> {
  const context = drawingOf(size);
  context.putImageData(new ImageData(pixels, size.width, size.height), 0, 0);
  return blobOf(context.canvas);
}

/** A PNG of a picture with others laid over it. */
export function flattened(images: readonly CanvasImageSource[], size: Size): Promise<Blob> {
  return blobOf(laidOver(images, size).canvas);
}

function laidOver(images: readonly CanvasImageSource[], size: Size): CanvasRenderingContext2D {
  const context = drawingOf(size);
  for (const image of images) context.drawImage(image, 0, 0, size.width, size.height);
  return context;
}

function drawingOf({ width, height }: Size): CanvasRenderingContext2D {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("The browser has no canvas left.");
  return context;
}

function blobOf(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob === null ? reject(new Error("The picture could not be encoded.")) : resolve(blob)));
  });
}
