import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Job, Picture } from "../../api/types";
import { PictureThumb } from "../../components/PictureThumb";
import { openViewer } from "../../viewer";
import classes from "./Train.module.css";

const SIZE = 112; // pixels of a small picture

/** What was painted on the way: a row for each prompt, a column for each time. */
export function SampleGrid({ job }: { job: Job }) {
  const { t } = useTranslation("train");
  const samples = job.pictures.filter(({ role }) => role === "sample");
  const prompts = Array.isArray(job.result?.sample_prompts) ? job.result.sample_prompts.map(String) : [];
  const every = typeof job.result?.sample_every === "number" ? job.result.sample_every : 0;
  if (samples.length === 0 || prompts.length === 0) return null;
  const columns = [...new Set(samples.map(({ index }) => Math.floor(index / prompts.length)))].sort((a, b) => a - b);
  const at = new Map(samples.map((picture) => [picture.index, picture]));
  const cell = (picture: Picture | undefined) =>
    picture && <PictureThumb picture={picture} size={SIZE} onClick={() => openViewer(samples, samples.indexOf(picture))} />;
  return (
    <section aria-label={t("run.samples")}>
      <Text size="sm" fw={600}>
        {t("run.samples")}
      </Text>
      <div className={classes.samples} tabIndex={0} role="group" aria-label={t("run.samples")}>
        <table>
          <thead>
            <tr>
              <td />
              {columns.map((column) => (
                <th key={column} scope="col">
                  {t("run.atStep", { step: column * every })}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {prompts.map((prompt, row) => (
              <tr key={row}>
                <th scope="row">{prompt}</th>
                {columns.map((column) => (
                  <td key={column}>{cell(at.get(column * prompts.length + row))}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
