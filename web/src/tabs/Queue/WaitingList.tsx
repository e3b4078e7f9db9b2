import { useQueryClient } from "@tanstack/react-query";
import { type DragEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useMove } from "../../api/queries";
import type { Job, Queue } from "../../api/types";
import { titleOf } from "../../components/jobTitle";
import { notifyError } from "../../components/notify";
import { placeFor, reordered } from "./order";
import classes from "./Queue.module.css";
import { WaitingJob } from "./WaitingJob";

interface WaitingListProps {
  jobs: Job[];
  onDetails: (job: Job) => void;
}

/** Jobs in the order in which they will run; dragged, or moved by buttons, into another one. */
export function WaitingList({ jobs, onDetails }: WaitingListProps) {
  const { t } = useTranslation("queue");
  const queries = useQueryClient();
  const move = useMove();
  const [dragged, setDragged] = useState<string | null>(null);
  const [target, setTarget] = useState<number | null>(null);

  const put = (id: string, to: number) => {
    if (to < 0 || to >= jobs.length) return;
    queries.setQueryData<Queue>(["queue"], (queue) => queue && reordered(queue, id, to));
    const failed = (error: unknown) => {
      notifyError(error);
      void queries.invalidateQueries({ queryKey: ["queue"] });
    };
    move.mutate({ id, ...placeFor(jobs, id, to) }, { onError: failed });
  };

  const onDragOver = (event: DragEvent, index: number) => {
    if (dragged === null) return;
    event.preventDefault();
    setTarget(index);
  };
  const onDrop = (event: DragEvent, index: number) => {
    event.preventDefault();
    if (dragged !== null) put(dragged, index);
    setDragged(null);
    setTarget(null);
  };

  return (
    <ol className={classes.list} aria-label={t("waiting")}>
      {jobs.map((job, index) => (
        <li
          key={job.id}
          className={classes.waiting}
          draggable={jobs.length > 1}
          data-dragged={job.id === dragged || undefined}
          data-target={index === target && job.id !== dragged ? edge(jobs, dragged, index) : undefined}
          onDragStart={(event) => {
            event.dataTransfer.effectAllowed = "move";
            event.dataTransfer.setData("text/plain", titleOf(job)); // without data, Firefox drags nothing
            setDragged(job.id);
          }}
          onDragOver={(event) => onDragOver(event, index)}
          onDrop={(event) => onDrop(event, index)}
          onDragEnd={() => {
            setDragged(null);
            setTarget(null);
          }}
        >
          <WaitingJob
            job={job}
            place={index}
            count={jobs.length}
            onMove={(to) => put(job.id, to)}
            onDetails={() => onDetails(job)}
          />
        </li>
      ))}
    </ol>
  );
}

/** On which side of the job under the pointer the dragged one will lie. */
function edge(jobs: Job[], dragged: string | null, index: number): "before" | "after" {
  return jobs.findIndex((job) => job.id === dragged) < index ? "after" : "before";
}
