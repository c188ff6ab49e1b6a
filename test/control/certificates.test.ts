import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Bus } from '../../bus/types.ts';
import { certificateRequest, newKey } from '../../core/main/certificate-request.ts';
import { type Plane, startDataPlane } from './harness.ts';

describe('certificates over the bus', { timeout: 60_000 }, () => {
  let plane: Plane;
  let proxy: Bus;
  before(async () => {
    plane = await startDataPlane();
    proxy = await plane.mesh.open('proxy', {
      node: 'api-1',
      user: plane.mesh.user('api-1', { serviceAccount: 'api' }),
    });
  });
  after(() => plane.stop());

  it("are for whom the asker's user of NATS speaks, from whichever control plane is there", async () => {
    const first = await proxy.certificates.request(certificateRequest(newKey()));
    assert.equal(new X509Certificate(first.chain).subjectAltName, 'URI:spiffe://cluster.local/ns/default/sa/api');
    const other = await plane.another();
    await plane.control.close();
    const second = await proxy.certificates.request(certificateRequest(newKey()));
    assert.equal(second.roots, first.roots);
    assert.equal(other.url.startsWith('http'), true);
  });

  it('are signed for all of a mesh that asks at once', async () => {
    const csr = certificateRequest(newKey());
    const chains = await Promise.all(Array.from({ length: 300 }, () => proxy.certificates.request(csr)));
    assert.equal(new Set(chains.map(({ chain }) => new X509Certificate(chain).serialNumber)).size, 300);
  });

  it('are refused with the reason, to what is too large as to what is no request', async () => {
    await assert.rejects(proxy.certificates.request('x'.repeat(20_000)), /the request is too large/);
    await assert.rejects(proxy.certificates.request('nothing'), /no certificate signing request of a P-256 key/);
  });

  it('are not signed by a control plane with an authority of its own, which says so', async () => {
    const strange = await plane.another({ stateDir: join(plane.mesh.stateDir, 'elsewhere') });
    // The one that has the mesh's files still answers; this one refuses whatever it is asked.
    const answers = await Promise.allSettled(
      Array.from({ length: 12 }, () => proxy.certificates.request(certificateRequest(newKey()))),
    );
    const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [String(answer.reason)] : []));
    assert.ok(refused.length < 12 && refused.every((why) => /trusts another root/.test(why)), refused.join());
    await strange.close();
  });
});
