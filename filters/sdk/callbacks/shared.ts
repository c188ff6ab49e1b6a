// Export: one object serves all streams of a configuration. A host that knows this calls it under the number of the
// configuration, and leaves out the creation and the deletion of contexts for streams; others do as always.

export const weft_shared_streams: u32 = 1;
