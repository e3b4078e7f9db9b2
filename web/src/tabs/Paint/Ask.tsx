import { Alert, MultiSelect, Stack } from "@mantine/core";
import { useDebouncedValue, useDisclosure } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { isUnreachable } from "../../api/client";
import { useConnected } from "../../api/events";
import { useInspection, useStyles } from "../../api/queries";
import { Field } from "../../components/Field";
import { explain } from "../../components/notify";
import { PromptEditor } from "../../components/PromptEditor";
import { PromptInspector } from "../../components/PromptInspector";
import { useModelCard } from "../../components/request/useField";
import { useDraft } from "../../state/draft";
import { GenerateButtons } from "./GenerateButtons";
import { PlanLine } from "./PlanLine";
import type { Session } from "./session";

interface Props {
  onGenerate: () => void;
  sending: boolean;
  error: Error | null;
  session: Session;
}

/** The prompts, and the button. */
export function Ask({ onGenerate, sending, error, session }: Props) {
  const { t } = useTranslation("paint");
  const { request, set, styles, setExtras } = useDraft();
  const [inspecting, { open, close }] = useDisclosure();
  const card = useModelCard();
  const connected = useConnected();
  const { data: known = [] } = useStyles();
  const { prompt = "", negative_prompt: negative = "", dialect, model, steps } = request;
  const [asked] = useDebouncedValue(
    { prompt, negative_prompt: negative, model, dialect, steps: steps ?? card?.steps },
    350,
  );
  const inspection = useInspection(asked);
  const counts = (which: "prompt" | "negative_prompt") => {
    const read = inspection.data?.[which];
    return read && { used: read.tokens, room: read.capacity };
  };
  return (
    <Stack gap="sm">
      <PromptEditor
        label={t("prompt")}
        value={prompt}
        onChange={(next) => set({ prompt: next })}
        placeholder={t("promptHint")}
        dialect={dialect}
        onStyle={(name) => setExtras({ styles: [...styles.filter((other) => other !== name), name] })}
        tokens={counts("prompt")}
        onInspect={open}
      />
      <PromptEditor
        label={t("negativePrompt")}
        value={negative}
        onChange={(next) => set({ negative_prompt: next || undefined })}
        placeholder={t("negativeHint")}
        dialect={dialect}
        rows={1}
        tokens={counts("negative_prompt")}
        onInspect={open}
      />
      {(known.length > 0 || styles.length > 0) && (
        <Field label={t("styles")} help={t("stylesHelp")}>
          <MultiSelect
            data={[...new Set([...known.map((style) => style.name), ...styles])]}
            value={styles}
            onChange={(next) => setExtras({ styles: next })}
            placeholder={styles.length ? undefined : t("none", { ns: "common" })}
            clearable
            searchable
            size="sm"
          />
        </Field>
      )}
      <GenerateButtons onGenerate={onGenerate} sending={sending} session={session} />
      <PlanLine />
      {error && !(connected && isUnreachable(error)) && <Refusal text={explain(error)} />}
      <PromptInspector opened={inspecting} onClose={close} inspection={inspection.data} error={inspection.error} />
    </Stack>
  );
}

/** Into sight, as the button may have been pressed by the keyboard from far below. */
function Refusal({ text }: { text: string }) {
  const { t } = useTranslation("paint");
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.scrollIntoView({ block: "nearest" }), [text]);
  return (
    <Alert ref={place} color="red" p="xs" role="alert" title={t("refused")}>
      {text}
    </Alert>
  );
}
