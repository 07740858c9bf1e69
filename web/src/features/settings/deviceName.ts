const browsers: [RegExp, string][] = [
  [/\bEdg(?:e|A|iOS)?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\b(?:Firefox|FxiOS)\//, "Firefox"],
  [/\b(?:Chrome|CriOS|HeadlessChrome)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];

const systems: [RegExp, string, boolean][] = [
  [/\biPhone\b/, "iPhone", true],
  [/\biPad\b/, "iPad", true],
  [/\bAndroid\b/, "Android", true],
  [/\bWindows\b/, "Windows", false],
  [/\bCrOS\b/, "ChromeOS", false],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS", false],
  [/\bLinux\b/, "Linux", false],
];

export interface Device {
  /** Null where the browser does not say. */
  browser: string | null;
  system: string | null;
  isPhone: boolean;
}

/** What a user-agent line says about a device, as far as a person cares. */
export function device(userAgent: string): Device {
  const system = systems.find(([pattern]) => pattern.test(userAgent));
  return {
    browser: browsers.find(([pattern]) => pattern.test(userAgent))?.[1] ?? null,
    system: system?.[1] ?? null,
    isPhone: system?.[2] ?? false,
  };
}
