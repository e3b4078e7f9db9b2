import { Button, Group, Modal, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useCancel, useQueueAction } from "../../api/queries";
import type { Queue } from "../../api/types";
import { notifyError } from "../../components/notify";

/** Cancel all that waits, or what runs too; it asks first. */
export function CancelAll({ queue }: { queue: Queue }) {
  const { t } = useTranslation("queue");
  const [asking, { open, close }] = useDisclosure(false);
  const act = useQueueAction();
  const cancel = useCancel();
  const { running, waiting } = queue;
  const clear = (all: boolean) => {
    act.mutate("clear", { onError: notifyError });
    if (all) for (const { id } of running) cancel.mutate({ id }, { onError: notifyError });
    close();
  };
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconX size={18} aria-hidden />}
        disabled={running.length + waiting.length === 0}
        onClick={open}
      >
        {t("cancelAll")}
      </Button>
      <Modal
        opened={asking}
        onClose={close}
        title={t("cancelAllTitle")}
        closeButtonProps={{ "aria-label": t("common:close") }}
        centered
      >
        <Text size="sm">{t("cancelAllText")}</Text>
        <Group justify="flex-end" mt="lg">
          <Button variant="default" onClick={close}>
            {t("keep")}
          </Button>
          {waiting.length > 0 && (
            <Button variant="light" color="red" onClick={() => clear(false)}>
              {t("cancelWaiting", { count: waiting.length })}
            </Button>
          )}
          {running.length > 0 && (
            <Button color="red" onClick={() => clear(true)}>
              {t("cancelEverything")}
            </Button>
          )}
        </Group>
      </Modal>
    </>
  );
}
