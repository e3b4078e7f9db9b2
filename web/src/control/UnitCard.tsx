import { ActionIcon, Badge, Collapse, Group, Paper, Stack, Switch, Text, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronDown, IconChevronRight, IconTrash } from "@tabler/icons-react";
import { useId } from "react";
import { useTranslation } from "react-i18next";
import type { ControlUnit, Preprocessor } from "../api/types";
import { PicturePlace } from "../canvas/PicturePlace";
import { useDraft } from "../state/draft";
import { Preprocessing } from "./Preprocessing";
import { Steering } from "./Steering";
import { REFERENCE } from "./units";

export interface UnitProps {
  unit: ControlUnit;
  onChange: (unit: ControlUnit) => void;
  /** Names of the library. */
  models: readonly string[];
  preprocessors: readonly Preprocessor[];
}

interface Props extends UnitProps {
  /** From 1. */
  number: number;
  onRemove: () => void;
}

export function UnitCard({ number, onRemove, ...props }: Props) {
  const { t } = useTranslation("control");
  const { unit, onChange } = props;
  const start = useDraft(({ request }) => request.init_image);
  const [opened, { toggle }] = useDisclosure(true);
  const body = useId();
  const name = unit.model === REFERENCE ? t("reference") : unit.model;
  const Chevron = opened ? IconChevronDown : IconChevronRight;
  return (
    <Paper withBorder p="sm" component="article" aria-label={t("unit", { number })}>
      <Group wrap="nowrap" gap="xs">
        <UnstyledButton onClick={toggle} aria-expanded={opened} aria-controls={body} flex={1} miw={0}>
          <Group wrap="nowrap" gap="xs">
            <Chevron size={16} aria-hidden style={{ flex: "none" }} />
            <Text size="sm" fw={500} truncate>
              {number}. {name}
            </Text>
            {!unit.image && (
              <Badge size="sm" variant="light" color="gray" flex="none" tt="none">
                {t("noPicture")}
              </Badge>
            )}
          </Group>
        </UnstyledButton>
        <Switch
          size="sm"
          aria-label={t("enabled", { number })}
          checked={unit.enabled !== false}
          onChange={(event) => onChange({ ...unit, enabled: event.currentTarget.checked })}
        />
        <ActionIcon variant="subtle" color="gray" aria-label={t("remove", { number })} onClick={onRemove}>
          <IconTrash size={17} aria-hidden />
        </ActionIcon>
      </Group>
      <Collapse expanded={opened} id={body}>
        <Stack gap="sm" pt="sm">
          <PicturePlace
            value={unit.image || null}
            onChange={(image) => onChange({ ...unit, image: image ?? "" })}
            start={start}
            label={t("picture")}
            height={140}
          />
          <Preprocessing {...props} />
          <Steering {...props} />
        </Stack>
      </Collapse>
    </Paper>
  );
}
