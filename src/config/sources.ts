import { existsSync } from "node:fs";
import { z } from "zod";
import { PRESETS, type PresetName, redTemplate, TemplateError } from "../sources/prometheus/presets.ts";
import { isLabelName } from "../sources/prometheus/selector.ts";
import { positive, webAddress } from "./values.ts";

const pem = z.string().refine((file) => existsSync(file), "there is no such file");

/** How to reach a telemetry backend. Only read: a token that may read is enough. */
const backend = {
  url: webAddress.optional(),
  token: z.string().min(1).optional().describe("sent as a bearer token"),
  username: z.string().min(1).optional(),
  password: z.string().min(1).optional(),
  headers: z.record(z.string().min(1), z.string()).default({}).describe("sent with every call"),
  tenant: z.string().min(1).optional().describe("X-Scope-OrgID of Mimir, Loki and Tempo"),
  tls: z
    .strictObject({
      caFile: pem.optional(),
      certFile: pem.optional(),
      keyFile: pem.optional(),
    })
    .prefault({})
    .describe("PEM files: who may answer, and who is asking"),
  timeoutSeconds: positive.max(120).default(10),
};
const hasAddress = ({ kind, url }: { readonly kind: string; readonly url?: string | undefined }) =>
  kind === "embedded" || url !== undefined;
const addressMissing = { path: ["url"], message: "say where it is: every kind but embedded needs an address" };
const label = z.string().refine(isLabelName, "must be a label's name: letters, digits and _");

const template = z
  .strictObject({
    service: label.describe("the label that holds the service's name"),
    requests: z.string().min(1).describe("counter of requests, as a selector"),
    failures: z.string().min(1).describe("counter of those that failed, as a selector"),
    duration: z.string().min(1).optional().describe("histogram without its suffix, as a selector"),
    unit: z.enum(["s", "ms"]).default("s"),
  })
  .superRefine((value, context) => {
    try {
      redTemplate(value);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
    }
  });

export const metricsSchema = z
  .strictObject({
    kind: z.enum(["embedded", "prometheus"]).default("embedded").describe("prometheus: also Mimir, Thanos, VictoriaMetrics"),
    ...backend,
    presets: z
      .array(z.enum(Object.keys(PRESETS) as [PresetName, ...PresetName[]]))
      .default(["opentelemetry"])
      .describe("where requests, failures and durations are found, the preferred first"),
    serviceLabel: label.optional().describe("holds the service's name instead of the label that the presets take"),
    templates: z.array(template).default([]).describe("of your own, tried before the presets"),
    serviceLabels: z.array(label).default([]).describe("hold a service's name on other metrics, for instance container"),
    matchers: z.record(label, z.string()).default({}).describe("added to every question, for instance namespace: shop"),
    allow: z.array(z.string().min(1)).default([]).describe("metrics that may be read, * for anything; empty means all"),
    scrapeSeconds: positive.max(600).default(15).describe("how often targets are scraped"),
  })
  .refine(hasAddress, addressMissing)
  .prefault({});

export const logsSchema = z
  .strictObject({
    kind: z.enum(["embedded", "loki", "elasticsearch"]).default("embedded").describe("elasticsearch: also OpenSearch"),
    ...backend,
    loki: z
      .strictObject({
        serviceLabel: label.default("service_name"),
        severityLabel: label.default("detected_level"),
        traceLabel: label.default("trace_id"),
      })
      .prefault({}),
    elasticsearch: z
      .strictObject({
        index: z
          .string()
          .regex(/^[^\s/?#]+$/, "must be an index, an alias or a pattern such as logs-*")
          .default("logs-*"),
        fields: z
          .strictObject({
            time: z.string().min(1).default("@timestamp"),
            service: z.string().min(1).default("service.name"),
            severity: z.string().min(1).default("log.level"),
            message: z.string().min(1).default("message"),
            trace: z.string().min(1).default("trace.id"),
          })
          .prefault({}),
      })
      .prefault({}),
  })
  .refine(hasAddress, addressMissing)
  .prefault({});

export const tracesSchema = z
  .strictObject({ kind: z.enum(["embedded", "tempo", "jaeger"]).default("embedded"), ...backend })
  .refine(hasAddress, addressMissing)
  .prefault({});
