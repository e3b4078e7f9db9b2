import { ActionIcon, Group, SimpleGrid, Tooltip } from "@mantine/core";
import { IconDice3, IconRecycle } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useOwnPaintings } from "../../api/queries";
import { useDraft } from "../../state/draft";
import { RequestNumber } from "../request/RequestNumber";

export function Seeds() {
  const { t } = useTranslation("paint");
  return (
    <>
      <RequestNumber name="seed" placeholder={t("random")} aside={<SeedButtons />} />
      <RequestNumber name="variation_strength" slider={[0, 1]} step={0.05} decimals={3} />
      <RequestNumber name="variation_seed" placeholder={t("random")} />
      <SimpleGrid cols={2} spacing="sm">
        <RequestNumber name="seed_width" placeholder={t("off")} />
        <RequestNumber name="seed_height" placeholder={t("off")} />
      </SimpleGrid>
    </>
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
