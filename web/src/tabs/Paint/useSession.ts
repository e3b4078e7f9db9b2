// The jobs of this browser tab, sending them, and painting on and on.

import { useEffect, useRef } from "react";
import { create } from "zustand";
import { useOwnPaintings, useSubmit } from "../../api/queries";
import { settled } from "../../canvas/keeping";
import { notifyError } from "../../components/notify";
import { useDraft } from "../../state/draft";
import { specOf } from "../../state/spec";
import { sessionOf, type Session } from "./session";

/** Found again by the tab's name at the server, and so also after a reload in the middle of a painting. */
export function useSession(): Session {
  const { data } = useOwnPaintings();
  return sessionOf(data?.jobs ?? []);
}

interface Forever {
  forever: boolean;
  setForever: (forever: boolean) => void;
}

export const useForever = create<Forever>((set) => ({ forever: false, setForever: (forever) => set({ forever }) }));

/** Sends the draft as it is now. */
export function useGenerate() {
  const submit = useSubmit();
  const generate = async (again = false) => {
    // The last strokes on the canvas are in the draft only then; where they cannot be sent, the canvas says so.
    await settled();
    const spec = specOf(useDraft.getState());
    // On and on with one seed would be the same picture on and on.
    if (again) spec.request = { ...spec.request, seed: null };
    return submit.mutateAsync({ spec });
  };
  return { generate, sending: submit.isPending, error: submit.error };
}

/** While it is switched on, the next job follows when the last one is done. Used once, by the tab. */
export function usePaintForever(session: Session) {
  const { forever, setForever } = useForever();
  const { generate, sending } = useGenerate();
  const sent = useRef<string | null>(null);
  const idle = session.going.length === 0;
  const last = session.jobs.find((job) => job.id === sent.current);
  // The list is told of a new job a little later than the answer to sending it comes.
  const ready = sent.current === null || last !== undefined;
  const failed = last?.state === "failed";
  useEffect(() => {
    if (!forever) sent.current = null;
    else if (failed) setForever(false);
    else if (idle && ready && !sending)
      generate(true).then(
        (job) => (sent.current = job.id),
        (error: unknown) => {
          setForever(false);
          notifyError(error);
        },
      );
    // The draft is read when it is sent, so that what is changed meanwhile counts.
  }, [forever, idle, ready, sending, failed]);
}
