import { expect, test } from "vitest";
import type { Job, JobState } from "../../api/types";
import { sessionOf } from "./session";

const job = (id: string, state: JobState, place: number | null = null, pictures: number[] = []) =>
  ({ id, state, place, pictures: pictures.map((id) => ({ id })) }) as unknown as Job;

test("the running job is the active one, then those that wait in their order", () => {
  const session = sessionOf([job("d", "queued", 1), job("c", "queued", 0), job("b", "running"), job("a", "done")]);
  expect(session.active?.id).toBe("b");
  expect(session.going.map(({ id }) => id)).toEqual(["b", "c", "d"]);
});

test("pictures come newest first, and only the newest job's failure counts", () => {
  const session = sessionOf([job("b", "done", null, [3, 4]), job("a", "failed", null, [1, 2])]);
  expect(session.pictures.map(({ id }) => id)).toEqual([4, 3, 2, 1]);
  expect(session.failed).toBeNull();
  expect(sessionOf([job("a", "failed")]).failed?.id).toBe("a");
});
