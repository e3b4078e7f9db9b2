import { afterAll, beforeAll, expect, test, vi } from "vitest";

vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
vi.stubGlobal("navigator", { languages: ["en"] });
vi.stubGlobal("document", { documentElement: {}, baseURI: "http://localhost/" });
const { default: i18n } = await import("../i18n");
const { inWords } = await import("./words");

beforeAll(() => i18n.changeLanguage("zh-CN"));
afterAll(() => i18n.changeLanguage("en"));

// As the server says them.
test.each([
  ["steps 50000: must be a whole number from 1 to 10000.", "迭代步数的值 50000 无效：须为 1 到 10000 之间的整数。"],
  ["width 65: must be a whole number from 64 to 8192 divisible by 8.", "宽度的值 65 无效：须为 64 到 8192 之间 8 的倍数。"],
  ["strength 2: must be a number from 0 to 1.", "重绘幅度的值 2 无效：须为 0 到 1 之间的数。"],
  ["tiling 'z': must be none or x or y or both.", "无缝平铺的值 'z' 无效：须为 none / x / y / both。"],
  [
    'Unknown sampler "Eular a". Did you mean "Euler a" or "Euler"?',
    '没有名为“Eular a”的采样器。您是否想用 "Euler a" / "Euler"？',
  ],
  [
    'model "x.y": There is no model "x.y" among the checkpoints of /a b/models. There are none at all.',
    "模型：/a b/models 的模型中没有“x.y”。目前一个也没有。",
  ],
  [
    'init_image "/etc/passwd": upload the picture first, and name it upload:ID, or picture:ID.',
    "起始图片“/etc/passwd”：请先上传图片。",
  ],
  ['There is no upload "abc".', "上传的图片“abc”已不存在，请重新选择。"],
  [
    "seed 18446744073709551615: with 3 pictures the last exceeds 18446744073709551615.",
    "种子 18446744073709551615 过大：生成 3 张图片时，最后一张会超过 18446744073709551615。",
  ],
  ["Job 1f is done; it would have to be queued or held.", "任务 1f 当前已完成，只有在等待 / 已搁置的任务才能这样操作。"],
  [
    "3 workers were lost over it, the last one so: The worker was ended by SIGKILL;" +
      " the system may have run out of memory.",
    "绘图进程连续 3 次意外退出，最后一次：绘图进程被 SIGKILL 终止，可能是系统内存不足。",
  ],
  ["mask_image: a mask needs the picture it belongs to; give init_image too", "蒙版需要对应的原图，请先选择原图"],
  ["Something nobody has thought of.", "Something nobody has thought of."],
])("%s", (line, expected) => expect(inWords(line)).toBe(expected));

test("in English the server's own line stays", async () => {
  await i18n.changeLanguage("en");
  expect(inWords('Unknown sampler "x".')).toBe('Unknown sampler "x".');
});
