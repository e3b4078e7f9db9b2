import { Button, Group, Stack, Text } from "@mantine/core";
import { IconDownload, IconMaximize } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { JobChoice, JobStatus, type ChosenJob } from "../../components/JobChoice";
import { openViewer } from "../../viewer";
import { downloadPicture } from "../../viewer/pictures";
import { CellDialog } from "./CellDialog";
import { gridOf, tableOf, type Cell } from "./table";
import { Table } from "./Table";

/** A plot while it is painted, and afterwards. */
export function Result({ chosen }: { chosen: ChosenJob }) {
  const { t } = useTranslation("plot");
  const [opened, setOpened] = useState<Cell | null>(null);
  const { job } = chosen;
  if (!job)
    return (
      <Text size="sm" c="dimmed">
        {t("nothing")}
      </Text>
    );
  const table = tableOf(job);
  const grid = gridOf(job);
  return (
    <Stack gap="sm">
      <JobChoice label={t("earlier")} {...chosen} />
      <JobStatus job={job} />
      {grid && (
        <Group gap="xs">
          <Button
            variant="default"
            size="compact-sm"
            leftSection={<IconDownload size={16} aria-hidden />}
            onClick={() => downloadPicture(grid)}
          >
            {t("download")}
          </Button>
          <Button
            variant="default"
            size="compact-sm"
            leftSection={<IconMaximize size={16} aria-hidden />}
            onClick={() => openViewer([grid], 0)}
          >
            {t("viewGrid")}
          </Button>
        </Group>
      )}
      {table && <Table table={table} onOpen={setOpened} />}
      {table && opened?.picture && (
        <CellDialog
          cell={{ ...opened, picture: opened.picture }}
          job={job}
          table={table}
          onClose={() => setOpened(null)}
          onRow={(row) => chosen.choose(row.id)}
        />
      )}
    </Stack>
  );
}
