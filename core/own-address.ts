// By which addresses workloads on one machine are told apart.

/** A loopback address that only one workload has, and not the one that everybody shares. */
export function isOwnAddress(address: string): boolean {
  return address.startsWith('127.') && address !== '127.0.0.1';
}
