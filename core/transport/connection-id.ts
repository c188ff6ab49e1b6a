// Numbers for connections, unique within this shard.

let last = 0;

export function nextConnectionId(): number {
  return ++last;
}
