// security-headers: responses get the headers that browsers protect users by, and lose those that tell what served them.
import {
  Action,
  bytes,
  Head,
  HttpFilter,
  Json,
  JsonKind,
  Level,
  log,
  logBytes,
  parseJson,
  register,
  Slice,
} from '@weft-mesh/weft/sdk';

const SET = bytes('set');
const REMOVE = bytes('remove');
const OVERWRITE = bytes('overwrite');
const HSTS = bytes('strict-transport-security');
const FORWARDED_PROTO = bytes('x-forwarded-proto');
const SCHEME = bytes(':scheme');
const HTTPS = bytes('https');

/** What applies without a configuration: safe for every site, and no policy that could break one. */
const DEFAULTS: StaticArray<Slice> = [
  HSTS,
  bytes('max-age=31536000; includeSubDomains'),
  bytes('x-content-type-options'),
  bytes('nosniff'),
  bytes('x-frame-options'),
  bytes('SAMEORIGIN'),
  bytes('referrer-policy'),
  bytes('strict-origin-when-cross-origin'),
  bytes('cross-origin-opener-policy'),
  bytes('same-origin'),
];
const REVEALING: StaticArray<Slice> = [bytes('server'), bytes('x-powered-by'), bytes('x-aspnet-version')];

class SecurityHeaders extends HttpFilter {
  names: Slice[] = [];
  values: Slice[] = [];
  removed: Slice[] = [];
  overwrite: bool = false;

  onConfigure(configuration: Slice): bool {
    for (let i = 0; i < DEFAULTS.length; i += 2) this.put(DEFAULTS[i], DEFAULTS[i + 1]);
    for (let i = 0; i < REVEALING.length; i++) this.removed.push(REVEALING[i]);
    if (configuration.length == 0) return true;
    const json = parseJson(configuration);
    if (!json.valid) {
      logBytes(Level.Error, json.problem());
      return false;
    }
    this.overwrite = json.get(OVERWRITE).toBool();
    for (let header = json.get(SET).first(); header.exists; header = header.next()) {
      if (header.kind == JsonKind.Null) this.drop(header.name());
      else if (header.kind == JsonKind.String) this.put(header.name().keep(), header.string().keep());
      else return this.refuse(header);
    }
    for (let name = json.get(REMOVE).first(); name.exists; name = name.next()) this.removed.push(name.string().keep());
    return true;
  }

  forStream(): HttpFilter {
    return new Stream(this);
  }

  /** In place of what the defaults or an earlier member say. */
  private put(name: Slice, value: Slice): void {
    this.drop(name);
    this.names.push(name);
    this.values.push(value);
  }

  private drop(name: Slice): void {
    for (let i = 0; i < this.names.length; i++) {
      if (!this.names[i].equals(name)) continue;
      this.names.splice(i, 1);
      this.values.splice(i, 1);
      return;
    }
  }

  private refuse(header: Json): bool {
    log(Level.Error, `set.${header.name().toString()} must be a text, or null for none`);
    return false;
  }
}

class Stream extends HttpFilter {
  /** Browsers ignore HSTS over plain HTTP, and a development server should not promise it. */
  private secure: bool = false;

  constructor(private readonly settings: SecurityHeaders) {
    super();
  }

  onRequestHeaders(head: Head): Action {
    const forwarded = head.get(FORWARDED_PROTO);
    this.secure = (forwarded.exists ? forwarded : head.get(SCHEME)).equals(HTTPS);
    return Action.Continue;
  }

  onResponseHeaders(head: Head): Action {
    const settings = this.settings;
    for (let i = 0; i < settings.removed.length; i++) head.remove(settings.removed[i]);
    for (let i = 0; i < settings.names.length; i++) {
      const name = settings.names[i];
      if (!this.secure && name.equals(HSTS)) continue;
      // What the service itself says is its own decision, unless the configuration says otherwise.
      if (settings.overwrite || !head.has(name)) head.set(name, settings.values[i]);
    }
    return Action.Continue;
  }
}

register(() => new SecurityHeaders());
