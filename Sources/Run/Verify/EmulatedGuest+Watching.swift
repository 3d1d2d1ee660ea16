import Hardware
import Kernel

/// Caches that the kernel made before the list: watched, and for the mappings of user space used.
extension EmulatedGuest {
  /// What a recorded kernel has and an emulated one makes when a list wants it: objects that user
  /// mappings are made of. Sizes as every recorded boot of 6.18 and 7.2 has them.
  ///
  /// Kernel: `vma_state_init()` (mm/vma_init.c, 6.18).
  private static let userCaches: [(name: String, size: Int, flags: SlabFlags)] = [
    ("vm_area_struct", 192, [.hwCacheAlign, .typesafeByRCU, .account])
  ]

  /// Reports this cache's state from here on.
  mutating func watch(_ name: String) throws(Refusal) -> [String: String] {
    guard let cache = machine.world.slab.cache(named: name) ?? makeUserCache(name) else {
      throw Refusal(message: "watchcache cache=\(name)", hint: "", isUnsupported: true)
    }
    caches[name] = cache
    return parameters(of: cache).merging(["result.got": "0"]) { mine, _ in mine }
  }

  private mutating func makeUserCache(_ name: String) -> CacheID? {
    guard let known = EmulatedGuest.userCaches.first(where: { $0.name == name }) else { return nil }
    let asked = KnownCache.named(name, in: machine.world.version.name)
    // Sheaves came with 7.0's paths here: where those are missing there are none on request either.
    let haveSheaves = KernelNumber(KernelVersion.newest)! >= KernelNumber("7.0")!
    guard asked?.sheaf ?? 0 == 0 || haveSheaves else { return nil }
    let cache = machine.world.slab.declare(
      name, objectSize: known.size, flags: known.flags.union(asked?.flags ?? []),
      sheaf: asked?.sheaf ?? 0)
    if let cache { _ = call([.kmemCacheCreate(.start(cache))], at: .any) }
    return cache
  }

  /// The figures of a cache's sizes, by the names that recordings use.
  func parameters(of cache: CacheID) -> [String: String] {
    let sizing = machine.world.slab.caches[cache].sizing
    var all = [
      "param.object_size": "\(sizing.objectSize)",
      "param.slab_size": "\(sizing.size)", "param.objs_per_slab": "\(sizing.objects)",
      "param.order": "\(sizing.order.index)", "param.cpu_partial": "\(sizing.cpuPartial)",
      "param.min_partial": "\(sizing.minPartial)", "param.align": "\(sizing.align)",
    ]
    if machine.world.slab.rules.sheaves != .none {
      all["param.sheaf_capacity"] = "\(sizing.sheafCapacity)"
    }
    return all
  }

  /// Makes user mappings of one page each, apart from each other: an object for each. Their pages
  /// and the tree that files them are not modelled, so a list that watches that tree's nodes is
  /// not run.
  ///
  /// Kernel: `mmap_region()`, `vm_area_alloc()` (mm/vma.c, mm/vma_init.c; 6.18).
  mutating func mapUser(_ site: OperationSite, _ count: Int) throws(Refusal) -> [String: String] {
    let cache = try userCache()
    let frame = Frame.kmemCacheAlloc(.start(cache: cache, gfp: .kernel, node: .any))
    let replies = call(
      Array(repeating: frame, count: count), at: try checked(site), endsAtNull: true)
    let made = replies.filter { $0.address != .null }.map { HeldObject.object(cache, $0.address) }
    sets[EmulatedGuest.userSet, default: []] += made
    return ["result.got": "\(made.count)"]
  }

  /// Takes user mappings away. Kernel: `vms_complete_munmap_vmas()`, `vm_area_free()` (mm/vma.c,
  /// mm/vma_init.c; 6.18).
  mutating func unmapUser(
    _ site: OperationSite, _ order: FreeOrder, _ count: Int?
  ) throws(Refusal) -> [String: String] {
    let site = try checked(site)
    var all = sets[EmulatedGuest.userSet] ?? []
    let taken = order.take(count, from: &all)
    sets[EmulatedGuest.userSet] = all
    _ = call(taken.map(\.free), at: site)
    return ["result.got": "\(taken.count)"]
  }

  private mutating func userCache() throws(Refusal) -> CacheID {
    let name = EmulatedGuest.userCaches[0].name
    if let cache = machine.world.slab.cache(named: name) ?? makeUserCache(name) { return cache }
    throw Refusal(message: "no cache \(name) can be made", hint: "this is an error of kmemu")
  }

  /// The set of mappings; no list can name it.
  private static let userSet = " user mappings"
}
