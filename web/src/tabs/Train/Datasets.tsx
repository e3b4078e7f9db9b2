import { ActionIcon, Button, Group, Modal, Select, Stack, Text, TextInput, Tooltip } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { notifyError } from "../../components/notify";
import { useCreateDataset, useDataset, useDatasets, useDeleteDataset } from "./datasets";
import { DatasetView } from "./DatasetView";
import { useTrain } from "./form";

/** Choose a data set or make one, and look after its pictures. */
export function Datasets() {
  const { t } = useTranslation("train");
  const { data: names } = useDatasets();
  const { form, set } = useTrain();
  const create = useCreateDataset();
  const [name, setName] = useState("");
  const [deleting, setDeleting] = useState(false);
  // One that was deleted elsewhere is not asked for.
  const chosen = names?.includes(form.dataset ?? "") ? form.dataset : null;
  const make = () =>
    create.mutate(name.trim(), {
      onSuccess: () => (set({ dataset: name.trim() }), setName("")),
      onError: notifyError,
    });
  return (
    <Stack gap="lg">
      <Group align="end" gap="sm">
        <Select
          label={t("data.set")}
          placeholder={names?.length ? t("data.choose") : t("data.none")}
          data={names ?? []}
          value={chosen}
          onChange={(dataset) => set({ dataset })}
          disabled={!names?.length}
          miw={200}
        />
        {chosen && (
          <Tooltip label={t("data.delete")}>
            <ActionIcon variant="subtle" color="red" size={36} aria-label={t("data.delete")} onClick={() => setDeleting(true)}>
              <IconTrash size={18} aria-hidden />
            </ActionIcon>
          </Tooltip>
        )}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            make();
          }}
        >
          <Group align="end" gap="xs" wrap="nowrap">
            <TextInput
              label={t("data.new")}
              placeholder={t("data.namePlaceholder")}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              maxLength={100}
            />
            <Button type="submit" variant="default" leftSection={<IconPlus size={16} aria-hidden />} disabled={!name.trim()} loading={create.isPending}>
              {t("data.create")}
            </Button>
          </Group>
        </form>
      </Group>
      {chosen ? (
        <DatasetView key={chosen} name={chosen} />
      ) : (
        <Text size="sm" c="dimmed">
          {t("data.begin")}
        </Text>
      )}
      {chosen && <ConfirmDelete name={chosen} opened={deleting} onClose={() => setDeleting(false)} />}
    </Stack>
  );
}

function ConfirmDelete({ name, opened, onClose }: { name: string; opened: boolean; onClose: () => void }) {
  const { t } = useTranslation("train");
  const { data } = useDataset(name);
  const remove = useDeleteDataset();
  return (
    <Modal opened={opened} onClose={onClose} title={t("data.deleteTitle", { name })} centered closeButtonProps={{ "aria-label": t("common:close") }}>
      <Text size="sm" mb="md">
        {t("data.deleteText", { count: data?.pictures.length ?? 0 })}
      </Text>
      <Group justify="end" gap="xs">
        <Button variant="default" onClick={onClose}>
          {t("common:cancel")}
        </Button>
        <Button
          color="red"
          loading={remove.isPending}
          onClick={() =>
            remove.mutate(name, {
              onSuccess: () => (useTrain.getState().set({ dataset: null }), onClose()),
              onError: notifyError,
            })
          }
        >
          {t("common:delete")}
        </Button>
      </Group>
    </Modal>
  );
}
