import { Group, Input, Tooltip, UnstyledButton } from "@mantine/core";
import { IconHelpCircle } from "@tabler/icons-react";
import { cloneElement, isValidElement, useId, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  label: ReactNode;
  /** A sentence or two; shown on hover, focus and touch. */
  help?: string;
  /** Beside the label, such as a small button. */
  aside?: ReactNode;
  error?: ReactNode;
  /** Of the control, where several elements stand here; without it the one child gets one, which the label names. */
  id?: string;
  children: ReactNode;
}

/** A label, its help and a control. */
export function Field({ label, help, aside, error, id, children }: Props) {
  const own = useId();
  return (
    <Input.Wrapper error={error}>
      <Group justify="space-between" wrap="nowrap" gap="xs" mb={4} mih={22}>
        <Group gap={4} wrap="nowrap">
          <Input.Label htmlFor={id ?? own}>{label}</Input.Label>
          {help && <Help text={help} />}
        </Group>
        {aside}
      </Group>
      {id === undefined && isValidElement<{ id?: string }>(children) ? cloneElement(children, { id: own }) : children}
    </Input.Wrapper>
  );
}

/** A question mark that explains. */
export function Help({ text }: { text: string }) {
  const { t } = useTranslation();
  return (
    <Tooltip label={text} multiline maw={320} withArrow events={{ hover: true, focus: true, touch: true }}>
      <UnstyledButton aria-label={`${t("help")}: ${text}`} c="dimmed" lh={1} style={{ display: "inline-flex" }}>
        <IconHelpCircle size={15} aria-hidden />
      </UnstyledButton>
    </Tooltip>
  );
}
