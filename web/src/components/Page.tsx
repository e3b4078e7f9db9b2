import { Group, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./Page.module.css";

interface Props {
  title: string;
  /** What is done here, in a sentence. */
  about: string;
  /** Beside the title. */
  aside?: ReactNode;
  children: ReactNode;
}

/** A room with a heading. */
export function Page({ title, about, aside, children }: Props) {
  return (
    <div className={classes.page}>
      <Group justify="space-between" gap="xs">
        <Title order={1} className={classes.title}>
          {title}
        </Title>
        {aside}
      </Group>
      <Text size="sm" c="dimmed" mb="md" maw="60rem">
        {about}
      </Text>
      {children}
    </div>
  );
}

interface ColumnsProps {
  /** What is asked for. */
  children: ReactNode;
  /** What comes of it, and its name for those who cannot see where it is. */
  result: ReactNode;
  label: string;
}

/** A form on the left and results on the right; below each other on a narrow page. */
export function Columns({ children, result, label }: ColumnsProps) {
  return (
    <div className={classes.columns}>
      {children}
      <section id={RESULT} className={classes.result} aria-label={label}>
        {result}
      </section>
    </div>
  );
}

const RESULT = "result";

/** Goes where the result will be, where that is out of sight. */
export function showResult(): void {
  document.getElementById(RESULT)?.scrollIntoView({ block: "nearest" });
}
