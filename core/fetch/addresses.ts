// Which addresses a fetch may reach: those of the open internet, unless the operator allows private ones. Where clouds keep
// their metadata, and what is no host at all, is reached by nobody.

import { BlockList, isIP } from 'node:net';

/** Link-local, unspecified, multicast, reserved. */
const NEVER = listOf(
  ['0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'],
  ['::/128', 'fe80::/10', 'ff00::/8', 'fd00:ec2::254/128'],
);

/** All that IPv6 has given out to the open internet; what is outside of it, and no IPv4 address, is somebody's own. */
const GLOBAL = listOf([], ['2000::/3']);
const MAPPED = listOf([], ['::ffff:0:0/96']);

/** This machine, networks of one's own, documentation, tests, and what carries any IPv4 address within an IPv6 one. */
const PRIVATE = listOf(
  [
    ...['10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24'],
    ...['192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ],
  ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
);

/** 'private' may be reached when that is allowed, 'never' may not. An IPv4 address in IPv6 is that IPv4 address. */
export function reach(address: string): 'public' | 'private' | 'never' {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(address) === 0 || NEVER.check(address, family)) return 'never';
  if (PRIVATE.check(address, family)) return 'private';
  const outside = family === 'ipv6' && !GLOBAL.check(address, family) && !MAPPED.check(address, family);
  return outside ? 'private' : 'public';
}

function listOf(blocks4: readonly string[], blocks6: readonly string[]): BlockList {
  const list = new BlockList();
  const add = (block: string, family: 'ipv4' | 'ipv6'): void => {
    const [address, bits] = block.split('/');
    list.addSubnet(address, Number(bits), family);
  };
  for (const block of blocks4) add(block, 'ipv4');
  for (const block of blocks6) add(block, 'ipv6');
  return list;
}
