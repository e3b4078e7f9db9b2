/** Whether keys belong to a control at this place: a text is typed there, or the arrows move something. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.closest("input, textarea, select, [role=menu], [role=slider]") !== null;
}
