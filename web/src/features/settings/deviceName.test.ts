import { expect, test } from "vitest";
import { device } from "@/features/settings/deviceName";

const chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

test("a browser is named by what it is, not by what it claims to be like", () => {
  expect(device(`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Edg/156.0`).browser).toBe("Edge");
  expect(device(`Mozilla/5.0 (X11; Linux x86_64) ${chrome}`).browser).toBe("Chrome");
});

test("phones are told from computers", () => {
  const iphone =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Version/19 Safari/604";
  expect(device(iphone)).toEqual({ browser: "Safari", system: "iPhone", isPhone: true });
  expect(device(`Mozilla/5.0 (Linux; Android 16; Pixel) ${chrome}`).isPhone).toBe(true);
});

test("a program that says nothing of itself has no name", () => {
  expect(device("curl/8.0")).toEqual({ browser: null, system: null, isPhone: false });
});
