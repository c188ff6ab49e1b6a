// What one GET goes through: a data plane with one filter on the inbound listener serves some until every module is loaded and
// compiled, then one more, and V8 tells whose functions ran meanwhile.
import { Session } from 'node:inspector/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { call, startApp, startDataPlane } from '../../test/path/data-plane.ts';
import { ROOT, type Tree } from './imports.ts';

export interface Entered {
  readonly path: string;
  readonly lines: number;
}

const WARM_REQUESTS = 20;
const ONE_FILTER = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: readers }
spec: { rules: [{ to: [{ operation: { methods: [GET] } }] }] }`;

/** The files of core/ of which a function runs between a request's first byte and its end, with how long each file is. */
export async function filesOfOneGet({ sources }: Tree): Promise<Entered[]> {
  const app = await startApp((_request, response) => response.end('hello'));
  const dataPlane = await startDataPlane({ appPort: app.port, yaml: [ONE_FILTER] });
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    let served = 0;
    const serve = async (): Promise<void> => {
      const { status } = await call({ port: dataPlane.ports.inbound });
      if (status !== 200) throw new Error(`the GET is answered with ${status}`);
      await dataPlane.ended(++served);
    };
    for (let i = 0; i < WARM_REQUESTS; i++) await serve();
    // Counts begin anew with each look at them.
    await session.post('Profiler.takePreciseCoverage');
    await serve();
    const { result } = await session.post('Profiler.takePreciseCoverage');
    return result
      .filter(({ url, functions }) => url.startsWith('file:') && functions.some(({ ranges }) => ranges[0].count > 0))
      .map(({ url }) => relative(ROOT, fileURLToPath(url)).replaceAll('\\', '/'))
      .filter((path) => path.startsWith('core/'))
      .map((path) => ({ path, lines: sources.get(path)!.split('\n').length - 1 }));
  } finally {
    session.disconnect();
    dataPlane.close();
    await app.close();
  }
}
