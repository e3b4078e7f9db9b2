import { expect, it } from "vitest";
import type { Job, Queue } from "../../api/types";
import { placeFor, reordered } from "./order";

const waiting = ["a", "b", "c"].map((id) => ({ id }) as Job);
const queue: Queue = { paused: false, total: 0, running: [], waiting };
const ids = (changed: Queue) => changed.waiting.map(({ id }) => id).join("");

it("says before which job another one goes, counted without itself", () => {
  expect(placeFor(waiting, "c", 0)).toEqual({ before: "a" });
  expect(placeFor(waiting, "a", 1)).toEqual({ before: "c" });
  expect(placeFor(waiting, "a", 2)).toEqual({ last: true });
});

it("shows the order that it asks for", () => {
  expect(ids(reordered(queue, "c", 0))).toBe("cab");
  expect(ids(reordered(queue, "a", 1))).toBe("bac");
  expect(ids(reordered(queue, "a", 2))).toBe("bca");
  expect(reordered(queue, "x", 2)).toBe(queue);
});
