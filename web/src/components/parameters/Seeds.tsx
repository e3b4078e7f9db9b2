import { ActionIcon, Group, NumberInput, SimpleGrid, Tooltip } from "@mantine/core";
import { IconDice3, IconRecycle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useOwnPaintings } from "../../api/queries";
import { useDraft } from "../../state/draft";
import { Field } from "../Field";
import { RequestNumber } from "../request/RequestNumber";
import { useField } from "../request/useField";

export function Seeds() {
  const { t } = useTranslation("paint");
  return (
    <>
      <SeedNumber name="seed" aside={<SeedButtons />} />
      <RequestNumber name="variation_strength" slider={[0, 1]} step={0.05} decimals={3} />
      <SeedNumber name="variation_seed" />
      <SimpleGrid cols={2} spacing="sm">
        <RequestNumber name="seed_width" placeholder={t("off")} />
        <RequestNumber name="seed_height" placeholder={t("off")} />
      </SimpleGrid>
    </>
  );
}

/** All digits count: a number as JavaScript has them would round the longest seeds. */
function SeedNumber({ name, aside }: { name: "seed" | "variation_seed"; aside?: ReactNode }) {
  const { t } = useTranslation("paint");
  const value = useDraft((draft) => draft.request[name]);
  const set = useDraft((draft) => draft.set);
  const { label, help } = useField(name);
  return (
    <Field label={label} help={help} aside={aside}>
      <NumberInput
        value={value ?? ""}
        onChange={(next) => set({ [name]: next === "" ? undefined : next })}
        placeholder={t("random")}
        allowDecimal={false}
        allowNegative={false}
        size="sm"
      />
    </Field>
  );
}

function SeedButtons() {
  const { t } = useTranslation("paint");
  const set = useDraft((draft) => draft.set);
  const { data } = useOwnPaintings();
  const last = data?.jobs.find((job) => job.pictures.length > 0)?.pictures.at(-1)?.seed ?? null;
  return (
    <Group gap={2}>
      <Tooltip label={t("randomSeed")}>
        <ActionIcon
          variant="subtle"
          color="gray"
          size="sm"
          aria-label={t("randomSeed")}
          onClick={() => set({ seed: undefined })}
        >
          <IconDice3 size={16} aria-hidden />
        </ActionIcon>
      </Tooltip>
      <Tooltip label={t("reuseSeed")}>
        <ActionIcon
          variant="subtle"
          color="gray"
          size="sm"
          aria-label={t("reuseSeed")}
          disabled={last === null}
          onClick={() => last !== null && set({ seed: last })}
        >
          <IconRecycle size={16} aria-hidden />
        </ActionIcon>
      </Tooltip>
    </Group>
  );
}
