import { Badge, Button, Group, Text } from "@mantine/core";
import { IconBrush } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { useSaveSettings } from "../../api/queries";
import type { ModelCard } from "../../api/types";
import { bytes } from "../../components/format";
import { notify, notifyError } from "../../components/notify";
import { written } from "../../components/written";
import { useDraft } from "../../state/draft";
import { useNavigation } from "../../state/navigation";
import classes from "./Models.module.css";

/** One model: what is known of it, and what can be done with it. */
export function ModelRow({ model }: { model: ModelCard }) {
  const { t } = useTranslation("models");
  const facts = [model.family, model.purpose && t(`purpose.${model.purpose}`), bytes(model.bytes), sizeOf(model)];
  return (
    <li className={classes.model}>
      <div className={classes.facts}>
        <Group gap="xs">
          <span className={classes.name}>{model.name}</span>
          {model.default && (
            <Badge variant="light" tt="none">
              {t("default")}
            </Badge>
          )}
          {model.loaded && (
            <Badge variant="light" color="green" tt="none">
              {t("loaded")}
            </Badge>
          )}
        </Group>
        <Text size="sm" c="dimmed">
          {facts.filter(Boolean).join(" · ")}
        </Text>
        {model.description && !model.family && <Text size="sm">{model.description}</Text>}
        {model.hash && (
          <Text size="xs" c="dimmed" className={classes.hash}>
            {model.hash}
          </Text>
        )}
      </div>
      <Actions model={model} />
    </li>
  );
}

function Actions({ model }: { model: ModelCard }) {
  const { t } = useTranslation("models");
  const { go } = useNavigation();
  const save = useSaveSettings();
  const load = useMutation({
    mutationFn: () => api.post<unknown>("/models/load", { name: model.name }),
    onSuccess: () => notify(t("loading", { name: model.name })),
    onError: notifyError,
  });
  const { name, kind } = model;
  const text = kind === "loras" || kind === "hypernetworks" || kind === "embeddings" ? written(kind, name) : null;
  const paint = () => {
    const draft = useDraft.getState();
    if (kind === "checkpoints") draft.set({ model: name });
    else if (kind === "vae") draft.set({ vae: name });
    else if (text && !draft.request.prompt?.includes(text))
      draft.set({ prompt: [draft.request.prompt?.trim(), text].filter(Boolean).join(" ") });
    go("paint");
  };
  return (
    <Group gap="xs">
      {kind === "checkpoints" && (
        <>
          <Button
            variant="default"
            size="compact-sm"
            disabled={model.loaded}
            loading={load.isPending}
            aria-label={t("loadOf", { name })}
            onClick={() => load.mutate()}
          >
            {t("load")}
          </Button>
          <Button
            variant="default"
            size="compact-sm"
            disabled={model.default}
            aria-label={t("makeDefaultOf", { name })}
            onClick={() => save.mutate({ default_model: name }, { onError: notifyError })}
          >
            {t("makeDefault")}
          </Button>
        </>
      )}
      {(kind === "checkpoints" || kind === "vae" || text) && (
        <Button
          variant="light"
          size="compact-sm"
          leftSection={<IconBrush size={16} aria-hidden />}
          aria-label={t("useOf", { name })}
          onClick={paint}
        >
          {t("use")}
        </Button>
      )}
    </Group>
  );
}

const sizeOf = ({ width, height }: ModelCard) => width && height && `${width} × ${height}`;
