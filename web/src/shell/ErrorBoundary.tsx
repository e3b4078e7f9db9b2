import { Alert, Button, Stack } from "@mantine/core";
import { Component, type ReactNode } from "react";
import i18n from "../i18n";

/** Keeps a fault in one room from taking the whole page along. React has these only as classes. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Stack p="lg" maw={640}>
        <Alert color="red" title={i18n.t("roomFailed")}>
          {error.message}
        </Alert>
        <Button variant="light" onClick={() => location.reload()}>
          {i18n.t("reload")}
        </Button>
      </Stack>
    );
  }
}
