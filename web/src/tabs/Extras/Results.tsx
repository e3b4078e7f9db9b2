import { Button, Group, Stack, Text } from "@mantine/core";
import { IconDownload, IconMaximize } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { address } from "../../api/client";
import type { Job } from "../../api/types";
import { JobChoice, JobStatus, type ChosenJob } from "../../components/JobChoice";
import { PictureThumb } from "../../components/PictureThumb";
import { openViewer } from "../../viewer";
import { download, downloadPicture } from "../../viewer/pictures";
import { BeforeAfter } from "./BeforeAfter";

/** What came of an enlargement: each picture over the one that it was made from. */
export function Results({ chosen }: { chosen: ChosenJob }) {
  const { t } = useTranslation("extras");
  if (!chosen.job)
    return (
      <Text size="sm" c="dimmed">
        {t("nothing")}
      </Text>
    );
  return (
    <Stack gap="sm">
      <JobChoice label={t("earlier")} {...chosen} />
      <JobStatus job={chosen.job} />
      <Pictures key={chosen.job.id} job={chosen.job} />
    </Stack>
  );
}

function Pictures({ job }: { job: Job }) {
  const { t } = useTranslation("extras");
  const [index, setIndex] = useState(0);
  const pictures = job.pictures;
  const picture = pictures[Math.min(index, pictures.length - 1)];
  if (!picture) return null;
  const before = job.spec.kind === "upscale" ? job.spec.images[picture.index] : undefined;
  return (
    <>
      {before && <BeforeAfter before={before} after={picture} />}
      <Group gap="xs">
        <Text size="sm" c="dimmed" mr="auto">
          {`${picture.width} × ${picture.height}`}
        </Text>
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<IconMaximize size={16} aria-hidden />}
          onClick={() => openViewer(pictures, pictures.indexOf(picture))}
        >
          {t("open")}
        </Button>
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<IconDownload size={16} aria-hidden />}
          onClick={() => downloadPicture(picture)}
        >
          {t("download")}
        </Button>
        {pictures.length > 1 && (
          <Button
            variant="default"
            size="compact-sm"
            leftSection={<IconDownload size={16} aria-hidden />}
            onClick={() => download(address("/pictures/zip", { ids: pictures.map(({ id }) => id).join(",") }))}
          >
            {t("downloadAll")}
          </Button>
        )}
      </Group>
      {pictures.length > 1 && (
        <Group gap="xs">
          {pictures.map((one, place) => (
            <PictureThumb
              key={one.id}
              picture={one}
              size={72}
              selected={one === picture}
              onClick={() => setIndex(place)}
            />
          ))}
        </Group>
      )}
    </>
  );
}
