import Hardware
import Kernel

/// Caches that the kernel made before the list: watched, and for the mappings of user space used.
extension EmulatedGuest {
  /// What a recorded kernel has and an emulated one makes when a list wants it: objects that user
  /// mappings are made of, and nodes of the tree that files them. Sizes as every recorded boot of
  /// 6.18 and 7.2 has them.
  ///
  /// Kernel: `vma_state_init()` (mm/vma_init.c), `maple_tree_init()` (lib/maple_tree.c; 6.18).
  private static let userCaches: [(name: String, size: Int, align: Int, flags: SlabFlags)] = [
    ("vm_area_struct", 192, 0, [.hwCacheAlign, .typesafeByRCU, .account]),
    (MappingTree.cache, 256, 256, []),
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
    let cache = machine.world.slab.declare(
      name, objectSize: known.size, align: known.align,
      flags: known.flags.union(asked?.flags ?? []), sheaf: asked?.sheaf ?? 0)
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

  /// Makes user mappings of one page each, apart from each other: an object for each, and what the
  /// tree's nodes take where a list watches them. Their pages are not modelled.
  ///
  /// Kernel: `mmap_region()`, `vm_area_alloc()` (mm/vma.c, mm/vma_init.c; 6.18).
  mutating func mapUser(_ site: OperationSite, _ count: Int) throws(Refusal) -> [String: String] {
    let (cache, site) = (try userCache(), try checked(site))
    let frame = Frame.kmemCacheAlloc(.start(cache: cache, gfp: .kernel, node: .any))
    var made = 0
    for _ in 0..<count {
      let replies = call([frame], at: site)
      guard let address = replies.first?.address, address != .null else { break }
      sets[EmulatedGuest.userSet, default: []].append(.object(cache, address))
      made += 1
      replaceNodes(tree.insert(), site)
    }
    return ["result.got": "\(made)"]
  }

  /// Takes user mappings away. Kernel: `vms_complete_munmap_vmas()`, `vm_area_free()` (mm/vma.c,
  /// mm/vma_init.c; 6.18).
  mutating func unmapUser(
    _ site: OperationSite, _ order: FreeOrder, _ count: Int?
  ) throws(Refusal) -> [String: String] {
    let site = try checked(site)
    var all = sets[EmulatedGuest.userSet] ?? []
    var numbers = Array(all.indices)
    let places = order.take(count, from: &numbers)
    let taken = order.take(count, from: &all)
    sets[EmulatedGuest.userSet] = all
    var gone: [Int] = []
    for (object, place) in zip(taken, places) {
      _ = call([object.free], at: site)
      // Those that went before it are no longer in the tree.
      let before = gone.count { $0 < place }
      replaceNodes(tree.remove(place - before), site)
      gone.append(place)
    }
    return ["result.got": "\(taken.count)"]
  }

  /// Allocates the nodes that a store into the tree writes anew, and gives the old ones to RCU.
  ///
  /// Kernel: `mas_wr_node_store()`, `mas_wr_split()`, `ma_free_rcu()` (lib/maple_tree.c, 6.18).
  private mutating func replaceNodes(_ change: MappingTree.Change, _ site: OperationSite) {
    guard let cache = caches[MappingTree.cache] else { return }
    let frame = Frame.kmemCacheAlloc(.start(cache: cache, gfp: .kernel, node: .any))
    let new = call(Array(repeating: frame, count: change.new), at: site, endsAtNull: true)
    let old = tree.exchange(change, for: new.map(\.address).filter { $0 != .null })
    _ = call(old.map { .kvfreeCallRCU(.start($0, mightSleep: false)) }, at: site)
  }

  private mutating func userCache() throws(Refusal) -> CacheID {
    let name = EmulatedGuest.userCaches[0].name
    if let cache = machine.world.slab.cache(named: name) ?? makeUserCache(name) { return cache }
    throw Refusal(message: "no cache \(name) can be made", hint: "this is an error of kmemu")
  }

  /// The set of mappings; no list can name it.
  private static let userSet = " user mappings"
}
