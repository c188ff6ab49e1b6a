// Who sees a resource of the networking API: the namespaces that its exportTo names.

/** Left out or empty: everybody. '.' is the owner's own namespace, '*' every one, '~' none. */
export function isVisible(exportTo: readonly string[] | undefined, owner: string, viewer: string): boolean {
  if (exportTo === undefined || exportTo.length === 0) return true;
  return exportTo.some((to) => to === '*' || to === viewer || (to === '.' && owner === viewer));
}

/** Is nobody beside the owner's namespace told of it? */
export function isPrivate(exportTo: readonly string[] | undefined, owner: string): boolean {
  return exportTo?.length === 1 && (exportTo[0] === '.' || exportTo[0] === owner);
}
