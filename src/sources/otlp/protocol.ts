import protobuf from "protobufjs";

/**
 * The messages of OTLP 1.x that Vigil reads, by field number, as the OpenTelemetry protocol specification defines them.
 * Unknown fields are skipped, as protobuf asks for.
 */
type FieldSpec = readonly [number, string] | readonly [number, string, "repeated"] | readonly [number, string, "map"];

const messages: Readonly<Record<string, Readonly<Record<string, FieldSpec>>>> = {
  AnyValue: {
    stringValue: [1, "string"],
    boolValue: [2, "bool"],
    intValue: [3, "int64"],
    doubleValue: [4, "double"],
    arrayValue: [5, "ArrayValue"],
    kvlistValue: [6, "KeyValueList"],
    bytesValue: [7, "bytes"],
  },
  ArrayValue: { values: [1, "AnyValue", "repeated"] },
  KeyValueList: { values: [1, "KeyValue", "repeated"] },
  KeyValue: { key: [1, "string"], value: [2, "AnyValue"] },
  Scope: { name: [1, "string"], version: [2, "string"] },
  Resource: { attributes: [1, "KeyValue", "repeated"] },

  MetricsRequest: { resourceMetrics: [1, "ResourceMetrics", "repeated"] },
  ResourceMetrics: { resource: [1, "Resource"], scopeMetrics: [2, "ScopeMetrics", "repeated"] },
  ScopeMetrics: { scope: [1, "Scope"], metrics: [2, "Metric", "repeated"] },
  Metric: {
    name: [1, "string"],
    unit: [3, "string"],
    gauge: [5, "Gauge"],
    sum: [7, "Sum"],
    histogram: [9, "Histogram"],
    exponentialHistogram: [10, "ExponentialHistogram"],
    summary: [11, "Summary"],
  },
  Gauge: { dataPoints: [1, "NumberDataPoint", "repeated"] },
  Sum: { dataPoints: [1, "NumberDataPoint", "repeated"], aggregationTemporality: [2, "int32"], isMonotonic: [3, "bool"] },
  Histogram: { dataPoints: [1, "HistogramDataPoint", "repeated"], aggregationTemporality: [2, "int32"] },
  ExponentialHistogram: { dataPoints: [1, "ExponentialHistogramDataPoint", "repeated"], aggregationTemporality: [2, "int32"] },
  Summary: { dataPoints: [1, "SummaryDataPoint", "repeated"] },
  NumberDataPoint: {
    startTimeUnixNano: [2, "fixed64"],
    timeUnixNano: [3, "fixed64"],
    asDouble: [4, "double"],
    asInt: [6, "sfixed64"],
    attributes: [7, "KeyValue", "repeated"],
    flags: [8, "uint32"],
  },
  HistogramDataPoint: {
    startTimeUnixNano: [2, "fixed64"],
    timeUnixNano: [3, "fixed64"],
    count: [4, "fixed64"],
    sum: [5, "double"],
    bucketCounts: [6, "fixed64", "repeated"],
    explicitBounds: [7, "double", "repeated"],
    attributes: [9, "KeyValue", "repeated"],
    flags: [10, "uint32"],
  },
  ExponentialHistogramDataPoint: {
    attributes: [1, "KeyValue", "repeated"],
    startTimeUnixNano: [2, "fixed64"],
    timeUnixNano: [3, "fixed64"],
    count: [4, "fixed64"],
    sum: [5, "double"],
    scale: [6, "sint32"],
    zeroCount: [7, "fixed64"],
    positive: [8, "Buckets"],
    flags: [10, "uint32"],
  },
  Buckets: { offset: [1, "sint32"], bucketCounts: [2, "uint64", "repeated"] },
  SummaryDataPoint: {
    startTimeUnixNano: [2, "fixed64"],
    timeUnixNano: [3, "fixed64"],
    count: [4, "fixed64"],
    sum: [5, "double"],
    quantileValues: [6, "ValueAtQuantile", "repeated"],
    attributes: [7, "KeyValue", "repeated"],
    flags: [8, "uint32"],
  },
  ValueAtQuantile: { quantile: [1, "double"], value: [2, "double"] },

  LogsRequest: { resourceLogs: [1, "ResourceLogs", "repeated"] },
  ResourceLogs: { resource: [1, "Resource"], scopeLogs: [2, "ScopeLogs", "repeated"] },
  ScopeLogs: { scope: [1, "Scope"], logRecords: [2, "LogRecord", "repeated"] },
  LogRecord: {
    timeUnixNano: [1, "fixed64"],
    severityNumber: [2, "int32"],
    severityText: [3, "string"],
    body: [5, "AnyValue"],
    attributes: [6, "KeyValue", "repeated"],
    traceId: [9, "bytes"],
    spanId: [10, "bytes"],
    observedTimeUnixNano: [11, "fixed64"],
  },

  TracesRequest: { resourceSpans: [1, "ResourceSpans", "repeated"] },
  ResourceSpans: { resource: [1, "Resource"], scopeSpans: [2, "ScopeSpans", "repeated"] },
  ScopeSpans: { scope: [1, "Scope"], spans: [2, "Span", "repeated"] },
  Span: {
    traceId: [1, "bytes"],
    spanId: [2, "bytes"],
    parentSpanId: [4, "bytes"],
    name: [5, "string"],
    kind: [6, "int32"],
    startTimeUnixNano: [7, "fixed64"],
    endTimeUnixNano: [8, "fixed64"],
    attributes: [9, "KeyValue", "repeated"],
    events: [11, "SpanEvent", "repeated"],
    status: [15, "Status"],
  },
  SpanEvent: { name: [2, "string"], attributes: [3, "KeyValue", "repeated"] },
  Status: { message: [2, "string"], code: [3, "int32"] },

  MetricsResponse: { partialSuccess: [1, "MetricsPartialSuccess"] },
  MetricsPartialSuccess: { rejectedDataPoints: [1, "int64"], errorMessage: [2, "string"] },
  LogsResponse: { partialSuccess: [1, "LogsPartialSuccess"] },
  LogsPartialSuccess: { rejectedLogRecords: [1, "int64"], errorMessage: [2, "string"] },
  TracesResponse: { partialSuccess: [1, "TracesPartialSuccess"] },
  TracesPartialSuccess: { rejectedSpans: [1, "int64"], errorMessage: [2, "string"] },
  /** google.rpc.Status, the body of every refusal. */
  RpcStatus: { code: [1, "int32"], message: [2, "string"] },
};

const root = new protobuf.Root();
for (const [name, fields] of Object.entries(messages)) {
  const type = new protobuf.Type(name);
  for (const [field, [id, fieldType, rule]] of Object.entries(fields)) type.add(new protobuf.Field(field, id, fieldType, rule));
  root.add(type);
}
root.resolveAll();

/** A decoded message: numbers of 64 bits are doubles (times keep microseconds), bytes are base64, enums are numbers, absent fields are absent. */
export type Message = Readonly<Record<string, unknown>>;

/** @throws when the bytes are not such a message, saying where. */
export function decode(type: string, bytes: Uint8Array): Message {
  const message = root.lookupType(type);
  return message.toObject(message.decode(bytes), { longs: Number, bytes: String, enums: Number });
}

export function encode(type: string, value: Message): Uint8Array {
  const message = root.lookupType(type);
  return message.encode(message.fromObject(value)).finish();
}
