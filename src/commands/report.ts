import { loadConfig } from "../config.ts";
import { DAY } from "../domain/time.ts";
import { collectReport, reportCsv, reportText } from "../flows/report.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

/** Prints the KPIs of everything that is stored here, or of the last days. */
export async function report(options: OutputOptions & { readonly csv?: boolean; readonly days?: number }): Promise<void> {
  const config = loadConfig();
  const since = options.days === undefined ? 0 : Date.now() - options.days * DAY;
  const figures = await withCore(config, (core) => collectReport(core.records, config.worth, since));
  if (options.csv) process.stdout.write(reportCsv(figures));
  else print(options, figures, () => reportText(figures));
}
