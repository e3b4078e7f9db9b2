import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { IconBrush, IconMaximize, IconRefresh } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { pictureUrl } from "../../api/client";
import { useSubmit } from "../../api/queries";
import type { GenerateSpec, Job, Picture, PlotSpec } from "../../api/types";
import { notify, notifyError } from "../../components/notify";
import { openViewer } from "../../viewer";
import { Rows } from "../../viewer/Rows";
import { useSend } from "../../viewer/send";
import { useRows } from "../../viewer/useRows";
import classes from "./Plot.module.css";
import { anotherSeed, type Cell, type PlotTable, rowAgain } from "./table";

interface Props {
  cell: Cell & { picture: Picture };
  job: Job;
  table: PlotTable;
  onClose: () => void;
  /** A row that was asked for again is a plot of its own. */
  onRow: (job: Job) => void;
}

/** A picture of the table, what painted it, and what can be done with that. */
export function CellDialog({ cell: { place, picture }, job, table, onClose, onRow }: Props) {
  const { t } = useTranslation("plot");
  const submit = useSubmit();
  const send = useSend();
  const { main, usual } = useRows(picture.request);
  const values = table.axes.flatMap(({ name, values }, i) => (name === "Nothing" ? [] : `${name}: ${values[place[i] ?? 0]}`));
  const pictures = job.pictures.filter(({ role }) => role === "picture");
  const [, y, z] = place;
  const row = rowAgain(job.spec as PlotSpec, table.at(0, y, z).picture);
  const again = (spec: GenerateSpec | PlotSpec, done: (job: Job) => void) =>
    submit.mutate({ spec }, { onSuccess: (job) => (done(job), onClose()), onError: notifyError });
  return (
    <Modal opened onClose={onClose} title={values.join(" · ")} size="xl" closeButtonProps={{ "aria-label": t("common:close") }}>
      <Stack gap="md">
        <img className={classes.large} src={pictureUrl(picture.id)} alt={picture.prompt || values.join(", ")} />
        <Group gap="xs">
          <Button
            variant="default"
            size="compact-md"
            leftSection={<IconMaximize size={16} aria-hidden />}
            onClick={() => (openViewer(pictures, pictures.indexOf(picture)), onClose())}
          >
            {t("view")}
          </Button>
          {picture.request && (
            <>
              <Button
                variant="default"
                size="compact-md"
                leftSection={<IconBrush size={16} aria-hidden />}
                onClick={() => picture.request && send.settings(picture.request)}
              >
                {t("load")}
              </Button>
              <Button
                variant="default"
                size="compact-md"
                leftSection={<IconRefresh size={16} aria-hidden />}
                loading={submit.isPending}
                onClick={() =>
                  picture.request &&
                  again({ kind: "generate", request: anotherSeed(picture.request) }, () => notify(t("queued")))
                }
              >
                {t("cellAgain")}
              </Button>
            </>
          )}
          {row && (
            <Button
              variant="default"
              size="compact-md"
              leftSection={<IconRefresh size={16} aria-hidden />}
              loading={submit.isPending}
              onClick={() => again(row, onRow)}
            >
              {t("rowAgain")}
            </Button>
          )}
        </Group>
        {picture.request?.prompt && <Text size="sm">{picture.request.prompt}</Text>}
        {picture.request?.negative_prompt && (
          <Text size="sm" c="dimmed">
            {`${t("viewer:negative")}: ${picture.request.negative_prompt}`}
          </Text>
        )}
        <Rows rows={main} />
        <details>
          <Text component="summary" size="sm" c="dimmed">
            {t("viewer:usual")}
          </Text>
          <Rows rows={usual} />
        </details>
      </Stack>
    </Modal>
  );
}
