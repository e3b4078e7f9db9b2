import { ScrollArea, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { api, previewUrl } from "../api/client";
import { usePreview } from "../api/events";
import type { Job } from "../api/types";
import classes from "./Filmstrip.module.css";

interface Props {
  job: Job;
  selected: number | null;
  /** null: the newest again. */
  onSelect: (step: number | null) => void;
}

/** The steps of the picture at work so far; a click shows one large. */
export function Filmstrip({ job, selected, onSelect }: Props) {
  const { t } = useTranslation();
  const news = usePreview(job.id);
  const { data } = useQuery({
    queryKey: ["steps", job.id, news?.picture, news?.step],
    queryFn: async ({ signal }) => ({
      ...(await api.get<{ steps: number[] }>(`/jobs/${job.id}/steps`, undefined, signal)),
      // Steps of the next picture have the same numbers: it is in their addresses, and stays with these steps.
      picture: news?.picture ?? 0,
    }),
    placeholderData: (before) => before,
    retry: false,
  });
  const steps = data?.steps ?? [];
  const viewport = useRef<HTMLDivElement>(null);
  const newest = steps.at(-1);
  useEffect(() => {
    if (selected === null) viewport.current?.scrollTo({ left: viewport.current.scrollWidth });
  }, [newest, selected]);
  if (steps.length < 2) return null;
  return (
    <ScrollArea type="auto" scrollbarSize={6} w="100%" viewportRef={viewport}>
      <div className={classes.strip} role="group" aria-label={t("filmstrip")}>
        {steps.map((step) => (
          <UnstyledButton
            key={step}
            className={classes.frame}
            aria-pressed={step === selected}
            aria-label={t("previewOfStep", { step })}
            onClick={() => onSelect(step === selected ? null : step)}
          >
            <img src={`${previewUrl(job.id, step)}&of=${data?.picture}`} alt="" loading="lazy" />
            <span>{step}</span>
          </UnstyledButton>
        ))}
      </div>
    </ScrollArea>
  );
}
