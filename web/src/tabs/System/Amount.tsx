import { Group, Progress, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { bytes } from "../../components/format";

interface Props {
  label: string;
  used: number;
  total: number;
}

const SCARCE = 0.9; // of the whole in use, from where on it is worth a warning

/** A bar: how much of the whole is in use. */
export function Amount({ label, used, total }: Props) {
  const { t } = useTranslation("system");
  return (
    <div>
      <Group justify="space-between" gap="xs">
        <Text size="sm">{label}</Text>
        <Text size="sm" c="dimmed">
          {t("used", { used: bytes(used), total: bytes(total) })}
        </Text>
      </Group>
      <Progress
        value={total > 0 ? Math.min(100, (100 * used) / total) : 0}
        color={used / total > SCARCE ? "red" : undefined}
        aria-label={label}
      />
    </div>
  );
}
