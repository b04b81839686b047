/** What was answered, by the question's key. */
export type Answers = Readonly<Record<string, string>>;

export interface Question {
  readonly key: string;
  readonly text: string;
  readonly choices?: readonly string[];
  /** Taken when the answer is empty. */
  readonly offered: string;
  readonly when: (answers: Answers) => boolean;
  /** What is wrong with an answer, or null. */
  readonly fault: (answer: string) => string | null;
}

const always = () => true;
const given =
  (key: string, ...values: readonly string[]) =>
  (answers: Answers) =>
    values.includes(answers[key] ?? "");

const oneOf = (choices: readonly string[]) => (answer: string) =>
  choices.includes(answer) ? null : `must be one of ${choices.join(", ")}`;
const filled = (answer: string) => (answer ? null : "must not be empty");
const address = (answer: string) =>
  URL.canParse(answer) && /^https?:$/.test(new URL(answer).protocol) ? null : "must be an address, like https://host:9090";
const anything = () => null;

const choice = (key: string, text: string, choices: readonly string[], when: Question["when"] = always): Question => ({
  key,
  text,
  choices,
  offered: choices[0] ?? "",
  when,
  fault: oneOf(choices),
});
const open = (
  key: string,
  text: string,
  offered: string,
  when: Question["when"],
  fault: Question["fault"] = filled,
): Question => ({ key, text, offered, when, fault });

/** In the order in which they are asked. */
export const questions: readonly Question[] = [
  choice("metrics", "Where are your metrics? embedded: services send OTLP to Vigil", ["embedded", "prometheus"]),
  open(
    "metricsUrl",
    "Address of Prometheus, Mimir, Thanos or VictoriaMetrics",
    "http://localhost:9090",
    given("metrics", "prometheus"),
    address,
  ),
  choice("logs", "Where are your logs?", ["embedded", "loki", "elasticsearch"]),
  open("logsUrl", "Its address", "http://localhost:3100", given("logs", "loki", "elasticsearch"), address),
  choice("traces", "Where are your traces?", ["embedded", "tempo", "jaeger"]),
  open("tracesUrl", "Its address", "http://localhost:3200", given("traces", "tempo", "jaeger"), address),
  choice("flags", "Which feature flags may Vigil take back, once approved?", ["none", "flagd", "unleash", "launchdarkly"]),
  open("flagsFile", "flagd's JSON file", "flags.json", given("flags", "flagd")),
  open("flagsUrl", "Address of Unleash, without /api", "http://localhost:4242", given("flags", "unleash"), address),
  open("flagsProject", "Project", "default", given("flags", "unleash", "launchdarkly")),
  open("flagsEnvironment", "Environment", "production", given("flags", "unleash", "launchdarkly")),
  choice("deploys", "Which deploys may Vigil roll back, once approved?", ["none", "gitops", "kubernetes", "argocd"]),
  open("repository", "Repository of versions: a folder, or an https or ssh address", "", given("deploys", "gitops")),
  open("namespace", "Namespace in which the services run", "default", given("deploys", "kubernetes")),
  open("kubeconfig", "Kubeconfig file (empty: the pod's service account)", "", given("deploys", "kubernetes"), anything),
  open("argocdUrl", "Address of Argo CD", "https://localhost:8080", given("deploys", "argocd"), address),
  open("channel", "Slack channel id for incidents (empty: only the local page)", "", always, (answer) =>
    answer === "" || /^[CG][A-Z0-9]{6,}$/.test(answer) ? null : "must be a channel's id, like C0123456789",
  ),
  open(
    "approvers",
    "Slack user ids that may approve, with commas between",
    "",
    (answers) => !!answers.channel,
    (answer) =>
      answer === "" || answer.split(",").every((id) => /^[UW][A-Z0-9]{6,}$/.test(id.trim()))
        ? null
        : "must be user ids, like U0123456789",
  ),
  choice("model", "Which model reasons? offline: Vigil's own reasoner, no model", ["offline", "openai", "other"]),
  open("modelUrl", "Address of an OpenAI-compatible endpoint", "http://localhost:11434/v1", given("model", "other"), address),
  open("modelName", "Model", "gpt-5-mini", given("model", "openai", "other")),
];

/** The configuration that answers come down to, and the variables whose secrets it needs. */
export function yamlFor(answers: Answers): {
  readonly config: Readonly<Record<string, unknown>>;
  readonly secrets: readonly string[];
} {
  const { metrics, logs, traces, flags, deploys, channel, model } = answers;
  const config: Record<string, unknown> = { knowledge: { folders: [] } };
  const secrets: string[] = [];
  if (metrics === "prometheus") config.metrics = { kind: metrics, url: answers.metricsUrl };
  if (logs !== "embedded") config.logs = { kind: logs, url: answers.logsUrl };
  if (traces !== "embedded") config.traces = { kind: traces, url: answers.tracesUrl };
  if (flags === "flagd") config.flags = { kind: flags, file: answers.flagsFile };
  if (flags === "unleash" || flags === "launchdarkly") {
    const where = { project: answers.flagsProject, environment: answers.flagsEnvironment };
    config.flags = { kind: flags, ...(flags === "unleash" ? { url: answers.flagsUrl } : {}), ...where };
    secrets.push("VIGIL_FLAGS_TOKEN");
  }
  if (deploys === "gitops") {
    config.deploys = { kind: deploys, repository: answers.repository };
    if (/^https?:/.test(answers.repository ?? "")) secrets.push("VIGIL_DEPLOYS_TOKEN");
  }
  if (deploys === "kubernetes") {
    config.deploys = { kind: deploys };
    config.kubernetes = {
      namespace: answers.namespace,
      ...(answers.kubeconfig ? { kubeconfig: answers.kubeconfig } : {}),
    };
  }
  if (deploys === "argocd") {
    config.deploys = { kind: deploys, url: answers.argocdUrl };
    secrets.push("VIGIL_DEPLOYS_TOKEN");
  }
  if (channel) {
    const approvers = (answers.approvers ?? "").split(",").map((id) => id.trim());
    config.slack = { channel, approvers: approvers.filter(Boolean) };
    secrets.push("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN");
  }
  if (model !== "offline") {
    config.model = { name: answers.modelName, ...(model === "other" ? { baseUrl: answers.modelUrl } : {}) };
    if (model === "openai") secrets.push("OPENAI_API_KEY");
  }
  return { config, secrets };
}
