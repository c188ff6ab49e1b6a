// What the answer to envoy.service.auth.v3.Authorization/Check says: the one message behind its head, once its status is OK. Whatever
// is no such answer is a failed check. `dynamic_metadata` is passed over.

import { FieldName } from '../../http/head.ts';
import type { UpstreamFailure, UpstreamResponse } from '../../wasm/abi/upstreams.ts';
import { type Decision, type Edit, FAILED, type Fields } from './decision.ts';
import { Malformed, PREFIX, readMessage } from './protobuf.ts';

const GRPC_STATUS = new FieldName('grpc-status');
const OK = 0;
const FORBIDDEN = 403;
/** Of headers and query parameters that one answer speaks of. */
const MOST_EDITS = 256;

export function grpcDecision(outcome: UpstreamResponse | UpstreamFailure): Decision {
  if ('failure' in outcome || outcome.head.status !== 200) return FAILED;
  const { head, trailers, body } = outcome;
  // In an answer without a message the head is the trailers.
  if ((trailers ?? head).get(GRPC_STATUS) !== '0') return FAILED;
  if (body.length < PREFIX || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX) return FAILED;
  try {
    return checkResponse(body.subarray(PREFIX));
  } catch (error) {
    if (error instanceof Malformed) return FAILED;
    throw error;
  }
}

/** CheckResponse { status = 1, oneof { denied_response = 2, ok_response = 3, error_response = 5 }, dynamic_metadata = 4 }. */
function checkResponse(message: Buffer): Decision {
  let code = OK;
  let denied: Buffer = NOTHING;
  let allowed: Buffer = NOTHING;
  let failed = false;
  readMessage(message, {
    bytes(field, value) {
      if (field === 1) code = codeOf(value);
      else if (field === 2) denied = value;
      else if (field === 3) allowed = value;
      else if (field === 5) failed = true;
    },
  });
  if (code === OK) return okResponse(allowed);
  return failed ? FAILED : deniedResponse(denied);
}

const NOTHING = Buffer.alloc(0);

/** google.rpc.Status and envoy.type.v3.HttpStatus { code = 1 }. */
function codeOf(message: Buffer): number {
  let code = 0;
  readMessage(message, {
    number(field, value) {
      if (field === 1) code = value;
    },
  });
  return code;
}

/** DeniedHttpResponse { status = 1, headers = 2, body = 3 }. */
function deniedResponse(message: Buffer): Decision {
  let status = FORBIDDEN;
  let body: Buffer = NOTHING;
  const fields: Fields = [];
  readMessage(message, {
    bytes(field, value) {
      if (field === 1) status = codeOf(value);
      else if (field === 3) body = value;
      else if (field === 2) {
        const { name, value: text } = option(value);
        fields.push([name, text]);
        bounded(fields.length);
      }
    },
  });
  return { type: 'denied', status: status < 200 || status > 599 ? FORBIDDEN : status, body, fields };
}

/**
 * OkHttpResponse { headers = 2, headers_to_remove = 5, response_headers_to_add = 6, query_parameters_to_set = 7,
 * query_parameters_to_remove = 8 }. A header is added to what there is of its name where its option says so, and else replaces
 * it; one of the response's is added, unless told otherwise.
 */
function okResponse(message: Buffer): Decision {
  const replaced: Edit[] = [];
  const appended: Edit[] = [];
  const response: Edit[] = [];
  const remove: string[] = [];
  const set = new Map<string, string>();
  const unset = new Set<string>();
  let edits = 0;
  readMessage(message, {
    bytes(field, value) {
      if (field === 2 || field === 6) {
        const { name, value: text, append, action } = option(value);
        const toResponse = field === 6;
        if (toResponse) {
          const how = append === null ? ACTIONS[action] : append ? 'add' : 'set';
          response.push({ name, value: text, how });
        } else if (append === true) appended.push({ name, value: text, how: 'append' });
        else replaced.push({ name, value: text, how: append === null && action !== 0 ? ACTIONS[action] : 'set' });
      } else if (field === 5) remove.push(value.latin1Slice().toLowerCase());
      else if (field === 7) {
        const [name, text] = pair(value);
        set.set(name.toString('utf8'), text.toString('utf8'));
      } else if (field === 8) unset.add(value.toString('utf8'));
      else return;
      bounded(++edits);
    },
  });
  const query = set.size + unset.size === 0 ? null : { set, remove: unset };
  return { type: 'allowed', request: [...replaced, ...appended], remove, query, response };
}

/** HeaderAppendAction. */
const ACTIONS: readonly Edit['how'][] = ['add', 'absent', 'set', 'existing'];

function bounded(edits: number): void {
  if (edits > MOST_EDITS) throw new Malformed(`an answer changes more than ${MOST_EDITS} fields`);
}

/** HeaderValueOption { header = 1, append = 2: BoolValue { value = 1 }, append_action = 3 }. */
function option(message: Buffer): {
  readonly name: string;
  readonly value: string;
  readonly append: boolean | null;
  readonly action: number;
} {
  let header: Buffer = NOTHING;
  let append: boolean | null = null;
  let action = 0;
  readMessage(message, {
    bytes(field, value) {
      if (field === 1) header = value;
      else if (field === 2) append = codeOf(value) !== 0;
    },
    number(field, value) {
      if (field === 3) action = value;
    },
  });
  if (action >= ACTIONS.length) throw new Malformed('a header is to be put in no known way');
  const [name, value] = pair(header);
  return { name: name.latin1Slice().toLowerCase(), value: value.latin1Slice(), append, action };
}

/** HeaderValue { key = 1, value = 2, raw_value = 3 } and QueryParameter { key = 1, value = 2 }. */
function pair(message: Buffer): readonly [name: Buffer, value: Buffer] {
  let name: Buffer = NOTHING;
  let text: Buffer = NOTHING;
  readMessage(message, {
    bytes(field, value) {
      if (field === 1) name = value;
      else if (field === 2 || field === 3) text = value;
    },
  });
  return [name, text];
}
