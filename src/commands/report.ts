import { loadConfig } from "../config.ts";
import { collectReport, reportText } from "../flows/report.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

/** Prints the KPIs of everything that is stored here. */
export async function report(options: OutputOptions): Promise<void> {
  const config = loadConfig();
  const figures = await withCore(config, (core) => collectReport(core.records, config.worth));
  print(options, figures, () => reportText(figures));
}
