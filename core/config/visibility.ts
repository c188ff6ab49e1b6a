// Who sees a resource of the networking API: the namespaces that its exportTo names, and where it names none those that MeshConfig does.

/** '.' is the owner's own namespace, '*' every one, '~' none. Where neither it nor `usual` says anything: everybody. */
export function isVisible(
  exportTo: readonly string[] | undefined,
  owner: string,
  viewer: string,
  usual?: readonly string[],
): boolean {
  const given = named(exportTo, usual);
  return given.length === 0 || given.some((to) => to === '*' || to === viewer || (to === '.' && owner === viewer));
}

/** Is nobody beside the owner's namespace told of it? */
export function isPrivate(exportTo: readonly string[] | undefined, owner: string, usual?: readonly string[]): boolean {
  const given = named(exportTo, usual);
  return given.length === 1 && (given[0] === '.' || given[0] === owner);
}

function named(exportTo: readonly string[] | undefined, usual: readonly string[] = []): readonly string[] {
  return exportTo === undefined || exportTo.length === 0 ? usual : exportTo;
}
