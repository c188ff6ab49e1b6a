// A read that nobody answers, as of a stream that is just being made: it is asked once more, long before its time is over.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { headers, type Msg } from 'nats';
import { openLink } from '../../bus/dial.ts';
import type { Link } from '../../bus/link.ts';
import { INFO_PREFIX, inboxPrefix } from '../../bus/subjects.ts';
import { BusUnavailableError } from '../../bus/types.ts';
import { fixedLogin } from '../../bus/users/login.ts';
import { type Mesh, startMesh } from './harness.ts';

describe('a read that nobody answers', () => {
  let mesh: Mesh;
  let link: Link;
  before(async () => {
    mesh = await startMesh();
    link = await openLink({
      servers: [mesh.server.url],
      login: fixedLogin(mesh.server.credentials.control),
      name: 'test',
      inboxPrefix: inboxPrefix(),
      infoPrefix: INFO_PREFIX,
      waitMs: 10_000,
    });
  });
  after(async () => {
    await link.close();
    await mesh.stop();
  });

  it('is asked once more, and has the answer to that', async () => {
    const asked: Msg[] = [];
    link.nc.subscribe('$JS.API.DIRECT.GET.LATE', {
      callback: (_, question) => {
        if (asked.push(question) === 2) question.respond('', { headers: headers(404, 'Message Not Found') });
      },
    });
    assert.equal(await link.get('LATE', { seq: 1 }), null);
    assert.deepEqual(
      asked.map((question) => question.string()),
      ['{"seq":1}', '{"seq":1}'],
    );
  });

  it('fails as one that was asked once, when nobody answers that either', async () => {
    let asked = 0;
    link.nc.subscribe('$JS.API.DIRECT.GET.NEVER', { callback: () => asked++ });
    await assert.rejects(link.get('NEVER', { seq: 1 }), BusUnavailableError);
    assert.equal(asked, 2);
  });
});
