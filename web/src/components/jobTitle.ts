import type { Job } from "../api/types";
import i18n from "../i18n";

/** A job's title: its prompt or its name as it is, and what it does in the page's words where it has none. */
export function titleOf(job: Job): string {
  if (job.spec.kind === "verify") return i18n.t("queue:verifying", { id: job.spec.picture });
  return job.title || i18n.t("queue:untitled");
}
