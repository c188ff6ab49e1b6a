// What the checks of a package share: where they ask, and how they say that something cannot be shown.

/** Documents of the package's registry, by path; null: there is none. Throws StepFailed (unreachable). */
export interface RegistryFetcher {
  get(path: string): Promise<unknown>;
}

/** Something that is not there, or cannot be checked. The policy decides what that means. */
export class Unproven extends Error {}
