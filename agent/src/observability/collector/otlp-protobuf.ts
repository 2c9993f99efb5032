/** Converts OTLP traces from protobuf to the JSON form. The schema is that of opentelemetry-proto 1.x. */
import protobuf from 'protobufjs'

/** The parts we read of trace.proto, common.proto, resource.proto and trace_service.proto; other fields are skipped. */
const SCHEMA = `
syntax = "proto3";
message AnyValue {
  oneof value {
    string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
    ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
  }
}
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
message Link { bytes trace_id = 1; bytes span_id = 2; repeated KeyValue attributes = 4; }
message Status { string message = 2; int32 code = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
  repeated Event events = 11; repeated Link links = 13; Status status = 15;
}
message ScopeSpans { repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message TracesRequest { repeated ResourceSpans resource_spans = 1; }
message PartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
message TracesAnswer { PartialSuccess partial_success = 1; }
message RpcStatus { int32 code = 1; string message = 2; }
`
const { root } = protobuf.parse(SCHEMA)
const TracesRequest = root.lookupType('TracesRequest')
const answers = { TracesAnswer: root.lookupType('TracesAnswer'), RpcStatus: root.lookupType('RpcStatus') }

interface Ids {
  traceId?: string
  spanId?: string
  parentSpanId?: string
  links?: Ids[]
}
interface Request {
  resourceSpans?: { scopeSpans?: { spans?: Ids[] }[] }[]
}

/** @throws an error that says where the message is broken. */
export function decodeTraces(body: Uint8Array): unknown {
  const request = TracesRequest.toObject(TracesRequest.decode(body), { longs: String, bytes: String }) as Request
  for (const span of (request.resourceSpans ?? []).flatMap(r => (r.scopeSpans ?? []).flatMap(s => s.spans ?? []))) {
    // Bytes are base64 in JSON, except ids, which are hexadecimal.
    for (const each of [span, ...(span.links ?? [])]) {
      for (const key of ['traceId', 'spanId', 'parentSpanId'] as const) {
        if (each[key] !== undefined) each[key] = Buffer.from(each[key], 'base64').toString('hex')
      }
    }
  }
  return request
}

export function encodeAnswer(type: keyof typeof answers, value: object): Buffer {
  return Buffer.from(answers[type].encode(answers[type].fromObject(value)).finish())
}
