export function GlobalDrop() {
  return null;
}
