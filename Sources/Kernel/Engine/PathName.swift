/// The kernel functions that are paths here, by the kernel's own names.
///
/// To add one: a case. Its raw value numbers rows of the accounting, so the order is free.
package enum PathName: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case idle, script, program
  case handle_irq, __do_softirq, ksoftirqd, irq_thread, worker_thread, flush_work
  case smp_call_function_many_cond, __flush_smp_call_function_queue
  case generic_smp_call_function_interrupt, run_timer_softirq
  case stop_machine, multi_cpu_stop
  case __alloc_pages, get_page_from_freelist, rmqueue, rmqueue_bulk, __alloc_pages_slowpath
  case free_unref_page, free_pcppages_bulk, alloc_pages_bulk, drain_all_pages
  case refresh_cpu_vm_stats
  case kmalloc, kmalloc_large, kmalloc_array, krealloc, kfree, ksize, kfree_sensitive,
    kmem_cache_alloc, kmem_cache_free
  case kmem_cache_alloc_bulk, kmem_cache_free_bulk, __slab_alloc
  case ___slab_alloc, get_partial, get_partial_node, get_any_partial, allocate_slab, discard_slab
  case __slab_free, put_cpu_partial, __put_partials, deactivate_slab
  case flush_cpu_slab, flush_all_cpus_locked
  case call_rcu, synchronize_rcu, rcu_barrier, tick_nohz_handler, rcu_core
  case kvfree_call_rcu, kfree_rcu_monitor, kfree_rcu_work, fill_page_cache_func
  case kvfree_rcu_barrier
  case kmem_cache_shrink, kmem_cache_create, kmem_cache_destroy
  case slob_alloc, slob_free
  case __cache_alloc, cache_alloc_refill, ____cache_alloc_node, fallback_alloc, cache_grow_begin
  case slabs_destroy, cache_flusharray, free_block, __drain_alien_cache
  case cache_reap, drain_array, drain_freelist, do_drain, drain_cpu_caches
  case alloc_from_pcs, free_to_pcs, refill_objects, __refill_objects_node, alloc_from_new_slab
  case get_from_partial_node, get_from_any_partial, sheaf_flush_unused, sheaf_flush_main
  case pcs_flush_all, barn_shrink, alloc_empty_sheaf, free_empty_sheaf, init_percpu_sheaves
  case pcs_destroy, alloc_from_pcs_bulk, free_to_pcs_bulk
  case kmem_cache_prefill_sheaf, kmem_cache_refill_sheaf, kmem_cache_return_sheaf, refill_sheaf
  case kmem_cache_alloc_from_sheaf
  case __kfree_rcu_sheaf, rcu_free_sheaf, flush_rcu_sheaves_on_cache
  /// Any of the six functions that exchange sheaves with a node's barn.
  case node_barn
  case __vmalloc_node_range, __get_vm_area_node, alloc_vmap_area, vm_area_alloc_pages
  case vmap_small_pages_range_noflush, vfree, remove_vm_area, delayed_vfree_work
  case drain_vmap_area_work, __purge_vmap_area_lazy, purge_vmap_node, reclaim_list_global
  case find_unlink_vmap_area, free_unmap_vmap_area, vunmap_range_noflush, free_vmap_area_noflush
  case vmap, vunmap, vm_map_ram, vm_unmap_ram, vb_alloc, new_vmap_block, vb_free, free_vmap_block
  case purge_fragmented_block, kernel_pgtable_work_func, vm_unmap_aliases,
    reclaim_and_purge_vmap_areas
  case flush_tlb_kernel_range, do_flush_tlb_all, do_kernel_range_flush
  case __kvmalloc_node, kvfree, touch
  case vfree_atomic, find_vm_area, vrealloc, kvrealloc, vmalloc_to_page, virt_to_phys

  /// As the kernel spells it.
  package var text: String { "\(self)" }

  /// Functions so short and frequent that a slice for each would drown a timeline; the kernel's
  /// own tracepoints show them.
  package var isTraced: Bool {
    switch self {
    case .idle, .script, .program, .handle_irq: false
    // The first frame of a context, which nothing calls; softirq_entry shows the one that ends.
    case .__do_softirq, .ksoftirqd, .irq_thread, .worker_thread, .call_rcu: false
    case .kmalloc, .kfree, .kmem_cache_alloc, .kmem_cache_free, .free_unref_page: false
    default: true
    }
  }
}
