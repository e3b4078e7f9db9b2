import { Button, Stack, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useChoices, useModels } from "../api/queries";
import type { ControlUnit } from "../api/types";
import { useDraft } from "../state/draft";
import { UnitCard } from "./UnitCard";
import { newUnit } from "./units";

/** Pictures that steer the painting: each with a network that reads it, or with none. */
export default function ControlUnits() {
  const { t } = useTranslation("control");
  const { request, set } = useDraft();
  const { data: models = [] } = useModels("controlnet");
  const { data: choices } = useChoices();
  const units = request.controls ?? [];
  const preprocessors = choices?.preprocessors ?? [];
  const names = models.map(({ name }) => name);

  const write = (next: ControlUnit[]) => set({ controls: next.length ? next : undefined });
  const add = () => write([...units, newUnit(names, preprocessors.map(({ name }) => name))]);
  return (
    <Stack component="section" aria-label={t("title")} gap="sm">
      {units.length === 0 && (
        <Text size="sm" c="dimmed">
          {t("about")}
        </Text>
      )}
      {units.map((unit, i) => (
        <UnitCard
          key={i}
          number={i + 1}
          unit={unit}
          models={names}
          preprocessors={preprocessors}
          onChange={(changed) => write(units.map((each, j) => (j === i ? changed : each)))}
          onRemove={() => write(units.filter((_, j) => j !== i))}
        />
      ))}
      <Button
        variant="light"
        size="compact-sm"
        leftSection={<IconPlus size={16} aria-hidden />}
        onClick={add}
        style={{ alignSelf: "start" }}
      >
        {t("add")}
      </Button>
    </Stack>
  );
}
