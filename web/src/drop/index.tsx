import { useWindowEvent } from "@mantine/hooks";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { notify } from "../components/notify";
import { isTyping } from "../viewer/keys";
import classes from "./Drop.module.css";
import { isParameters } from "./parameters";

const DropDialog = lazy(() => import("./DropDialog"));

/** What was dropped or pasted; `back` puts a text where it would have gone without us. */
export type Dropped = { file: File } | { text: string; back?: () => void };

/** Pictures and parameter texts may be dropped and pasted anywhere; a place with a use of its own goes first. */
export function GlobalDrop() {
  const { t } = useTranslation("info");
  const [over, setOver] = useState(false);
  const [dropped, setDropped] = useState<Dropped | null>(null);

  const takeFiles = async (files: File[]) => {
    const [file] = files.filter((one) => one.type.startsWith("image/") || one.type === "text/plain");
    if (!file) return notify(t("drop.unusable"));
    if (files.length > 1) notify(t("drop.first", { name: file.name }));
    setDropped(file.type === "text/plain" ? { text: await file.text() } : { file });
  };

  useWindowEvent("dragover", (event) => {
    if (event.defaultPrevented || !hasFiles(event.dataTransfer)) return;
    event.preventDefault(); // or the browser would leave the page for the picture
    setOver(true);
  });
  useWindowEvent("dragleave", (event) => {
    if (event.relatedTarget === null) setOver(false);
  });
  // Seen on the way down, since a place with its own use keeps the event from coming up again.
  useWindowEvent("drop", () => setOver(false), { capture: true });
  useWindowEvent("drop", (event) => {
    if (event.defaultPrevented || !hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    void takeFiles([...(event.dataTransfer?.files ?? [])]);
  });
  useWindowEvent("paste", (event) => {
    if (event.defaultPrevented || dropped) return;
    const { target, clipboardData } = event;
    const text = clipboardData?.getData("text/plain") ?? "";
    const files = [...(clipboardData?.files ?? [])];
    // Office programs put a picture beside each text; who types wants the text.
    if (files.length > 0 && !(text && isTyping(target))) {
      event.preventDefault();
      void takeFiles(files);
    } else if (text.trim() && !isPlain(target) && (!isTyping(target) || isParameters(text))) {
      event.preventDefault();
      setDropped({ text, back: isTyping(target) ? () => insert(target as HTMLElement, text) : undefined });
    }
  });

  return (
    <>
      {over && <div className={classes.overlay}>{t("drop.here")}</div>}
      <Suspense fallback={null}>
        {dropped && <DropDialog dropped={dropped} onClose={() => setDropped(null)} />}
      </Suspense>
    </>
  );
}

function hasFiles(data: DataTransfer | null): boolean {
  return data?.types.includes("Files") ?? false;
}

/** A field that takes parameter texts itself. */
function isPlain(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("[data-plain-paste]") !== null;
}

/** As if it had been typed, so that it can be undone. No other call does this. */
function insert(target: HTMLElement, text: string): void {
  target.focus();
  document.execCommand("insertText", false, text);
}
