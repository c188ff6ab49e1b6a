// node bench/conformance/grpc.ts CLIENT SERVER: gRPC's interoperability client of Go against its server, each under `mesh run`, so that
// every call goes through two sidecars over mutual TLS. Prints the cases that fail and ends with 1 when there are any.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tellUsage } from '../../scripts/usage.ts';
import { ready } from '../bookinfo/weft.ts';
import { Children } from '../children.ts';
import { freePort } from '../ports.ts';

const MESH = join(import.meta.dirname, '../../cli/mesh.ts');
const MOST_S = 30;
const CASES = [
  ...['empty_unary', 'large_unary', 'client_streaming', 'server_streaming', 'ping_pong', 'empty_stream'],
  ...['timeout_on_sleeping_server', 'cancel_after_begin', 'cancel_after_first_response', 'custom_metadata'],
  ...['status_code_and_message', 'special_status_message', 'unimplemented_method', 'unimplemented_service'],
];

async function main(): Promise<number> {
  tellUsage(
    'node bench/conformance/grpc.ts CLIENT SERVER: google.golang.org/grpc/interop/client and .../server, built by `go install`',
  );
  const [client, server] = process.argv.slice(2);
  if (server === undefined) {
    console.error('two programs are needed: go install google.golang.org/grpc/interop/{client,server}@latest');
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'weft-grpc-'));
  const children = new Children();
  const mesh = (...args: string[]) => children.start(process.execPath, [MESH, ...args], { MESH_HOME: folder }, 1 << 16);
  try {
    await ready(mesh('up', '--port', '0', '--json'));
    const port = String(await freePort());
    const serving = ['--service', 'interop', '--port', port, '--protocol', 'grpc', '--probe-tcp', port, '--json'];
    await ready(mesh('run', ...serving, '--', server, `--port=${port}`));
    const script = join(folder, 'cases.sh');
    const call = `timeout ${MOST_S} '${client}' --server_host=interop --server_port=${port} --test_case=$case`;
    const told = '&& echo "$case passes" || echo "$case fails"';
    writeFileSync(script, `for case in ${CASES.join(' ')}; do ${call} >/dev/null 2>&1 ${told}; done\n`);
    const calling = mesh('run', '--service', 'client', '--', 'sh', script);
    await calling.ended;
    const passes = CASES.filter((name) => calling.output().includes(`${name} passes`));
    for (const name of CASES) if (!passes.includes(name)) console.log(`fails: ${name}`);
    console.log(`${passes.length} of ${CASES.length} cases pass`);
    return passes.length === CASES.length ? 0 : 1;
  } finally {
    await children.stop(20_000);
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
