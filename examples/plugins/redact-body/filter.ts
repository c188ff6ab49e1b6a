// redact-body: what should not leave the service is taken out of its answers: the values of named JSON fields, and numbers of
// payment cards. It holds a body until it is whole, so it belongs on threads of its own (isolation: pool).
import {
  Action,
  Body,
  bytes,
  Head,
  heldResponseBody,
  HttpFilter,
  Level,
  log,
  logBytes,
  parseJson,
  register,
  Slice,
} from '@weft-mesh/weft/sdk';
import { redactCards, redactFields } from './redact';

const FIELDS = bytes('fields');
const CARDS = bytes('cards');
const CONTENT_TYPE = bytes('content-type');
const CONTENT_ENCODING = bytes('content-encoding');
const IDENTITY = bytes('identity');
const ACCEPT_ENCODING = bytes('accept-encoding');
const ACCEPT_RANGES = bytes('accept-ranges');
const ETAG = bytes('etag');
const JSON_TYPE = bytes('json');
const TEXT_TYPE = bytes('text/');

class RedactBody extends HttpFilter {
  fields: Slice[] = [];
  cards: bool = true;

  onConfigure(configuration: Slice): bool {
    const json = parseJson(configuration);
    if (!json.valid) {
      logBytes(Level.Error, json.problem());
      return false;
    }
    for (let field = json.get(FIELDS).first(); field.exists; field = field.next()) {
      const name = field.string();
      if (name.length == 0) {
        log(Level.Error, 'fields must be names of JSON fields');
        return false;
      }
      this.fields.push(name.keep());
    }
    this.cards = json.get(CARDS).toBool(true);
    return true;
  }

  forStream(): HttpFilter {
    return new Stream(this);
  }
}

class Stream extends HttpFilter {
  private json: bool = false;
  private text: bool = false;

  constructor(private readonly settings: RedactBody) {
    super();
  }

  /** A compressed answer could not be read: the service is not asked for one. */
  onRequestHeaders(head: Head): Action {
    head.remove(ACCEPT_ENCODING);
    return Action.Continue;
  }

  onResponseHeaders(head: Head): Action {
    const type = head.get(CONTENT_TYPE);
    const encoding = head.get(CONTENT_ENCODING);
    const readable = !encoding.exists || encoding.equals(IDENTITY);
    this.json = readable && contains(type, JSON_TYPE);
    this.text = readable && (this.json || type.startsWith(TEXT_TYPE));
    // Its hash or version was of another body, and ranges of that mean nothing.
    if (this.text && !head.end) {
      head.remove(ETAG);
      head.remove(ACCEPT_RANGES);
    }
    return Action.Continue;
  }

  onResponseBody(body: Body): Action {
    if (!this.text) return Action.Continue;
    if (!body.end) return Action.Pause;
    this.redact(body);
    return Action.Continue;
  }

  /** Trailers end a body, too: no piece of it was the last. */
  onResponseTrailers(trailers: Head): Action {
    if (this.text) this.redact(heldResponseBody());
    return Action.Continue;
  }

  private redact(body: Body): void {
    const text = body.read();
    let changed = false;
    let left = text;
    if (this.json && this.settings.fields.length > 0) {
      left = redactFields(left, this.settings.fields);
      changed = left.ptr != text.ptr;
    }
    if (this.settings.cards && redactCards(left, this.json)) changed = true;
    if (changed) body.replace(left);
  }
}

function contains(text: Slice, part: Slice): bool {
  for (let i = 0; i + part.length <= text.length; i++) if (text.part(i, text.length).startsWith(part)) return true;
  return false;
}

register(() => new RedactBody());
