// One filter in both hosts: each request sent through both, with the filter and without it; then what the filter logged, called
// by itself and counted.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Children } from '../children.ts';
import { Callee } from './callee.ts';
import { effects, isOfUnstable } from './effects.ts';
import { Upstream } from './exchange.ts';
import { type RunningProxy, type Start, startEnvoy, startWeft } from './proxies.ts';
import { type Difference, difference } from './report.ts';
import type { Case, Subject } from './subjects.ts';

/** A host of filters, and the services that its filters call. */
interface Host {
  readonly start: Start;
  readonly callee: Callee;
  calleePort: number;
  plain: RunningProxy | null;
}

/** Who has logged nothing for so long has logged all. */
const SETTLE_MS = 300;

export class Comparison {
  private readonly children: Children;
  private readonly folder: string;
  private readonly upstream = new Upstream();
  private readonly envoy: Host = { start: startEnvoy, callee: new Callee(), calleePort: 0, plain: null };
  private readonly weft: Host = { start: startWeft, callee: new Callee(), calleePort: 0, plain: null };
  private upstreamPort = 0;
  private started = 0;

  /** `folder` is the run's own. */
  constructor(children: Children, folder: string) {
    this.children = children;
    this.folder = folder;
  }

  async open(): Promise<void> {
    this.upstreamPort = await this.upstream.listen();
    await Promise.all(
      [this.envoy, this.weft].map(async (host) => {
        host.calleePort = await host.callee.listen();
        host.plain = await this.start(host, null);
      }),
    );
  }

  close(): void {
    this.upstream.close();
    this.envoy.callee.close();
    this.weft.callee.close();
  }

  async of(subject: Subject): Promise<Difference[]> {
    const [inEnvoy, inWeft] = await Promise.all([this.start(this.envoy, subject), this.start(this.weft, subject)]);
    for (const { callee } of [this.envoy, this.weft]) callee.taken();
    const start = ({ refused }: RunningProxy): string[] => (refused ? ['refuses it and does not start'] : []);
    const found = [
      difference('whether it starts', start(inEnvoy), start(inWeft), subject.differs['whether it starts']),
    ];
    for (const [number, one] of subject.cases.entries()) {
      const ofEnvoy = await this.effectsIn(this.envoy, inEnvoy, number, one);
      const ofWeft = await this.effectsIn(this.weft, inWeft, number, one);
      found.push(difference(one.name, ofEnvoy, ofWeft, one.differs));
    }
    await delay(subject.alone);
    if (subject.alone === 0) await settled([inEnvoy, inWeft]);
    const by = async (host: Host, proxy: RunningProxy): Promise<Record<string, readonly string[]>> => ({
      'what it logs': logged(subject, proxy.said()),
      'what it calls by itself': [...new Set(effectsOfCalls(host))].sort(),
      'what it counts': subject.metrics.length === 0 || proxy.refused ? [] : counted(subject, await proxy.figures()),
    });
    const [ofEnvoy, ofWeft] = [await by(this.envoy, inEnvoy), await by(this.weft, inWeft)];
    await Promise.all([inEnvoy.stop(), inWeft.stop()]);
    for (const what of Object.keys(ofEnvoy))
      found.push(difference(what, ofEnvoy[what], ofWeft[what], subject.differs[what]));
    return found.filter((each) => each !== null);
  }

  private start({ start, calleePort: callee }: Host, subject: Subject | null): Promise<RunningProxy> {
    const around = { upstream: this.upstreamPort, callee };
    return start(this.children, join(this.folder, String(this.started++)), around, subject);
  }

  private async effectsIn(host: Host, filtered: RunningProxy, number: number, one: Case): Promise<string[]> {
    if (filtered.refused) return [];
    const plain = await this.upstream.observe(host.plain!.port, number, one, host.callee);
    return effects(plain, await this.upstream.observe(filtered.port, number, one, host.callee));
  }
}

async function settled(proxies: readonly RunningProxy[]): Promise<void> {
  const lines = (): number => proxies.reduce((sum, proxy) => sum + proxy.said().length, 0);
  for (let before = -1; before !== lines(); ) {
    before = lines();
    await delay(SETTLE_MS);
  }
}

/** Since the last request. */
function effectsOfCalls({ callee }: Host): string[] {
  return callee.taken().map(({ first, body }) => `${first} ${body}`.trim());
}

/**
 * Each line once: hosts start a different number of instances, where a header stands among others means nothing, and how
 * often a timer was due is a matter of time.
 */
function logged({ varies }: Subject, lines: readonly string[]): string[] {
  const patterns = varies.map((pattern) => new RegExp(pattern, 'g'));
  const own = lines.filter((line) => !isOfUnstable(line));
  const plain = own.map((line) => patterns.reduce((text, pattern) => text.replace(pattern, '*'), line));
  return [...new Set(plain)].sort();
}

/** 'name 3', whatever the host writes in front of a name. */
function counted({ metrics }: Subject, figures: string): string[] {
  const found = figures.split('\n').flatMap((line) => {
    const name = metrics.find((each) => line.includes(each) && !line.startsWith('#'));
    return name === undefined ? [] : line.slice(line.indexOf(name)).replace('{}', '');
  });
  return found.sort();
}
