// Istio's task plugin-ca-cert: a root that stays elsewhere, an intermediate that it signed for the mesh, and what workloads then show.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import type { WorkloadIdentity } from '../../../core/workload.ts';
import { pluggedAuthority } from '../../web-certificates.ts';
import { testAuthority } from '../identities.ts';
import { startTaskMesh, type TaskMesh } from './tasks.ts';

let dir: string;
let root: string;
let intermediate: string;
let mesh: TaskMesh;
let curl: WorkloadIdentity;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weft-cacerts-'));
  // Of the root nobody here has the key.
  const plugged = await pluggedAuthority();
  ({ root, intermediate } = plugged);
  const own = { certificates: join(dir, 'cert-chain.pem'), key: join(dir, 'ca-key.pem') };
  await writeFile(own.certificates, intermediate + root);
  await writeFile(own.key, plugged.key);
  const authority = await testAuthority(own);
  curl = await authority.identity('curl', { namespace: 'foo' });
  await authority.close();
  const sidecar = { namespace: 'foo', sidecar: true };
  mesh = await startTaskMesh(
    '127.51.6',
    [
      { ...sidecar, name: 'curl', serves: null },
      { ...sidecar, name: 'httpbin', serves: () => 'httpbin' },
    ],
    own,
  );
  mesh.apply(`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: "default"
  namespace: foo
spec:
  mtls:
    mode: STRICT
`);
});
after(async () => {
  await mesh?.close();
  await rm(dir, { recursive: true, force: true });
});

/** What `openssl s_client -showcerts` shows, from the workload up, and whether it verifies below these roots. */
async function shown(roots: string): Promise<{ chain: readonly X509Certificate[]; verified: boolean }> {
  const { address, plane } = mesh.workloads.get('httpbin.foo')!;
  const socket = connect({
    ...{ host: address, port: plane!.ports.inbound, ALPNProtocols: ['istio'] },
    ...{ key: curl.key, cert: curl.chain, ca: roots },
    ...{ rejectUnauthorized: false, checkServerIdentity: () => undefined },
  });
  try {
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    const chain: X509Certificate[] = [];
    let at: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
    while (at?.raw !== undefined && !chain.some(({ raw }) => raw.equals(at!.raw))) {
      chain.push(new X509Certificate(at.raw));
      at = at.issuerCertificate;
    }
    return { chain, verified: socket.authorized };
  } finally {
    socket.destroy();
  }
}

test('workloads reach each other by certificates below the root that was brought', async () => {
  assert.equal((await mesh.curl('curl.foo', 'http://httpbin.foo:8000/ip')).code, '200');
});

test('what they show is signed by the intermediate, and that by the root, which any tool can verify', async () => {
  const { chain, verified } = await shown(root);
  assert.equal(verified, true);
  const [workload, issuer, top] = chain;
  assert.equal(workload.subjectAltName, 'URI:spiffe://cluster.local/ns/foo/sa/httpbin');
  assert.equal(issuer.toString().trim(), intermediate.trim());
  assert.equal(top.toString().trim(), root.trim());
  assert.ok(workload.checkIssued(issuer) && workload.verify(issuer.publicKey));
  assert.ok(issuer.checkIssued(top) && issuer.verify(top.publicKey));
  assert.equal(workload.ca, false);
});

test('below another root it is nobody', async () => {
  const other = await testAuthority();
  const foreign = await other.identity('curl', { namespace: 'foo' });
  await other.close();
  assert.equal((await shown(foreign.roots)).verified, false);
});
