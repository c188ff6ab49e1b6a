import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { attempts, refusal } from '../../bus/attempts.ts';

const NO_QUORUM = { code: 503, err_code: 10008, description: 'JetStream system temporarily unavailable' };
const TIDYING = {
  code: 500,
  err_code: 10049,
  description: 'open /data/jetstream/A/streams/S/meta.inf.tmp: no such file or directory',
};
const TAKEN = { code: 400, err_code: 10058, description: 'stream name already in use with a different configuration' };

suite('what JetStream refuses', () => {
  for (const [when, error] of [
    ['while nobody leads', NO_QUORUM],
    ['by a server that tidies its folders as it begins', TIDYING],
  ] as const) {
    test(`${when} is asked again in a cluster, and once of a single server`, async () => {
      for (const clustered of [true, false]) {
        let asked = 0;
        const attempt = async (): Promise<string> => {
          if (++asked === 1) throw refusal('refused', error);
          return 'done';
        };
        const outcome = await attempts({ clustered }, 5_000, attempt).catch((problem: Error) => problem.message);
        assert.deepEqual([asked, outcome], clustered ? [2, 'done'] : [1, `NATS refused: ${error.description}`]);
      }
    });
  }

  test('for good is told at once', async () => {
    let asked = 0;
    const attempt = async (): Promise<never> => {
      asked++;
      throw refusal('refused the stream S', TAKEN);
    };
    await assert.rejects(
      attempts({ clustered: true }, 5_000, attempt),
      /NATS refused the stream S: stream name already/,
    );
    assert.equal(asked, 1);
  });
});
