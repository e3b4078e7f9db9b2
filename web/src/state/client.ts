// Who this browser tab is to the server: its jobs are found again under this name after a reload.

const KEY = "inkbloom.client";

export function clientId(): string {
  let id = sessionStorage.getItem(KEY);
  if (!id) {
    // randomUUID needs a secure context, which http on another host is not.
    const numbers = crypto.getRandomValues(new Uint32Array(3));
    id = `page-${Array.from(numbers, (number) => number.toString(36)).join("")}`;
    sessionStorage.setItem(KEY, id);
  }
  return id;
}
