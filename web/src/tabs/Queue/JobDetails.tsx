import { Button, Code, Group, Modal } from "@mantine/core";
import { IconCopy } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useJob } from "../../api/queries";
import type { Job } from "../../api/types";
import { titleOf } from "../../components/jobTitle";
import { notify } from "../../components/notify";
import { toClipboard } from "../../viewer/CopyMenu";
import { useReturnFocus } from "../../viewer/useReturnFocus";
import { Failure } from "./Failure";
import classes from "./Queue.module.css";

/** All that the server knows of a job, as it says it. */
export function JobDetails({ job, onClose }: { job: Job; onClose: () => void }) {
  const { t } = useTranslation("queue");
  useReturnFocus();
  const { data = job } = useJob(job.id);
  const text = JSON.stringify(data, null, 2);
  const copy = async () => notify(t((await toClipboard(text)) ? "common:copied" : "viewer:copyFailed"));
  return (
    <Modal
      opened
      onClose={onClose}
      title={titleOf(job)}
      closeButtonProps={{ "aria-label": t("common:close") }}
      size="xl"
    >
      {data.error && <Failure error={data.error} />}
      <Group justify="flex-end" mb="xs">
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconCopy size={16} aria-hidden />}
          onClick={() => void copy()}
        >
          {t("common:copy")}
        </Button>
      </Group>
      <Code block className={classes.json} tabIndex={0}>
        {text}
      </Code>
    </Modal>
  );
}
