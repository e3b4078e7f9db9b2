/**
 * Which uploaded pictures are others that were sketched upon, so that their colours can be taken off again.
 *
 * The request knows the finished picture alone. Uploads are named by what they hold, so this holds in every tab and
 * for as long as the browser keeps it; without it a sketched picture is a picture like any other.
 */

export interface Sketched {
  base: string;
  /** The upload with the colours alone. */
  colours: string;
}

const KEY = "inkbloom.sketches";
const MOST = 200;

export function recallSketch(picture: string): Sketched | null {
  return read().find(([name]) => name === picture)?.[1] ?? null;
}

export function rememberSketch(picture: string, sketched: Sketched): void {
  const others = read().filter(([name]) => name !== picture);
  localStorage.setItem(KEY, JSON.stringify([[picture, sketched], ...others].slice(0, MOST)));
}

function read(): [string, Sketched][] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter(isEntry) : [];
  } catch {
    return []; // of no use to anyone: as if nothing had been sketched
  }
}

function isEntry(entry: unknown): entry is [string, Sketched] {
  if (!Array.isArray(entry) || typeof entry[0] !== "string") return false;
  const sketched: unknown = entry[1];
  return (
    typeof sketched === "object" &&
    sketched !== null &&
    "base" in sketched &&
    "colours" in sketched &&
    typeof sketched.base === "string" &&
    typeof sketched.colours === "string"
  );
}
