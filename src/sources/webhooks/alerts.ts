import { createHash } from "node:crypto";
import { z } from "zod";
import type { Labels } from "../../domain/telemetry.ts";
import type { EpochMs } from "../../domain/time.ts";
import type { IncomingAlert } from "../../flows/alert.ts";
import { type Delivery, line, prose, type Reader, timestamp, webLink } from "./payload.ts";

const labelMap = z.record(z.string().max(200), z.union([z.string(), z.number(), z.boolean()]).transform(String)).default({});

/** Alertmanager's webhook body, version 4; Grafana's has the same core. https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
const alertmanagerBody = z.object({
  version: z.string().optional(),
  alerts: z
    .array(
      z.object({
        status: z.enum(["firing", "resolved"]),
        labels: labelMap,
        annotations: labelMap,
        startsAt: timestamp,
        endsAt: timestamp.optional(),
        generatorURL: z.string().optional(),
        dashboardURL: z.string().optional(),
        panelURL: z.string().optional(),
        fingerprint: z.string().min(1).max(200).optional(),
      }),
    )
    .max(10_000),
});

/** Labels that name the service, most telling first. */
export const SERVICE_LABELS: readonly string[] = [
  "service",
  "service_name",
  "service.name",
  "destination_service_name",
  "app",
  "application",
  "app_kubernetes_io_name",
  "deployment",
  "component",
  "job",
];

/** Reads Alertmanager and Grafana, which tell alerts apart by the fingerprint of their labels. */
export function alertmanagerReader(source: "alertmanager" | "grafana", serviceLabels: readonly string[]): Reader {
  return (body) => {
    const { alerts } = alertmanagerBody.parse(body);
    return {
      id: null,
      alerts: alerts.map(({ status, labels, annotations, startsAt, endsAt, fingerprint, ...links }): IncomingAlert => {
        const clean = cleanLabels(labels);
        return {
          source,
          fingerprint: fingerprint ?? fingerprintOf(labels),
          state: status,
          title: line(labels.alertname ?? annotations.summary ?? "alert"),
          summary: prose(annotations.summary ?? annotations.description ?? annotations.message, 500),
          service: serviceOf(clean, serviceLabels),
          severity: severityOf(labels.severity ?? labels.priority),
          labels: clean,
          startsAt,
          endsAt: status === "resolved" ? (endsAt ?? null) : null,
          link:
            webLink(links.dashboardURL) ??
            webLink(links.panelURL) ??
            webLink(links.generatorURL) ??
            webLink(annotations.runbook_url),
        };
      }),
    };
  };
}

/** PagerDuty's v3 webhook: one incident event a request. https://developer.pagerduty.com/docs/webhooks-overview */
const pagerDutyBody = z.object({
  event: z.object({
    id: z.string().min(1).max(200),
    event_type: z.string().min(1).max(100),
    occurred_at: timestamp,
    data: z
      .object({
        id: z.string().min(1).max(100),
        title: z.string().optional(),
        html_url: z.string().nullish(),
        number: z.number().optional(),
        urgency: z.string().nullish(),
        created_at: timestamp.optional(),
        service: z.object({ id: z.string().optional(), summary: z.string().optional() }).nullish(),
        priority: z.object({ summary: z.string().nullish() }).nullish(),
      })
      .optional(),
  }),
});

const PAGERDUTY_STATES: Readonly<Record<string, IncomingAlert["state"]>> = {
  "incident.triggered": "firing",
  "incident.reopened": "firing",
  "incident.unacknowledged": "firing",
  "incident.resolved": "resolved",
};

export const pagerDutyReader: Reader = (body): Delivery => {
  const { event } = pagerDutyBody.parse(body);
  const state = PAGERDUTY_STATES[event.event_type];
  const { data } = event;
  if (!state || !data) return { id: event.id, ignored: `${line(event.event_type, 80)} is not an alert` };
  const title = line(data.title ?? `PagerDuty incident ${data.number ?? data.id}`);
  // An incident keeps its beginning through all its episodes; an episode is told by when it was triggered, reopened or resolved.
  const triggered = event.event_type === "incident.triggered";
  return {
    id: event.id,
    alerts: [
      {
        source: "pagerduty",
        fingerprint: data.id,
        state,
        title,
        summary: title,
        service: line(data.service?.summary, 100) || null,
        severity: data.urgency === "low" ? "warning" : "critical",
        labels: data.priority?.summary ? { priority: line(data.priority.summary, 40) } : {},
        startsAt: triggered ? (data.created_at ?? event.occurred_at) : event.occurred_at,
        endsAt: state === "resolved" ? event.occurred_at : null,
        link: webLink(data.html_url),
      },
    ],
  };
};

const genericAlert = z.strictObject({
  id: z.string().min(1).max(200).optional(),
  state: z.enum(["firing", "resolved"]).default("firing"),
  title: z.string().min(1).max(1_000),
  summary: z.string().max(10_000).default(""),
  service: z.string().min(1).max(200).optional(),
  severity: z.string().max(40).optional(),
  labels: labelMap,
  startsAt: timestamp.optional(),
  endsAt: timestamp.optional(),
  link: z.string().max(2_000).optional(),
});
const genericList = z.strictObject({ alerts: z.array(genericAlert).min(1).max(10_000) });

/** Our own shape, for everything that can send JSON: one alert, or `{"alerts": [...]}`. */
export function genericAlertReader(serviceLabels: readonly string[]): Reader {
  return (body, _headers, now) => {
    const many = typeof body === "object" && body !== null && "alerts" in body;
    const alerts = many ? genericList.parse(body).alerts : [genericAlert.parse(body)];
    return { id: null, alerts: alerts.map((alert) => fromGeneric(alert, serviceLabels, now)) };
  };
}

function fromGeneric(alert: z.output<typeof genericAlert>, serviceLabels: readonly string[], now: EpochMs): IncomingAlert {
  const labels = cleanLabels(alert.labels);
  return {
    source: "generic",
    fingerprint: alert.id ?? fingerprintOf({ ...alert.labels, title: alert.title, service: alert.service ?? "" }),
    state: alert.state,
    title: line(alert.title),
    summary: prose(alert.summary, 500),
    service: line(alert.service, 100) || serviceOf(labels, serviceLabels),
    severity: severityOf(alert.severity),
    labels,
    startsAt: alert.startsAt ?? now,
    endsAt: alert.state === "resolved" ? (alert.endsAt ?? now) : null,
    link: webLink(alert.link),
  };
}

/** Words for severity in use among monitoring systems; what is not known is a warning. */
function severityOf(text: string | undefined): IncomingAlert["severity"] {
  const word = (text ?? "").toLowerCase();
  if (/^(critical|crit|page|fatal|emergency|high|error|disaster|sev-?[01]|p[01])$/.test(word)) return "critical";
  return /^(info|information|informational|notice|low|none|debug|ok|sev-?[45]|p[45])$/.test(word) ? "info" : "warning";
}

function serviceOf(labels: Labels, names: readonly string[]): string | null {
  for (const name of names) if (labels[name]) return labels[name];
  return null;
}

function cleanLabels(labels: Labels): Labels {
  const entries = Object.entries(labels).slice(0, 50);
  return Object.fromEntries(entries.map(([name, value]) => [line(name, 80), line(value, 200)]));
}

/** The same labels in any order give the same fingerprint. */
const fingerprintOf = (labels: Labels): string =>
  createHash("sha256")
    .update(JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))))
    .digest("hex")
    .slice(0, 16);
