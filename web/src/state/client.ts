// Who this browser tab is to the server: its jobs are found again under this name after a reload.

const KEY = "inkbloom.client";

/** A name that nobody else has. */
export function randomId(): string {
  // randomUUID needs a secure context, which http on another host is not.
  const numbers = crypto.getRandomValues(new Uint32Array(3));
  return Array.from(numbers, (number) => number.toString(36)).join("");
}

export function clientId(): string {
  let id = sessionStorage.getItem(KEY);
  if (!id) {
    id = `page-${randomId()}`;
    sessionStorage.setItem(KEY, id);
  }
  return id;
}
