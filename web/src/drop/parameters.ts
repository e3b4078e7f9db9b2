/** "Name: value" as A1111 writes them; a value with a comma in it stands in quotes. */
const SETTING = /\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/g;
const ENOUGH = 3; // of them in the last line make it one of settings, by A1111's own rule

/** Whether a text is how A1111 and its kin write down a picture: its last line holds the settings. */
export function isParameters(text: string): boolean {
  const last = text.trim().split("\n").at(-1) ?? "";
  return /(^|[\s,])(Steps|Seed|Sampler):/.test(last) && [...last.matchAll(SETTING)].length >= ENOUGH;
}
