// What the jobs of this browser tab come to: which is at work, and what they painted.

import type { Job, Picture } from "../../api/types";

const isGoing = (job: Job) => job.state === "running" || job.state === "queued" || job.state === "held";

export interface Session {
  /** All there are, newest first. */
  jobs: Job[];
  /** The job that is shown as it is painted: the running one, or the first that waits. */
  active: Job | null;
  /** All that have not ended, the running one first. */
  going: Job[];
  /** Newest first. */
  pictures: Picture[];
  /** The newest job, should it have failed. */
  failed: Job | null;
}

/** `jobs` come newest first. */
export function sessionOf(jobs: Job[]): Session {
  const place = (job: Job) => (job.state === "running" ? -1 : (job.place ?? 0));
  const going = jobs.filter(isGoing).reverse();
  going.sort((a, b) => place(a) - place(b));
  const newest = jobs[0];
  return {
    jobs,
    active: going[0] ?? null,
    going,
    pictures: jobs.flatMap((job) => [...job.pictures].reverse()),
    failed: newest?.state === "failed" ? newest : null,
  };
}
