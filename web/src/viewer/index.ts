export { ViewerHost } from "./ViewerHost";
export { openCompare, openViewer } from "./state";
