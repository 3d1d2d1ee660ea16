import Hardware
import Kernel
import Simulation

/// Carries out operations. Each returns what the recording's `result.*` lines say of it.
extension EmulatedGuest {
  /// Why an operation cannot be carried out: the list asks for what is not there.
  struct Refusal: Error {
    let message: String
    let hint: String
    /// The operation is one of the format that this emulator does not have.
    var isUnsupported = false
  }

  mutating func carryOut(_ kind: OperationKind) throws(Refusal) -> [String: String] {
    switch kind {
    case .createCache(let name, let shape): return try create(name, shape)
    case .watchCache(let name): return try watch(name)
    case .destroyCache(let name):
      _ = call([.kmemCacheDestroy(.start(try cache(name)))], at: .any)
      caches[name] = nil
      return [:]
    case .shrinkCache(let name):
      let replies = call([.kmemCacheShrink(.start(try cache(name)))], at: .any)
      // What kmem_cache_shrink() returns: whether slabs are left.
      return ["result.got": "\(replies.first?.number ?? 0)", "result.fail": "0"]
    case .allocate(let site, let source, let count, let set, let wantsRuns):
      return try allocate(site, source, count, set, wantsRuns)
    case .free(let site, let set, let order, let count):
      return try free(site, set, order, count)
    case .bulk(let bulk): return try carryOut(bulk)
    case .touch(let site, let set): return try touch(site, set)
    case .purge(let site):
      _ = call([.vmUnmapAliases(.start)], at: try checked(site))
      return EmulatedGuest.nothing
    case .drain(let site):
      _ = call([.drainAllPages(.start)], at: try checked(site))
      return EmulatedGuest.nothing
    case .resetPageLists(let site):
      machine.world.pages.resetLists(of: CPUID(try checked(site).cpu ?? 0))
      return EmulatedGuest.nothing
    case .settle(let milliseconds):
      wait(Duration(picoseconds: UInt64(milliseconds) * 1_000_000_000))
      // The recorders of the small kernels and of 6.18 on say so; the others say nothing.
      return ["result.got": "0"]
    case .usableSizes(let first, let last, let step): return usableSizes(first, last, step)
    case .setting(let name, let value):
      guard machine.world.pages.set(name, to: value) else {
        throw Refusal(
          message: "sysctl \(name)", hint: "watermark_boost_factor is emulated", isUnsupported: true
        )
      }
      return [:]
    case .churn(let cpus, let source, let rounds, let batch):
      return try churn(cpus, source, rounds, batch)
    case .mapUser(let site, let count): return try mapUser(site, count)
    case .unmapUser(let site, let order, let count): return try unmapUser(site, order, count)
    case .unsupported(let name): throw Refusal(message: name, hint: "", isUnsupported: true)
    }
  }

  /// What operations answer that hand out nothing.
  private static let nothing = ["result.got": "0", "result.fail": "0"]

  func cache(_ name: String) throws(Refusal) -> CacheID {
    if let cache = caches[name] { return cache }
    throw Refusal(
      message: "no cache \(name) was made", hint: "create it before, or watch an existing one")
  }

  func checked(_ site: OperationSite) throws(Refusal) -> OperationSite {
    if let cpu = site.cpu, cpu >= cpuCount {
      throw Refusal(
        message: "CPU \(cpu) on a machine of \(cpuCount)", hint: "CPUs count from 0")
    }
    return site
  }

  private mutating func create(
    _ name: String, _ shape: CacheShape
  ) throws(Refusal) -> [String: String] {
    guard caches[name] == nil else {
      throw Refusal(message: "the cache \(name) exists", hint: "destroy it before")
    }
    var flags: SlabFlags = []
    if shape.flags.contains("hw") { flags.insert(.hwCacheAlign) }
    if shape.flags.contains("rcl") { flags.insert(.reclaimAccount) }
    if shape.flags.contains("rcu") { flags.insert(.typesafeByRCU) }
    if shape.flags.contains("ctor") { flags.insert(.constructor) }
    guard
      let cache = machine.world.slab.declare(
        name, objectSize: shape.size, align: shape.align, flags: flags, sheaf: shape.sheaf)
    else {
      throw Refusal(
        message: "no slab holds objects of \(shape.size) bytes", hint: "choose a smaller size")
    }
    _ = call([.kmemCacheCreate(.start(cache))], at: .any)
    caches[name] = cache
    if let sizing = machine.world.slab.arraySizing(of: cache) { return tell(sizing, shape.size) }
    return parameters(of: cache).merging(["result.size": "\(shape.size)"]) { mine, _ in mine }
  }

  /// What the recorder printed of a cache of SLAB.
  private func tell(_ sizing: ArrayCacheSizing, _ size: Int) -> [String: String] {
    var ownCPUs = 0
    for cpu in 0..<cpuCount where machine.world.layout.places[cpu].node == 0 { ownCPUs += 1 }
    return [
      "result.size": "\(size)", "result.buffer": "\(sizing.size)",
      "result.objs_per_slab": "\(sizing.objects)", "result.order": "\(sizing.order.index)",
      "result.limit": "\(sizing.limit)", "result.batchcount": "\(sizing.batch)",
      "result.shared": "\(sizing.sharedFactor)", "result.colours": "\(sizing.colours)",
      "result.colour_off": "\(sizing.colourStep)",
      "result.off_slab": sizing.placement == .offSlab ? "1" : "0",
      "result.freelist_bytes": "\(sizing.freelistBytes)",
      "result.free_limit_node0": "\(sizing.freeLimit(cpus: ownCPUs))",
      "result.alien_limit": "\(sizing.alienLimit)",
    ]
  }

  /// The recorder told the slabs of a set from an array of its own, as large as the set, which those
  /// kernels' lists show among the events. Its thread is on CPU 0.
  private mutating func countSlabs(_ set: String) {
    let held = sets[set] ?? []
    guard countsRecorder, !held.isEmpty, held.allSatisfy(\.isOfSlabs) else { return }
    let site = OperationSite.any
    let size = UInt32(held.count * 8)
    let reply = call([.kmalloc(.start(size: size, gfp: .kernel, node: .any))], at: site)
    guard let address = reply.first?.address, address != .null else { return }
    _ = call([.kfree(.start(address))], at: site)
  }

  // MARK: Allocating and freeing

  private mutating func allocate(
    _ site: OperationSite, _ source: AllocationSource, _ count: Int, _ set: String,
    _ wantsRuns: Bool
  ) throws(Refusal) -> [String: String] {
    guard sets.values.reduce(count, { $0 + $1.count }) <= RecordingLimits.objectsMax else {
      throw Refusal(
        message: "more than \(RecordingLimits.objectsMax) objects held at a time",
        hint: "free some before")
    }
    if let node = source.node, node >= machine.world.pages.nodeCount {
      throw Refusal(
        message: "node \(node) on a machine of \(machine.world.pages.nodeCount)",
        hint: "nodes count from 0")
    }
    switch source.family {
    case .vmap, .mapRAM: lendPages()
    default: break
    }
    let frame = try frame(for: source)
    let replies = call(
      Array(repeating: frame, count: count), at: try checked(site), endsAtNull: true)
    var objects: [HeldObject] = []
    for reply in replies {
      if let object = try held(reply, source.family) { objects.append(object) }
    }
    sets[set, default: []] += objects
    countSlabs(set)
    var result = stateOfSet(set, wantsRuns: wantsRuns)
    result["result.got"] = "\(objects.count)"
    result["result.fail"] = "\(replies.count - objects.count)"
    if let first = objects.first { describe(first, objects, &result) }
    return result
  }

  /// What is said of the kind of memory that came.
  private func describe(
    _ first: HeldObject, _ objects: [HeldObject], _ result: inout [String: String]
  ) {
    switch first {
    case .kmalloc(let address):
      result["result.ksize"] = "\(machine.world.slab.size(of: address))"
    case .kvmalloc:
      let count = objects.filter {
        if case .kvmalloc(let address, _) = $0 {
          machine.world.vmalloc.isVmalloc(address)
        } else {
          false
        }
      }.count
      result["result.vmalloc"] = "\(count)"
    default: break
    }
  }

  private func frame(for source: AllocationSource) throws(Refusal) -> Frame {
    let gfp = GFPFlags(rawValue: source.gfp)
    let node = source.node.map { NodeID($0) } ?? .any
    func pages(_ bytes: Int) -> Int32 { Int32((bytes + 4095) / 4096) }
    switch source.family {
    case .cache(let name):
      return .kmemCacheAlloc(.start(cache: try cache(name), gfp: gfp, node: node))
    case .kmalloc(let size): return .kmalloc(.start(size: UInt32(size), gfp: gfp, node: node))
    case .pages(let order): return .allocPages(.start(order: Order(order), gfp: gfp, node: node))
    case .vmalloc(let size, let isHuge):
      var flags: VmallocFlags = isHuge ? .allowsHuge : []
      if size & 4095 != 0 { flags.insert(.partialLastPage) }
      return .vmalloc(.start(pages: pages(size), gfp: gfp, node: node, flags: flags))
    case .vmap(let size): return .vmap(.start(first: lentPages, count: pages(size)))
    case .mapRAM(let size): return .vmMapRAM(.start(first: lentPages, count: pages(size)))
    case .kvmalloc(let size):
      return .kvmalloc(.start(bytes: UInt64(size), gfp: gfp, node: node))
    }
  }

  /// What an allocation's reply holds, nil where it failed.
  private func held(
    _ reply: Reply, _ family: AllocationSource.Family
  ) throws(Refusal) -> HeldObject? {
    switch family {
    case .pages(let order): reply.pfn.isNone ? nil : .pages(reply.pfn, Order(order))
    case .cache(let name):
      reply.address == .null ? nil : .object(try cache(name), reply.address)
    case .kmalloc: reply.address == .null ? nil : .kmalloc(reply.address)
    case .vmalloc(let size, _):
      reply.address == .null ? nil : .vmalloc(reply.address, pages: (size + 4095) / 4096)
    case .vmap(let size):
      reply.address == .null ? nil : .vmap(reply.address, pages: (size + 4095) / 4096)
    case .mapRAM(let size):
      reply.address == .null ? nil : .mapRAM(reply.address, pages: (size + 4095) / 4096)
    case .kvmalloc(let size): reply.address == .null ? nil : .kvmalloc(reply.address, bytes: size)
    }
  }

  private mutating func free(
    _ site: OperationSite, _ set: String, _ order: FreeOrder, _ count: Int?
  ) throws(Refusal) -> [String: String] {
    guard var all = sets[set] else {
      throw Refusal(message: "no set \(set) was filled", hint: "allocate into it before")
    }
    let site = try checked(site)
    let taken = order.take(count, from: &all)
    sets[set] = all
    _ = call(taken.map(\.free), at: site)
    countSlabs(set)
    var result = stateOfSet(set, wantsRuns: false)
    result["result.got"] = "\(taken.count)"
    result["result.fail"] = "0"
    return result
  }

  private mutating func touch(
    _ site: OperationSite, _ set: String
  ) throws(Refusal) -> [String: String] {
    guard let all = sets[set] else {
      throw Refusal(message: "no set \(set) was filled", hint: "allocate into it before")
    }
    var pages = 0
    var frames: [Frame] = []
    for object in all {
      let (address, count) = extent(of: object)
      pages += count
      // Each page is read and written: the second access finds what the first brought.
      for page in 0..<count {
        frames.append(.touch(.start(address: address + page << 12, bytes: 4096, stride: 4095)))
      }
    }
    _ = call(frames, at: try checked(site))
    return ["result.got": "\(pages)", "result.fail": "0"]
  }

  /// Where an object begins, and the pages it touches.
  private func extent(of object: HeldObject) -> (Address, Int) {
    switch object {
    case .object(_, let address), .kmalloc(let address):
      (address, (machine.world.slab.size(of: address) + 4095) / 4096)
    case .pages(let pfn, let order): (machine.world.architecture.address(of: pfn), order.pageCount)
    case .vmalloc(let address, let pages), .vmap(let address, let pages),
      .mapRAM(let address, let pages):
      (address, pages)
    case .kvmalloc(let address, let bytes): (address, (bytes + 4095) / 4096)
    }
  }

  /// Asks how much of allocations of each size can be used. Each is made and given back.
  private mutating func usableSizes(_ first: Int, _ last: Int, _ step: Int) -> [String: String] {
    var parts: [String] = []
    for size in stride(from: first, through: last, by: step) {
      let reply = call(
        [.kmalloc(.start(size: UInt32(size), gfp: .kernel, node: .any))], at: .any)
      guard let address = reply.first?.address, address != .null else { continue }
      parts.append("\(size):\(machine.world.slab.size(of: address))")
      _ = call([.kfree(.start(address))], at: .any)
    }
    return ["sizes": parts.joined(separator: " ")]
  }
}

extension OperationSite {
  /// A task of the driver's own CPU.
  static let any = OperationSite(cpu: nil, context: .task)
}
