/// What SLUB counts of each cache, by the kernel's names.
///
/// Kernel: `enum stat_item` (mm/slub.c, 6.12, with CONFIG_SLUB_STATS), files of
/// /sys/kernel/slab/NAME. The last three are ours.
package enum SlabStat: Int, CaseIterable, BitwiseCopyable, Sendable {
  case alloc_fastpath, alloc_slowpath, free_fastpath, free_slowpath, free_frozen
  case free_add_partial, free_remove_partial
  case alloc_from_partial, alloc_slab, alloc_refill, alloc_node_mismatch
  case free_slab, cpuslab_flush
  case deactivate_full, deactivate_empty, deactivate_to_head, deactivate_to_tail
  case deactivate_remote_frees, deactivate_bypass
  case order_fallback, cmpxchg_double_cpu_fail, cmpxchg_double_fail
  case cpu_partial_alloc, cpu_partial_free, cpu_partial_node, cpu_partial_drain
  case alloc_pcs, free_pcs, free_rcu_sheaf, free_rcu_sheaf_fail
  case barn_get, barn_get_fail, barn_put, barn_put_fail
  case sheaf_alloc, sheaf_free, sheaf_refill, sheaf_flush
  case sheaf_prefill_fast, sheaf_prefill_slow, sheaf_prefill_oversize
  case sheaf_return_fast, sheaf_return_slow
  /// Frees on another CPU than the one that allocated the object.
  case free_remote_cpu
  /// Frees on a CPU whose memory node is not the slab's.
  case free_remote_node
  /// Allocations that ended in NULL.
  case alloc_failed

  /// As the kernel spells it.
  package var text: String { "\(self)" }

  /// Those that each CPU counts in its own record, for speed.
  static let counted: [SlabStat] = [.alloc_fastpath, .free_fastpath, .alloc_pcs, .free_pcs]
}

extension SlabAllocator {
  /// Forgets all counts, as at the end of a warm-up; the slabs stay. Complexity: O(caches * CPUs).
  package mutating func resetStatistics() {
    for index in 0..<counts.count { counts[index] = 0 }
    for index in 0..<arrays.arraysUsed {
      (arrays.arrays[index].allocHits, arrays.arrays[index].freeHits) = (0, 0)
    }
    for index in 0..<cpusUsed { (cpus[index].allocFast, cpus[index].freeFast) = (0, 0) }
    for index in 0..<sheaves.cpus.count {
      (sheaves.cpus[index].allocFast, sheaves.cpus[index].freeFast) = (0, 0)
    }
    slob.resetStatistics()
  }
}
