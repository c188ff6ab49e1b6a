// What a filter counts. All shards of a proxy count into the same metric; the host shows it by its name.
// A metric is made at the top level of a filter's file and defined once, when it is first used: before that a host has none.

import { OK, proxy_define_metric, proxy_get_metric, proxy_increment_metric, proxy_record_metric } from './abi';
import { temporary } from './arena';
import { bytes, Slice } from './slice';

enum Kind {
  Counter,
  Gauge,
  Histogram,
}

@unmanaged
class Metric {
  protected id: u32;
  protected kind: u32;
  protected name: Slice;

  /** Defines it, so that it is shown with 0 before anything is counted: for onConfigure(). */
  define(): u32 {
    if (this.id == 0) {
      const out = temporary(4);
      store<u32>(out, 0);
      proxy_define_metric(this.kind, this.name.ptr, this.name.length, out);
      this.id = load<u32>(out);
    }
    return this.id;
  }

  protected current(): u64 {
    const out = temporary(8);
    return proxy_get_metric(this.define(), out) == OK ? load<u64>(out) : 0;
  }
}

/** It only grows. */
@unmanaged
export class Counter extends Metric {
  add(count: i64 = 1): void {
    proxy_increment_metric(this.define(), count);
  }

  /** What all shards have counted. */
  value(): u64 {
    return this.current();
  }
}

/** It goes up and down. */
@unmanaged
export class Gauge extends Metric {
  add(difference: i64): void {
    proxy_increment_metric(this.define(), difference);
  }

  set(value: u64): void {
    proxy_record_metric(this.define(), value);
  }

  value(): u64 {
    return this.current();
  }
}

/** How values are spread. */
@unmanaged
export class Histogram extends Metric {
  record(value: u64): void {
    proxy_record_metric(this.define(), value);
  }
}

export function counter(name: string): Counter {
  return changetype<Counter>(metric(Kind.Counter, name));
}

export function gauge(name: string): Gauge {
  return changetype<Gauge>(metric(Kind.Gauge, name));
}

export function histogram(name: string): Histogram {
  return changetype<Histogram>(metric(Kind.Histogram, name));
}

// @ts-ignore: decorator
@unmanaged
class Made extends Metric {
  set(kind: u32, name: Slice): void {
    this.id = 0;
    this.kind = kind;
    this.name = name;
  }
}

function metric(kind: Kind, name: string): usize {
  const made = heap.alloc(offsetof<Metric>());
  changetype<Made>(made).set(kind, bytes(name));
  return made;
}
