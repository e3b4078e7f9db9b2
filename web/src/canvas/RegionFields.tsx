import { Alert, SimpleGrid, Stack, Switch, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { RegionMask } from "../api/types";
import { NumberField } from "../components/NumberField";
import { useDraft } from "../state/draft";
import { partAt, useTools } from "./tools";
import { marginsOf } from "./view";

/** What a region does, and how that of the part at hand ends. */
export function RegionFields() {
  const { t } = useTranslation("canvas");
  const draft = useDraft();
  const { request, set } = draft;
  const margins = marginsOf(draft);
  const part = partAt(request, useTools().part);
  const region = request.regions?.find((each) => each.part === part);
  const change = (fields: Partial<RegionMask>) =>
    set({ regions: request.regions?.map((each) => (each.part === part ? { ...each, ...fields } : each)) });
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {t("region.help")}
      </Text>
      {Object.values(margins).some(Boolean) && (
        <Alert variant="light" color="orange" p="xs">
          {t("region.extended")}
        </Alert>
      )}
      {region && (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <NumberField
            label={t("region.blur")}
            value={region.blur ?? null}
            onChange={(blur) => change({ blur: blur ?? undefined })}
            placeholder={0}
            min={0}
            max={256}
            slider={[0, 64]}
          />
          <Switch
            mt="lg"
            label={t("region.invert")}
            checked={region.invert ?? false}
            onChange={(event) => change({ invert: event.currentTarget.checked || undefined })}
          />
        </SimpleGrid>
      )}
    </Stack>
  );
}
