// What of a plugin's capabilities is watched where a host function is called, because the function alone does not tell: header maps
// and buffers are reached from any callback, also for another stream (proxy_set_effective_context).

export interface Doors {
  readonly readHeaders: boolean;
  readonly changeHeaders: boolean;
  readonly readBodies: boolean;
  readonly changeBodies: boolean;
  readonly readData: boolean;
  readonly changeData: boolean;
}

/** `capabilities`: what was agreed to; null: whatever it does. */
export function doorsOf(capabilities: readonly string[] | null): Doors {
  const open = (name: string): boolean => capabilities === null || capabilities.includes(name);
  return {
    readHeaders: open('read_headers'),
    changeHeaders: open('change_headers'),
    readBodies: open('read_bodies'),
    changeBodies: open('change_bodies'),
    readData: open('read_data'),
    changeData: open('change_data'),
  };
}
