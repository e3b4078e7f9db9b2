import { lazy, Suspense } from "react";
import { useViewer } from "./state";

const Viewer = lazy(() => import("./Viewer"));
const Compare = lazy(() => import("./Compare"));

/** Where the viewer appears once something opens it; the page has one. */
export function ViewerHost() {
  const index = useViewer((state) => state.index);
  const pair = useViewer((state) => state.pair);
  return (
    <Suspense fallback={null}>
      {index !== null && <Viewer />}
      {pair && <Compare pair={pair} />}
    </Suspense>
  );
}
