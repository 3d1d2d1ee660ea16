import Hardware
import Simulation
import Testing

@testable import Kernel

/// The slab mechanism against a set of objects, with no engine, in the order the paths use it.
@Suite struct SlabModelTests {
  /// Goal: no object is handed out twice or lost, whatever CPU takes and frees it.
  /// Method: 8 objects a slab and lists of few slabs, so that slabs change hands all the time.
  @Test("agrees with a set of objects", arguments: [1, 2, 3, 0xDEAD_BEEF] as [UInt64])
  func model(seed: UInt64) throws {
    var heap = try Heap(cpuCount: 4, nodeCount: 2, objectSize: 512, seed: seed)
    var (used, random) = ([Address](), RandomStream(seed: seed, index: 1))
    var all = Set<Address>()
    for turn in 0..<20_000 {
      let cpu = CPUID(random.below(4))
      let wanted = turn / 4_000 % 2 == 0 ? 550 : 450
      if random.below(1000) < wanted, used.count < 600 {
        let node = random.below(8) == 0 ? NodeID(random.below(2)) : .any
        let object = heap.allocate(node: node, on: cpu)
        #expect(all.insert(object).inserted, "handed out twice")
        used.append(object)
      } else if !used.isEmpty {
        let place = random.below(used.count)
        used.swapAt(place, used.count - 1)
        let object = used.removeLast()
        all.remove(object)
        let isFreed = heap.free(object, on: cpu)
        #expect(isFreed)
        if random.below(16) == 0 {
          let isFreedTwice = heap.free(object, on: cpu)
          #expect(!isFreedTwice)
        }
      }
      if turn % 50 == 0 {
        let taken = try heap.slab.checkInvariants()
        #expect(taken == used.count)
      }
    }
    for object in used {
      let isFreed = heap.free(object, on: CPUID(0))
      #expect(isFreed)
    }
    heap.flush()
    let (taken, pages) = (try heap.slab.checkInvariants(), heap.pagesHeld)
    #expect(taken == 0 && pages == 0)
    let slabs = heap.slab.figures(of: heap.cache).slabs
    #expect(slabs == [0, 0])
  }

  @Test("a clone goes its own way")
  func clone() throws {
    var heap = try Heap(cpuCount: 2, nodeCount: 1, objectSize: 512, seed: 1)
    let object = heap.allocate(node: .any, on: CPUID(0))
    let copy = heap.slab.clone()
    let isFreed = heap.free(object, on: CPUID(1))
    let left = (copy.allocatedCount(of: heap.cache), heap.slab.allocatedCount(of: heap.cache))
    #expect(isFreed && left == (1, 0))
  }

  @Test(
    "an address finds its object without a division", arguments: [8, 24, 96, 200, 8192, 1 << 20])
  func addresses(size: Int) throws {
    var heap = try Heap(cpuCount: 1, nodeCount: 1, objectSize: size, seed: 1)
    let object = heap.allocate(node: .any, on: CPUID(0))
    let found = heap.slab.slab(of: object)
    let slab = try #require(found)
    let objects = heap.slab.caches[heap.cache].sizing.objects
    for index in 0..<objects {
      let address = heap.slab.address(slab, UInt16(index))
      guard case .object(slab, UInt16(index)) = heap.slab.owner(of: address) else {
        Issue.record("object \(index) of \(objects) is not found")
        continue
      }
      if case .inside = heap.slab.owner(of: address + 1) {
      } else {
        Issue.record("one byte into an object is taken for one")
      }
    }
    let sizes = [object, Address(64), Address(.max)].map { heap.slab.size(of: $0) }
    #expect(sizes == [size, 0, 0])
  }
}

/// A machine of a few CPUs with one cache (its freelists random for seed 3), that allocates and frees as the kernel's functions do.
struct Heap: ~Copyable {
  var slab: SlabAllocator
  var locks: Locks
  var lines: CacheLines
  let cache: CacheID
  let nodeCount: Int
  var freePages: [Int: [PFN]] = [:]
  var nextPage = 16
  var pagesHeld = 0

  init(cpuCount: Int, nodeCount: Int, objectSize: Int, seed: UInt64) throws {
    slab = SlabAllocator(
      cpuCount: cpuCount, memoryNodes: [Bool](repeating: true, count: nodeCount),
      pageCount: 1 << 16, architecture: .x86_64, rules: KernelVersion.v6_12.slab,
      settings: .init(memcg: true, isFreelistRandom: seed == 3), seed: seed)
    locks = Locks(contextCount: 4 * cpuCount)
    lines = CacheLines(costs: try CostFile.named("generic-x86"))
    guard let cache = slab.declare("test", objectSize: objectSize) else {
      preconditionFailure("no slab holds \(objectSize) bytes")
    }
    self.cache = cache
    self.nodeCount = nodeCount
    slab.activate(cache, &locks, &lines)
  }

  private func memoryNode(_ cpu: CPUID) -> NodeID { NodeID(cpu.index % nodeCount) }

  /// Kernel: `__slab_alloc_node()`, `___slab_alloc()`.
  mutating func allocate(node: NodeID, on cpu: CPUID) -> Address {
    let object = slab.takeLocal(cache, node: node, on: cpu)
    if object != .null { return object }
    let mine = slab.cpus[slab.cpu(cache, cpu)]
    if !mine.slab.isNone {
      if node == .any || node.raw == mine.node {
        let list = slab.takeFreelist(mine.slab)
        if list != Link.end { return load(mine.slab, list, cpu) }
        _ = slab.detach(cache, on: cpu)
      } else {
        let (old, rest) = slab.detach(cache, on: cpu)
        deactivate(old, rest)
      }
    }
    while case let slab = self.slab.popCPUPartial(cache, on: cpu), !slab.isNone {
      if node == .any || self.slab.slabs[slab].nodeID == node {
        return load(slab, self.slab.takeFreelist(slab), cpu)
      }
      put(slab)
    }
    let wanted = node == .any ? memoryNode(cpu) : node
    let partial = slab.nodes[slab.node(cache, wanted)].first
    if !partial.isNone {
      slab.removePartial(partial)
      return load(partial, slab.takeFreelist(partial), cpu)
    }
    let order = slab.caches[cache].sizing.order
    let made = slab.carve(cache, takePages(order), order, node: wanted, &lines)
    slab.addToNode(made)
    return load(made, slab.takeFreelist(made), cpu)
  }

  private mutating func load(_ id: ID<Slab>, _ list: UInt16, _ cpu: CPUID) -> Address {
    let (object, rest) = slab.pop(id, list, on: cpu)
    slab.install(id, freelist: rest, on: cpu)
    return object
  }

  /// Kernel: `do_slab_free()`, `__slab_free()`. Returns: false when it was free already.
  mutating func free(_ object: Address, on cpu: CPUID) -> Bool {
    guard case .object(let id, let index) = slab.owner(of: object) else { return false }
    switch slab.giveLocal(id, index, cache, on: cpu) {
    case .done: return true
    case .doubleFree: return false
    case .elsewhere: break
    }
    guard slab.isTaken(id, index) else { return false }
    let before = slab.slabs[id]
    slab.giveToSlab(id, index)
    if before.isFrozen { return true }
    if before.freelist == Link.end {
      var next = slab.pushCPUPartial(id, on: cpu, draining: true)
      while !next.isNone {
        let following = slab.slabs[next].next
        put(next)
        next = following
      }
    } else if before.isOnNodeList, slab.isSurplus(id) {
      slab.removePartial(id)
      discard(id)
    }
    return true
  }

  private mutating func put(_ id: ID<Slab>) {
    if slab.isSurplus(id) { discard(id) } else { slab.addPartial(id, to: .tail) }
  }

  private mutating func deactivate(_ id: ID<Slab>, _ list: UInt16) {
    slab.unfreeze(id, list)
    if slab.isSurplus(id) {
      discard(id)
    } else if slab.slabs[id].freelist != Link.end {
      slab.addPartial(id, to: .head)
    }
  }

  /// Kernel: `kmem_cache_shrink()`.
  mutating func flush() {
    for cpu in 0..<slab.cpuCount {
      let (old, rest) = slab.detach(cache, on: CPUID(cpu))
      if !old.isNone { deactivate(old, rest) }
      var next = slab.takeCPUPartials(cache, on: CPUID(cpu))
      while !next.isNone {
        let following = slab.slabs[next].next
        put(next)
        next = following
      }
    }
    for node in 0..<nodeCount {
      var next = slab.sortPartials(cache, NodeID(node))
      while !next.isNone {
        let following = slab.slabs[next].next
        givePages(next)
        next = following
      }
    }
  }

  private mutating func discard(_ id: ID<Slab>) {
    slab.removeFromNode(id)
    givePages(id)
  }

  private mutating func takePages(_ order: Order) -> PFN {
    pagesHeld += order.pageCount
    if let pages = freePages[order.index]?.popLast() { return pages }
    let pages = PFN((nextPage + order.pageCount - 1) / order.pageCount * order.pageCount)
    nextPage = pages.index + order.pageCount
    return pages
  }

  private mutating func givePages(_ id: ID<Slab>) {
    let (pages, order) = (slab.slabs[id].pages, slab.slabs[id].order)
    pagesHeld -= order.pageCount
    slab.recycle(id)
    freePages[order.index, default: []].append(pages)
  }
}
