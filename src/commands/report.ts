import { openCore } from "../app.ts";
import { loadConfig } from "../config.ts";
import { collectReport, reportText } from "../flows/report.ts";
import { type OutputOptions, print } from "./output.ts";

/** Prints the KPIs of everything that is stored here. */
export async function report(options: OutputOptions): Promise<void> {
  const config = loadConfig();
  const core = await openCore(config);
  try {
    const figures = await collectReport(core.records, config.worth);
    print(options, figures, () => reportText(figures));
  } finally {
    await core.close();
  }
}
