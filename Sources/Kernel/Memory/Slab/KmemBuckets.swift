import Simulation

/// Buckets: kmalloc caches that one user has for itself, so that nobody else's objects lie beside
/// its own. They have the sizes of the normal family, and what is no class's goes to pages as ever;
/// they are aligned as any cache is, not as kmalloc guarantees, never merged, and the mask chooses
/// no family.
///
/// Kernel: `kmem_buckets_create()`, `kmem_buckets_alloc()` (mm/slab_common.c,
/// include/linux/slab.h, 6.12). Not modelled: `kmem_buckets_valloc()`, the array of pointers itself.
extension SlabAllocator {
  /// Makes a set's caches, from the start on, and says that requests with its number get them.
  mutating func createBuckets(_ name: String, number: Int, cacheLine: Int) {
    for index in classes.indices {
      let size = KmallocClasses.size(of: index)
      let id = declare(
        "\(name)-\(KmallocClasses.short(size))", objectSize: size, flags: .noMerge,
        cacheLine: cacheLine)
      guard let id else { continue }
      caches[id].state = .live
      kmallocCaches[(KmallocFamily.rows + number) * KmallocClasses.count + index] = id
    }
  }
}

extension World {
  /// Gives the workload its buckets. Where the kernel has none, its requests are kmalloc's.
  mutating func makeBuckets(_ names: [String]) {
    guard slab.settings.hasBuckets else {
      let bits = GFPFlags.buckets(KmallocFamily.bucketsMax - 1)
      for index in 0..<program.allocations.count
      where program.allocations[index].gfp.contains(.ofBuckets) {
        program.allocations[index].gfp.subtract(bits)
      }
      return
    }
    for (number, name) in names.enumerated() {
      slab.createBuckets(name, number: number, cacheLine: architecture.cacheLineSize)
    }
  }
}
