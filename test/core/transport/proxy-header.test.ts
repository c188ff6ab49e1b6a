// The header of the PROXY protocol as it is written: what is read of it is what was meant, in both versions.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  type Origin,
  type ProxyVersion,
  readProxyHeader,
  writeProxyHeader,
} from '../../../core/transport/proxy-header.ts';

const VERSIONS: readonly ProxyVersion[] = ['V1', 'V2'];
const from = (remoteAddress: string, localAddress: string): Origin => ({
  ...{ remoteAddress, remotePort: 56324, localAddress, localPort: 443 },
});

suite('a header that is written', () => {
  for (const version of VERSIONS) {
    test(`is read as it was meant, in ${version}`, () => {
      for (const [source, destination] of [
        ['192.0.2.1', '198.51.100.255'],
        ['2001:db8::1', '::1'],
        ['::', '2001:db8:1:2:3:4:5:6'],
        ['2001:db8::', 'fd00:0:0:1::'],
      ]) {
        const origin = from(source, destination);
        const bytes = writeProxyHeader(version, origin);
        assert.deepEqual(readProxyHeader(Buffer.concat([bytes, Buffer.from('GET /')])), {
          origin,
          length: bytes.length,
        });
      }
    });

    test(`has an address of IPv4 as such, whatever the socket, and of both families that of IPv6, in ${version}`, () => {
      const read = (origin: Origin): unknown => {
        const header = readProxyHeader(writeProxyHeader(version, origin));
        return header === 'more' ? header : header?.origin;
      };
      assert.deepEqual(read(from('::ffff:192.0.2.1', '::ffff:192.0.2.2')), from('192.0.2.1', '192.0.2.2'));
      const mapped = version === 'V1' ? '::ffff:192.0.2.1' : '::ffff:c000:201';
      assert.deepEqual(read(from('192.0.2.1', '2001:db8::1')), from(mapped, '2001:db8::1'));
      assert.deepEqual(read(from('fe80::1%eth0', 'fe80::2')), from('fe80::1', 'fe80::2'));
    });

    test(`says that the proxy speaks for itself, where there is no client or none that is known, in ${version}`, () => {
      for (const client of [null, from('', ''), from('192.0.2.1', '')]) {
        const bytes = writeProxyHeader(version, client);
        assert.deepEqual(readProxyHeader(bytes), { origin: null, length: bytes.length });
      }
    });
  }

  test('is no longer than the protocol allows', () => {
    const long = '2001:db8:1111:2222:3333:4444:5555:6666';
    assert.ok(writeProxyHeader('V1', from(long, long)).length <= 107);
    assert.equal(
      writeProxyHeader('V1', from('192.0.2.1', '192.0.2.2')).toString(),
      'PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n',
    );
  });
});
