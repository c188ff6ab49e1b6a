// Who stands behind peers that do not simply pass HTTP/1.1 on: servers of HTTP/2 and of gRPC, and applications that send back what they
// are sent. Each is started when the first scenario wants it.

import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Children } from './children.ts';
import { answers, freePort } from './ports.ts';
import { find } from './programs.ts';
import type { Setup } from './setups.ts';

export interface UpstreamsSetting {
  readonly children: Children;
  readonly folder: string;
  /** Of answers. */
  readonly sizes: readonly number[];
  /** The port of the one that speaks HTTP/1.1. */
  readonly plain: number;
}

/** The method of gRPC that is asked, and the bytes of its answer, a message's five of a prefix among them. */
export const METHOD = '/bench.Echo/Unary.grpc';
export const MESSAGE_BYTES = 105;

const application = fileURLToPath(new URL(`./echo-app${extname(import.meta.filename)}`, import.meta.url));

export class Upstreams {
  private readonly setting: UpstreamsSetting;
  private readonly started = new Map<string, Promise<number>>();

  constructor(setting: UpstreamsSetting) {
    this.setting = setting;
  }

  port(behind: Setup['behind']): Promise<number> {
    if (behind === 'upstream' || behind === 'application' || behind === 'bookinfo') {
      return Promise.resolve(this.setting.plain);
    }
    const port = this.started.get(behind) ?? this.start(behind);
    this.started.set(behind, port);
    return port;
  }

  private async start(behind: 'h2' | 'grpc' | 'grpc-echo' | 'websocket'): Promise<number> {
    const { children, folder, sizes } = this.setting;
    const port = await freePort();
    const serves = (behind === 'h2' || behind === 'grpc') && find('nghttpd') !== null;
    const child = serves
      ? children.start('nghttpd', nghttpd(join(folder, behind), port, sizes, behind === 'grpc'))
      : children.start(process.execPath, [application, String(port), behind, ...sizes.map(String)]);
    const url = `http://127.0.0.1:${port}/300`;
    const expected = { bytes: 300, h2: behind !== 'websocket' };
    await answers(url, expected, { timeoutMs: 20_000, alive: () => child.alive() }).catch((error: Error) => {
      throw new Error(`the upstream of ${behind} does not serve: ${error.message}\n${child.output()}`);
    });
    return port;
  }
}

/** Files without content, which cost no disk. */
function nghttpd(folder: string, port: number, sizes: readonly number[], trailers: boolean): readonly string[] {
  const method = join(folder, METHOD);
  mkdirSync(join(method, '..'), { recursive: true });
  const types = join(folder, 'types');
  writeFileSync(types, 'application/grpc grpc\n');
  for (const [path, size] of [
    [method, MESSAGE_BYTES] as const,
    ...sizes.map((bytes) => [join(folder, String(bytes)), bytes] as const),
  ]) {
    const file = openSync(path, 'w');
    ftruncateSync(file, size);
    closeSync(file);
  }
  return [
    ...['-a', '127.0.0.1', '--no-tls', '-d', folder, '-m', '1000', '--mime-types-file', types],
    ...(trailers ? ['--trailer', 'grpc-status: 0'] : []),
    String(port),
  ];
}
