import type { Job, Queue } from "../../api/types";

/** What the server is asked when a waiting job goes to another place, counted without itself. */
export function placeFor(jobs: Job[], id: string, to: number): { before?: string; last?: boolean } {
  const before = jobs.filter((job) => job.id !== id)[to];
  return before ? { before: before.id } : { last: true };
}

/** The queue as it will be, so that a job lies where it was put before the server has answered. */
export function reordered(queue: Queue, id: string, to: number): Queue {
  const moved = queue.waiting.find((job) => job.id === id);
  if (!moved) return queue;
  const others = queue.waiting.filter((job) => job.id !== id);
  return { ...queue, waiting: [...others.slice(0, to), moved, ...others.slice(to)] };
}
