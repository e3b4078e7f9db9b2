import { ActionIcon, Tooltip } from "@mantine/core";
import type { ComponentType, MouseEvent } from "react";

interface Props {
  label: string;
  /** As it is shown, such as "Ctrl+Z". */
  shortcut?: string;
  icon: ComponentType<{ size?: number; "aria-hidden"?: boolean }>;
  onClick: (event: MouseEvent) => void;
  /** Of a button that stays pressed. */
  pressed?: boolean;
  disabled?: boolean;
}

/** A button of a toolbar: a picture, whose name and key are told. */
export function Tip({ label, shortcut, icon: Icon, onClick, pressed, disabled }: Props) {
  return (
    <Tooltip label={shortcut ? `${label} (${shortcut})` : label} withArrow openDelay={300}>
      <ActionIcon
        variant={pressed ? "filled" : "subtle"}
        color={pressed ? undefined : "gray"}
        size={34}
        aria-label={label}
        aria-keyshortcuts={shortcut?.replace("Ctrl", "Control")}
        aria-pressed={pressed}
        onClick={onClick}
        disabled={disabled}
        bg={disabled ? "transparent" : undefined}
      >
        <Icon size={19} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
