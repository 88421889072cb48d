// The contract, loaded from the .proto files as they are, and the few conversions it asks for.
import { credentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const options = { keepCase: true, enums: String, longs: Number, arrays: true, defaults: true };
const jobline = loadSync('jobline/v1/work_service.proto', { ...options, includeDirs: [here('../../../protos')] });
const details = loadSync(here('rpc_status.proto'), { enums: String, defaults: true })['google.rpc.Details'].Decode;
const { WorkService } = loadPackageDefinition(jobline).jobline.v1;

const CHANNEL = {
  'grpc.keepalive_time_ms': 25_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_send_message_length': 4 << 20,
  'grpc.max_receive_message_length': 4 << 20,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

/** A client of one address, and the metadata that authenticates its calls. */
export function openClient(address, token) {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return { client: new WorkService(address, credentials.createInsecure(), CHANNEL), metadata };
}

/** The `reason` of the ErrorInfo that came with a status; empty without one. */
export function reasonOf(status) {
  const [packed] = status.metadata.get('grpc-status-details-bin');
  if (!packed) return '';
  const info = details.requestDeserialize(packed).details.find(({ type_url, typeUrl }) =>
    (type_url ?? typeUrl).endsWith('/google.rpc.ErrorInfo'));
  return info ? details.responseDeserialize(Buffer.from(info.value)).reason : '';
}

/** Seconds of a google.protobuf.Duration; `unset` where there is none. */
export const seconds = (duration, unset) => (duration ? duration.seconds + duration.nanos / 1e9 : unset);

export const duration = (value) => ({ seconds: Math.trunc(value), nanos: Math.round((value % 1) * 1e9) });

/** Seconds on a clock that nobody sets. */
export const monotonic = () => performance.now() / 1000;
