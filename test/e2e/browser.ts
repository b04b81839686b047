import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Path of an installed Chromium, or null: then the browser tests say so and are skipped, except under CI, where they fail. */
export function installedChromium(): string | null {
  const path = process.env.VIGIL_CHROMIUM ?? CHROMIUM.find((one) => existsSync(one)) ?? null;
  if (!path) {
    const hint = "No Chromium found: the browser tests need one (Debian: apt-get install chromium; or set VIGIL_CHROMIUM).";
    if (process.env.CI) throw new Error(hint);
    console.warn(`SKIPPED: ${hint}`);
  }
  return path;
}

export function openBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
