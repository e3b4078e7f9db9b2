import { Group, Input, Tooltip, UnstyledButton } from "@mantine/core";
import { IconHelpCircle } from "@tabler/icons-react";
import { useId, type ReactElement, type ReactNode, cloneElement } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  label: ReactNode;
  /** A sentence or two; shown on hover, focus and touch. */
  help?: string;
  /** Beside the label, such as a small button. */
  aside?: ReactNode;
  error?: ReactNode;
  /** One control; it gets its id from here, so that the label names it. */
  children: ReactElement<{ id?: string }>;
}

/** A label, its help and a control. */
export function Field({ label, help, aside, error, children }: Props) {
  const id = useId();
  return (
    <Input.Wrapper error={error}>
      <Group justify="space-between" wrap="nowrap" gap="xs" mb={4} mih={22}>
        <Group gap={4} wrap="nowrap">
          <Input.Label htmlFor={id}>{label}</Input.Label>
          {help && <Help text={help} />}
        </Group>
        {aside}
      </Group>
      {cloneElement(children, { id: children.props.id ?? id })}
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
