import { Text } from "@mantine/core";
import { cloneElement, useId, type ReactElement } from "react";
import classes from "./Settings.module.css";

interface Props {
  label: string;
  help: string;
  /** The control; it is named by the label and described by the help. */
  children: ReactElement<{ id?: string; "aria-describedby"?: string }>;
}

/** A line: what it is, in words, and what sets it. */
export function Setting({ label, help, children }: Props) {
  const id = useId();
  return (
    <div className={classes.setting}>
      <div>
        <label htmlFor={id} className={classes.label}>
          {label}
        </label>
        <Text size="xs" c="dimmed" id={`${id}-help`}>
          {help}
        </Text>
      </div>
      {cloneElement(children, { id, "aria-describedby": `${id}-help` })}
    </div>
  );
}
