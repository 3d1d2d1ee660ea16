import Hardware

/// How large SLAB makes the slabs of a cache, where their free indexes lie, and how many objects
/// its arrays hold. Formulas alone.
///
/// Kernel: `calculate_slab_order()`, `set_objfreelist_slab_cache()`, `set_off_slab_cache()`,
/// `set_on_slab_cache()`, `cache_estimate()`, `enable_cpucache()` (mm/slab.c; 2.6.24, 3.10, 4.4,
/// 5.4 and 6.1 compared). 3.13 and 3.14 have the byte indexes of 3.15 here.
package struct ArrayCacheSizing: BitwiseCopyable, Equatable, Sendable {
  /// Where the indexes of a slab's free objects lie.
  package enum Placement: UInt8, BitwiseCopyable, Sendable {
    /// In a free object. Kernel: `CFLGS_OBJFREELIST_SLAB`.
    case inObject
    /// In the slab, before the objects up to 4.5, behind them from 4.6.
    case onSlab
    /// In an object of a kmalloc cache. Kernel: `CFLGS_OFF_SLAB`.
    case offSlab
  }

  package let objectSize: Int
  /// From one object to the next. Unit: bytes. Kernel: `kmem_cache.size`.
  package let size: Int
  package let align: Int
  package let order: Order
  /// Kernel: `kmem_cache.num`.
  package let objects: Int
  package let placement: Placement
  /// What all indexes of a slab take. Unit: bytes. Kernel: `kmem_cache.freelist_size`.
  package let freelistBytes: Int
  /// Where the first object of an uncoloured slab lies. Unit: bytes.
  package let head: Int
  /// By how many steps of `colourStep` bytes the first object moves from slab to slab.
  package let colours: Int
  package let colourStep: Int
  /// Objects of a CPU's array, and how many move between it and the node at a time.
  package let limit: Int
  package let batch: Int
  /// The node's shared array holds so many batches; 0: there is none.
  package let sharedFactor: Int

  /// Objects of the array for another node's objects. Kernel: `alloc_alien_cache()`.
  package var alienLimit: Int { limit > 1 ? 12 : limit }
  package var sharedLimit: Int { sharedFactor * batch }

  /// Kernel: `SLAB_OBJ_MAX_NUM`: a byte holds an index.
  package static let objectsMax = 255
  /// Kernel: `BATCHREFILL_LIMIT`.
  package static let coldBatchMax = 16

  /// Objects a node keeps free before it gives slabs back, with so many CPUs.
  /// Kernel: `free_limit`.
  package func freeLimit(cpus: Int) -> Int { (1 + cpus) * batch + objects }

  /// The sizes of a cache; `nil` where no slab can hold such an object (`-E2BIG`).
  ///
  /// `align` is the final alignment. `isSmallMachine`: at most 32 MiB of memory.
  package init?(
    objectSize: Int, align: Int, flags: SlabFlags = [], cpuCount: Int, isSmallMachine: Bool,
    cacheLine: Int = 64, rules: SlabRules, pageSize: Int = 4096
  ) {
    guard objectSize > 0, objectSize <= KmallocClasses.sizeMax else { return nil }
    var size = roundUp(roundUp(objectSize, to: SlabSizing.wordSize), to: align)
    // Kernel: `SLAB_OBJ_MIN_SIZE`: with the smallest objects a byte still counts those of a page.
    if !rules.hasSlabDescriptor { size = max(size, roundUp(pageSize / 256, to: align)) }
    let search = Search(
      objectSize: objectSize, size: size, align: align, flags: flags,
      orderMax: isSmallMachine ? 0 : 1, rules: rules, pageSize: pageSize)
    guard let found = search.result else { return nil }

    (self.objectSize, self.size, self.align) = (objectSize, size, align)
    (order, objects, placement) = (Order(found.order), found.objects, found.placement)
    (freelistBytes, head) = (found.freelistBytes, found.head)
    colourStep = max(cacheLine, align)
    colours = found.left / colourStep
    limit = ArrayCacheSizing.limit(size, pageSize)
    batch = (limit + 1) / 2
    sharedFactor = size <= pageSize && cpuCount > 1 ? 8 : 0
  }

  /// Kernel: `enable_cpucache()` (mm/slab.c; 2.6.24 and 6.1 have the same table).
  private static func limit(_ size: Int, _ pageSize: Int) -> Int {
    if size > 131_072 { return 1 }
    if size > pageSize { return 8 }
    if size > 1024 { return 24 }
    return size > 256 ? 54 : 120
  }

  /// As the other allocators' sizes are told: what is SLUB's alone is 0.
  package var sizing: SlabSizing {
    SlabSizing(objectSize: objectSize, size: size, align: align, order: order, objects: objects)
  }
}

extension ArrayCacheSizing {
  /// A way to lay out a slab.
  private struct Layout {
    var order = 0
    var objects = 0
    /// Unit: bytes.
    var left = 0
    var freelistBytes = 0
    var head = 0
    var placement = Placement.onSlab
  }

  /// Tries the ways of a release, in its order.
  private struct Search {
    let objectSize, size, align: Int
    let flags: SlabFlags
    let orderMax: Int
    let rules: SlabRules
    let pageSize: Int

    /// Kernel: `sizeof(struct slab)` on 64 bits; `sizeof(kmem_bufctl_t)`, `sizeof(freelist_idx_t)`.
    private var headerBytes: Int { rules.hasSlabDescriptor ? 48 : 0 }
    private var indexBytes: Int { rules.hasSlabDescriptor ? 4 : 1 }

    var result: Layout? { rules.hasObjectFreelist ? newest : older }

    /// From 4.6: in a free object, else off the slab, else behind the objects.
    private var newest: Layout? {
      if flags.isDisjoint(with: [.constructor, .typesafeByRCU]), var found = order(.inObject),
        found.objects <= objectSize
      {
        found.freelistBytes = found.objects
        return found
      }
      // What has room behind its objects needs no object elsewhere.
      if var found = order(.offSlab), found.left < found.objects {
        found.freelistBytes = found.objects
        return found
      }
      guard var found = order(.onSlab) else { return nil }
      found.freelistBytes = found.objects
      return found
    }

    /// Up to 4.5: large objects' indexes off the slab, unless what is left over has room for them.
    private var older: Layout? {
      let offSlabFrom = rules.hasSlabDescriptor ? pageSize / 8 : pageSize / 32
      guard var found = order(size >= offSlabFrom ? .offSlab : .onSlab) else { return nil }
      let bytes = headBytes(found.objects)
      if found.placement == .offSlab, found.left >= bytes {
        (found.placement, found.left) = (.onSlab, found.left - bytes)
      }
      if found.placement == .offSlab {
        found.freelistBytes = headerBytes + found.objects * indexBytes
      } else {
        (found.freelistBytes, found.head) = (bytes, bytes)
      }
      return found
    }

    /// What management in front of the objects takes.
    private func headBytes(_ objects: Int) -> Int {
      roundUp(headerBytes + objects * indexBytes, to: align)
    }

    /// Kernel: `calculate_slab_order()`.
    private func order(_ placement: Placement) -> Layout? {
      var found: Layout?
      for order in 0...Order.max.index {
        var layout = estimate(order, placement)
        guard layout.objects > 0 else { continue }
        if !rules.hasSlabDescriptor, layout.objects > ArrayCacheSizing.objectsMax { break }
        if placement == .offSlab {
          if rules.hasObjectFreelist {
            guard listObjectBytes(layout.objects) <= objectSize / 2 else { continue }
          } else if layout.objects > (size - headerBytes) / indexBytes {
            break
          }
        }
        (layout.order, layout.placement) = (order, placement)
        found = layout
        if flags.contains(.reclaimAccount) || order >= orderMax { break }
        if layout.left * 8 <= pageSize << order { break }
      }
      return found
    }

    /// What the kmalloc object that holds a slab's indexes takes.
    private func listObjectBytes(_ objects: Int) -> Int {
      KmallocClasses(minimum: 32, kind: .slab, rules: rules).usableSize(objects * indexBytes)
    }

    /// Kernel: `cache_estimate()`.
    private func estimate(_ order: Int, _ placement: Placement) -> Layout {
      let bytes = pageSize << order
      guard placement == .onSlab else {
        return Layout(objects: bytes / size, left: bytes % size)
      }
      let unit = size + indexBytes
      guard !rules.hasObjectFreelist else {
        return Layout(objects: bytes / unit, left: bytes % unit)
      }
      var objects = (bytes - headerBytes) / unit
      if headBytes(objects) + objects * size > bytes { objects -= 1 }
      return Layout(objects: objects, left: bytes - objects * size - headBytes(objects))
    }
  }
}

extension SlabSizing {
  /// The sizes of a cache that has no slabs of CPUs and one order.
  init(objectSize: Int, size: Int, align: Int, order: Order, objects: Int) {
    (self.objectSize, self.size, self.align) = (objectSize, size, align)
    (self.order, minOrder) = (order, order)
    (self.objects, minObjects) = (objects, objects)
    (minPartial, cpuPartial, cpuPartialSlabs, sheafCapacity) = (0, 0, 0, 0)
  }
}
