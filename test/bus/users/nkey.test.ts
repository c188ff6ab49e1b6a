import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { NKey } from '../../../bus/users/nkey.ts';

/** What the keys of NATS' own library are and sign, one of each role. */
const SIGNED = Buffer.from('what the server asked');
const THEIRS = {
  operator: {
    seed: 'SOAM4LTB47D3FWZQTGGPAGCDZF6LUXCBQZAXKZLDDSN6QCZHR7AZOYN4JA',
    publicKey: 'OAHEFC74CNLYODV2ANKSJTABA365OZU5VL5JLQGRKXYGKEYE36YYW3SF',
    privateKey:
      'PDHC4YPHY6ZNWMEZRTYBQQ6JPS5FYQMGIF2WKYY4TPUAWJ4PYGLWCDSCRP6BGV4HB25AGVJEZQAQN7OXM2O2V6UVYDIVL4DFCMCN7MMLEFSA',
    signature: '8PlGGzzIJvVhRTt3oitUuy2taUnMlzj22SNNhnQ9tN6mb8Q8Yt9OpvDZAgY9Zxuep1cQa8YU_ahcO6vG4PNRCA',
  },
  account: {
    seed: 'SAAGUR53MGVQFBQBZJ7STAELKJSXBFFS46LPBWYJPUNQNBP5PVRO4OBOX4',
    publicKey: 'AALDJKXLY2I7CE24K2VT5PAOZHTOVR2HRITERAFHH6N7WUZ4OGNSDHW3',
    privateKey:
      'PBVEPO3BVMBIMAOKP4UYBC2SMVYJJMXHS3YNWCL5DMDIL7L5MLXDQFRUVLV4NEPRCNOFNKZ6XQHMTZXKY5DYUJSIQCTT7G73KM6HDGZBHLRA',
    signature: 'sZqx77kF5-VIm6I9UqLZSB9yxy62FydQyl3cLyoJZj-AH6s_LGzU6FR-lZQCgEv8xxsEZi4AzjAgqSJQIFKCCQ',
  },
  user: {
    seed: 'SUAGZ4CIH2NN4RNTWWVLEOZ543YIX7VQG2NF353UL6KMXGLLPXGVAPK72E',
    publicKey: 'UDSTIAKTGMK4CFY3GVEO5Q7SMWNLWNN3A6YN6LDYCVA6FYCVFF34D6YW',
    privateKey:
      'PBWPASB6TLPELM5VVKZDWPPG6CF75MBWTJO7O5C7STFZS235ZVID3ZJUAFJTGFOBC4NTKSHOYPZGLGV3GW5QPMG7FR4BKQPC4BKSS56B2QOQ',
    signature: '_WyrxSNAS8wfWIWeK1gFQeF_4opidqDindk-HwGGlojw303ih7I_cYxY0l3eo9kprZwpl3pq9KveI4ZtXUoaCA',
  },
};
const SERVER_SEED = 'SNAPYQYNZXFXDCSDWIDL5DFMOLFVZJI4UPAWCS5WZ2CSHII4FUAIJ42KUI';

suite('keys of NATS', () => {
  for (const role of ['operator', 'account', 'user'] as const) {
    test(`the key of an ${role} is and signs what NATS’ own library makes of it`, () => {
      const key = new NKey(THEIRS[role].seed);
      assert.equal(key.getPublicKey(), THEIRS[role].publicKey);
      assert.equal(Buffer.from(key.getPrivateKey()).toString(), THEIRS[role].privateKey);
      assert.equal(Buffer.from(key.sign(SIGNED)).toString('base64url'), THEIRS[role].signature);
    });

    test(`a new key of an ${role} is read back as itself and signs what only it can have signed`, () => {
      const made = NKey.generate(role);
      const read = new NKey(Buffer.from(made.getSeed()).toString());
      assert.equal(made.publicKey[0], role[0].toUpperCase());
      assert.equal(read.publicKey, made.publicKey);
      assert.notEqual(made.publicKey, NKey.generate(role).publicKey);
      assert.ok(read.verify(SIGNED, made.sign(SIGNED)));
      assert.ok(!read.verify(Buffer.from('something else'), made.sign(SIGNED)));
      assert.ok(!read.verify(SIGNED, new NKey(THEIRS[role].seed).sign(SIGNED)));
    });
  }

  const { seed } = THEIRS.user;
  const wrong: Record<string, string> = {
    'nothing at all': '',
    'a seed that ends early': seed.slice(0, -2),
    'a seed with one letter changed': `${seed.slice(0, 20)}A${seed.slice(21)}`,
    'a letter that base32 has not': `${seed.slice(0, -1)}1`,
    'a seed in small letters': seed.toLowerCase(),
    'a public key': THEIRS.user.publicKey,
    'a seed of a server': SERVER_SEED,
  };
  for (const [what, text] of Object.entries(wrong)) {
    test(`${what} is refused in one line that does not repeat it`, () => {
      assert.throws(
        () => new NKey(text),
        ({ message }: Error) => {
          assert.match(message, /^this is no seed of a NATS user: [^\n]+$/);
          assert.ok(text === '' || !message.includes(text));
          return true;
        },
      );
    });
  }
});
