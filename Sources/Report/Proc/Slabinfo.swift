import Run

extension ProcFiles {
  /// `/proc/slabinfo`, version 2.1. Kernel: `print_slabinfo_header()`, `cache_show()`,
  /// mm/slab_common.c (6.12). SLUB has no tunables and does not tell shared from own slabs; SLAB's
  /// are `slabinfo_show_stats()`'s neighbours (mm/slab.c, 6.1).
  /// - Parameter caches: in the file's order, the newest first: `list_add(&s->list, &slab_caches)`.
  package static func slabinfo(_ caches: [RunResult.Cache]) -> String {
    var text = """
      slabinfo - version: 2.1
      # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> \
      : tunables <limit> <batchcount> <sharedfactor> \
      : slabdata <active_slabs> <num_slabs> <sharedavail>

      """
    for cache in caches {
      text += left(cache.name, 17)
      text += " " + right(cache.activeObjects, 6) + " " + right(cache.objects, 6)
      text += " " + right(cache.slabSize, 6) + " " + right(cache.objectsPerSlab, 4)
      text += " " + right(1 << cache.order, 4)
      let arrays = cache.arrays
      text += " : tunables " + right(arrays?.limit ?? 0, 4) + " "
      text += right(arrays?.batchcount ?? 0, 4) + " " + right(arrays?.sharedfactor ?? 0, 4)
      let active = cache.slabs - (arrays?.freeSlabs ?? 0)
      text += " : slabdata " + right(active, 6) + " " + right(cache.slabs, 6)
      text += " " + right(arrays?.sharedavail ?? 0, 6) + "\n"
    }
    return text
  }
}
