import { rankRootCauses } from "../diagnosis/index.ts";
import { readCaseFolder } from "./case-folder.ts";
import { type OutputOptions, print } from "./output.ts";

/** Ranks the services of one recorded incident by how likely each is where the trouble started. */
export async function diagnose(caseDir: string, options: OutputOptions): Promise<void> {
  const ranking = rankRootCauses(await readCaseFolder(caseDir));
  print(options, { ranking }, () =>
    ranking
      .slice(0, 10)
      .map(({ service, score, reasons }, index) =>
        [`${index + 1}. ${service} (${score.toFixed(2)})`, ...reasons.map((reason) => `   - ${reason}`)].join("\n"),
      )
      .join("\n"),
  );
}
