import { Alert, Button, Group, Loader, Tabs, Text, TextInput } from "@mantine/core";
import { IconRefresh, IconSearch, IconX } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { useModels, useSystem } from "../../api/queries";
import type { ModelKind } from "../../api/types";
import { explain, notify, notifyError } from "../../components/notify";
import { Page } from "../../components/Page";
import { ModelRow } from "./ModelRow";
import classes from "./Models.module.css";

const KINDS: ModelKind[] = ["checkpoints", "loras", "embeddings", "hypernetworks", "controlnet", "vae", "upscale_models"];

/** All that the library holds, by kind. */
export default function Models() {
  const { t } = useTranslation("models");
  const { data: models, error } = useModels();
  const { data: system } = useSystem();
  const [text, setText] = useState("");
  const [kind, setKind] = useState<ModelKind>("checkpoints");
  const wanted = models?.filter(({ name }) => name.toLowerCase().includes(text.trim().toLowerCase()));
  const count = (of: ModelKind) => wanted?.filter((model) => model.kind === of).length ?? 0;
  return (
    <Page title={t("title")} about={system?.models_dir ? t("about", { folder: system.models_dir }) : t("aboutNone")} aside={<Buttons />}>
      {error && <Alert color="red">{explain(error)}</Alert>}
      {!models && !error && <Loader size="sm" aria-label={t("reading")} />}
      {wanted && (
        <>
          <TextInput
            aria-label={t("search")}
            placeholder={t("search")}
            leftSection={<IconSearch size={16} aria-hidden />}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            maw={360}
            mb="sm"
          />
          <Tabs value={kind} onChange={(next) => next && setKind(next as ModelKind)} keepMounted={false}>
            <Tabs.List mb="sm">
              {KINDS.map((one) => (
                <Tabs.Tab key={one} value={one}>
                  {t(`kinds.${one}`)}
                  {count(one) > 0 && ` (${count(one)})`}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            {KINDS.map((one) => (
              <Tabs.Panel key={one} value={one}>
                <Text size="sm" c="dimmed">
                  {t(`about_${one}`)}
                </Text>
                <ul className={classes.list}>
                  {wanted
                    .filter((model) => model.kind === one)
                    .map((model) => (
                      <ModelRow key={model.name} model={model} />
                    ))}
                </ul>
                {count(one) === 0 && (
                  <Text size="sm" mt="md">
                    {t(text ? "nothingFound" : "nothing")}
                  </Text>
                )}
              </Tabs.Panel>
            ))}
          </Tabs>
        </>
      )}
    </Page>
  );
}

function Buttons() {
  const { t } = useTranslation("models");
  const queries = useQueryClient();
  const renew = () => Promise.all([["models"], ["choices"]].map((queryKey) => queries.invalidateQueries({ queryKey })));
  const refresh = useMutation({
    mutationFn: () => api.post<unknown>("/models/refresh"),
    onSuccess: renew,
    onError: notifyError,
  });
  const unload = useMutation({
    mutationFn: () => api.post<undefined>("/models/unload"),
    onSuccess: () => notify(t("unloading")),
    onError: notifyError,
  });
  return (
    <Group gap="xs">
      <Button
        variant="default"
        leftSection={<IconRefresh size={18} aria-hidden />}
        loading={refresh.isPending}
        onClick={() => refresh.mutate()}
      >
        {t("refresh")}
      </Button>
      <Button
        variant="default"
        leftSection={<IconX size={18} aria-hidden />}
        loading={unload.isPending}
        onClick={() => unload.mutate()}
      >
        {t("unload")}
      </Button>
    </Group>
  );
}
