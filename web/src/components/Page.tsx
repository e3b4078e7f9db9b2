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

/** What is asked for on the left, what comes of it on the right; below each other on a narrow page. */
export function Columns({ children }: { children: ReactNode }) {
  return <div className={classes.columns}>{children}</div>;
}
