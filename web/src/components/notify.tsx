import { notifications } from "@mantine/notifications";
import { isUnreachable } from "../api/client";
import { inWords } from "../api/words";
import i18n from "../i18n";

/** What went wrong, in one line; or that there is no server. */
export function explain(error: unknown): string {
  if (isUnreachable(error)) return i18n.t("unreachable");
  return inWords(error instanceof Error ? error.message : String(error));
}

export function notifyError(error: unknown): void {
  notifications.show({ color: "red", title: i18n.t("failed"), message: explain(error), autoClose: 8000 });
}

export function notify(message: string): void {
  notifications.show({ message, autoClose: 3000 });
}
