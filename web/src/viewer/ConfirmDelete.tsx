import { Button, Group, Modal, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Picture } from "../api/types";
import { useDeletePictures } from "./pictures";

interface ConfirmDeleteProps {
  /** Those that are to be deleted; none keeps the question away. */
  pictures: Picture[];
  onClose: () => void;
  onDeleted?: () => void;
}

export function ConfirmDelete({ pictures, onClose, onDeleted }: ConfirmDeleteProps) {
  const { t } = useTranslation("viewer");
  const remove = useDeletePictures();
  const count = pictures.length;
  const confirm = () => remove.mutate(pictures, { onSuccess: onDeleted, onSettled: onClose });
  return (
    <Modal
      opened={count > 0}
      onClose={onClose}
      title={t("deleteTitle", { count })}
      closeButtonProps={{ "aria-label": t("common:close") }}
      centered
      zIndex={400}
    >
      <Text size="sm">{t("deleteText", { count })}</Text>
      <Group justify="flex-end" mt="lg">
        <Button variant="default" onClick={onClose}>
          {t("common:cancel")}
        </Button>
        <Button color="red" loading={remove.isPending} onClick={confirm} data-autofocus>
          {t("common:delete")}
        </Button>
      </Group>
    </Modal>
  );
}
