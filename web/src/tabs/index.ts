// The rooms of the studio, in the order of the rail. Each is loaded when it is first opened.

import {
  IconArrowsMaximize, IconBooks, IconBrush, IconCpu, IconGitMerge, IconGridDots, IconInfoCircle, IconLayoutGrid,
  IconList, IconSchool, IconSettings, type Icon,
} from "@tabler/icons-react";
import { lazy, type ComponentType, type LazyExoticComponent } from "react";
import type { Tab } from "../state/navigation";

export interface TabEntry {
  id: Tab;
  icon: Icon;
  component: LazyExoticComponent<ComponentType>;
}

export const tabs: TabEntry[] = [
  { id: "paint", icon: IconBrush, component: lazy(() => import("./Paint")) },
  { id: "gallery", icon: IconLayoutGrid, component: lazy(() => import("./Gallery")) },
  { id: "queue", icon: IconList, component: lazy(() => import("./Queue")) },
  { id: "extras", icon: IconArrowsMaximize, component: lazy(() => import("./Extras")) },
  { id: "info", icon: IconInfoCircle, component: lazy(() => import("./PictureInfo")) },
  { id: "merger", icon: IconGitMerge, component: lazy(() => import("./Merger")) },
  { id: "train", icon: IconSchool, component: lazy(() => import("./Train")) },
  { id: "plot", icon: IconGridDots, component: lazy(() => import("./Plot")) },
  { id: "models", icon: IconBooks, component: lazy(() => import("./Models")) },
  { id: "settings", icon: IconSettings, component: lazy(() => import("./Settings")) },
  { id: "system", icon: IconCpu, component: lazy(() => import("./System")) },
];
