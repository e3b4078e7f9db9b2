/** Where a picture lies on its stage. Lengths are CSS pixels, from the middle of the stage. */
export interface View {
  /** 1 shows the whole picture. */
  zoom: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export const WHOLE: View = { zoom: 1, x: 0, y: 0 };
export const MAX_ZOOM = 64;

/** CSS pixels per pixel of the picture when it is shown whole. */
export function fitScale(picture: Size, stage: Size): number {
  if (!picture.width || !picture.height) return 1;
  return Math.min(stage.width / picture.width, stage.height / picture.height) || 1;
}

/** The nearest view in which no edge of the picture comes further in than it must. */
export function clamped(view: View, picture: Size, stage: Size): View {
  const zoom = Math.min(Math.max(view.zoom, 1), MAX_ZOOM);
  const scale = fitScale(picture, stage) * zoom;
  const roomX = Math.max(0, (picture.width * scale - stage.width) / 2);
  const roomY = Math.max(0, (picture.height * scale - stage.height) / 2);
  return { zoom, x: between(view.x, roomX), y: between(view.y, roomY) };
}

/** Zoom by a factor so that what lies at the point stays there. */
export function zoomedAt(view: View, factor: number, point: { x: number; y: number }): View {
  const zoom = Math.min(Math.max(view.zoom * factor, 1), MAX_ZOOM);
  const ratio = zoom / view.zoom;
  return { zoom, x: point.x - (point.x - view.x) * ratio, y: point.y - (point.y - view.y) * ratio };
}

function between(value: number, room: number): number {
  return Math.min(Math.max(value, -room), room) || 0;
}
