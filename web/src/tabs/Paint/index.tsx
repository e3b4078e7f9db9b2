import { Loader, SegmentedControl, Stack } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { lazy, Suspense, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Mode, Picture } from "../../api/types";
import { ModelPicker } from "../../components/ModelPicker";
import { Parameters } from "../../components/Parameters";
import { useField, useModelCard } from "../../components/request/useField";
import { useFollow } from "../../canvas/useFollow";
import ControlUnits from "../../control";
import { useDraft } from "../../state/draft";
import { partsOf } from "../../state/parts";
import { Ask } from "./Ask";
import { ControlGroup } from "./ControlGroup";
import classes from "./Paint.module.css";
import { Results } from "./Results";
import { Stage } from "./Stage";
import { useGenerate, usePaintForever, useSession } from "./useSession";

// It brings Konva, which who paints from text alone need not load.
const EditCanvas = lazy(() => import("../../canvas"));

const MODES: Mode[] = ["txt2img", "img2img", "inpaint"];

/** What is large in the middle: the picture that is edited (from text, the regions of the prompt), or the result. */
export type Face = "source" | "result";

export default function Paint() {
  const { t } = useTranslation("paint");
  const { mode, setMode, request, set } = useDraft();
  const session = useSession();
  const { generate, sending, error } = useGenerate();
  const [face, setFace] = useState<Face>(mode === "txt2img" ? "result" : "source");
  const [chosen, setChosen] = useState<Picture | null>(null);
  const model = useField("model");
  const sheet = useSheet();
  usePaintForever(session);
  useFollow(sheet);

  // A picture that comes in from elsewhere is to be seen.
  useEffect(() => setFace(mode === "txt2img" ? "result" : "source"), [mode, request.init_image]);

  const edits = mode !== "txt2img" || sheet !== null;
  const { active, pictures } = session;
  const shown = (chosen && pictures.find(({ id }) => id === chosen.id)) ?? (active ? null : (pictures[0] ?? null));

  const start = () => {
    setChosen(null);
    setFace("result");
    // Again afterwards: a sketch that was sent first is a picture that comes in, too
    const look = () => setFace("result");
    // Why it was refused stands beside the button.
    generate().then(look, () => setFace(mode === "txt2img" ? "result" : "source"));
  };
  useHotkeys([["mod+Enter", start]], []);

  return (
    <div className={classes.paint}>
      <div className={classes.side}>
        <section className={classes.ask} aria-label={t("ask")}>
          <SegmentedControl
            fullWidth
            data={MODES.map((value) => ({ value, label: t(`mode.${value}`) }))}
            value={mode}
            onChange={(next) => setMode(next as Mode)}
            aria-label={t("mode.title")}
          />
          <Ask onGenerate={start} sending={sending} error={error} session={session} />
        </section>
        <section className={classes.parameters} aria-label={t("parameters")}>
          <Stack gap="sm" pb="md">
            <ModelPicker
              label={model.label}
              help={model.help}
              value={request.model ?? null}
              onChange={(name) => set({ model: name ?? undefined })}
            />
          </Stack>
          <Parameters />
          <ControlGroup>
            <ControlUnits />
          </ControlGroup>
        </section>
      </div>
      <section className={classes.stage} aria-label={t("stage")}>
        {edits && (
          <SegmentedControl
            className={classes.face}
            size="xs"
            data={[
              { value: "source", label: t(mode === "txt2img" ? "face.regions" : "face.source") },
              { value: "result", label: t("face.result") },
            ]}
            value={face}
            onChange={(next) => setFace(next as Face)}
            aria-label={t("face.title")}
          />
        )}
        {edits && face === "source" ? (
          <Suspense fallback={<Loader m="auto" size="sm" />}>
            <EditCanvas />
          </Suspense>
        ) : (
          <Stage session={session} shown={shown} />
        )}
        <Results
          session={session}
          shown={face === "result" ? shown : null}
          onChoose={(picture) => {
            setChosen(picture);
            setFace("result");
          }}
        />
      </section>
    </div>
  );
}

/** The size of the sheet on which regions are painted; null where the prompt is one. */
function useSheet() {
  const { mode, request } = useDraft();
  const card = useModelCard();
  if (mode !== "txt2img" || partsOf(request).length < 2) return null;
  const native = card?.width ?? 512;
  return { width: request.width ?? native, height: request.height ?? card?.height ?? native };
}
