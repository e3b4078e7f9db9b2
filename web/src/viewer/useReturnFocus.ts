import { useEffect, useState } from "react";

/** Gives the focus back to where it was when the caller goes: a dialog that comes and goes whole forgets it. */
export function useReturnFocus(): void {
  const [before] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      // A moment later, when the dialog has let it go.
      if (before instanceof HTMLElement) setTimeout(() => before.focus({ preventScroll: true }));
    },
    [before],
  );
}
