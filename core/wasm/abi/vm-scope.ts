// Whose shared data and queues a virtual machine's id stands for. A name that a Plugin was given is its namespace's own: who writes
// plugins in one namespace reads nothing of another's. Ids with a slash, which proxies make themselves, are whole already.

/** `plugin`: 'default/tenant'. */
export function vmScope(plugin: string, vmId: string): string {
  const slash = plugin.indexOf('/');
  return vmId === '' || slash < 0 || vmId.includes('/') ? vmId : `${plugin.slice(0, slash)}/${vmId}`;
}
