import Hardware

@testable import Kernel

/// SLAB as lists of numbers, written from its description alone: what `ArrayModelTests` holds the
/// paths against. An object is the number of its slab times 1,000, plus its place.
struct ArrayModel {
  struct Slab {
    var node: Int
    /// The next to be taken is the last.
    var free: [Int]
  }
  struct Node {
    var partial: [Int] = []
    var full: [Int] = []
    var free: [Int] = []
    var shared: [Int] = []
    var aliens: [[Int]]
    var freeObjects = 0
  }

  let objects, limit, batch, sharedLimit, freeLimit: Int
  /// 4.8 and later: a new slab fills the array at once, too many slabs are seen at the end.
  let isNew: Bool
  let nodeOf: [Int]
  /// For each node all nodes, nearest first.
  let nearest: [[Int]]
  var slabs: [Int: Slab] = [:]
  var slabsMade = 0
  var nodes: [Node]
  var arrays: [[Int]]
  var touched: [Bool]
  var hasNoPages = false

  init(_ sizing: ArrayCacheSizing, nodeOf: [Int], nearest: [[Int]], isNew: Bool) {
    let nodeCount = nearest.count
    self.nearest = nearest
    (objects, limit, batch) = (sizing.objects, sizing.limit, sizing.batch)
    sharedLimit = sizing.sharedFactor * sizing.batch
    freeLimit = (1 + nodeOf.filter { $0 == 0 }.count) * sizing.batch + sizing.objects
    (self.nodeOf, self.isNew) = (nodeOf, isNew)
    nodes = Array(
      repeating: Node(aliens: Array(repeating: [], count: nodeCount)), count: nodeCount)
    arrays = Array(repeating: [], count: nodeOf.count)
    touched = Array(repeating: false, count: nodeOf.count)
  }

  // MARK: Slabs

  private mutating func grow(_ node: Int) -> Int? {
    guard !hasNoPages else { return nil }
    slabsMade += 1
    let first = slabsMade * 1000
    slabs[slabsMade] = Slab(node: node, free: (first..<first + objects).reversed())
    return slabsMade
  }

  private mutating func list(_ slab: Int, first: Bool) {
    let record = slabs[slab]!
    func add(_ list: inout [Int]) { list.insert(slab, at: first ? 0 : list.count) }
    switch record.free.count {
    case objects: add(&nodes[record.node].free)
    case 0: add(&nodes[record.node].full)
    default: add(&nodes[record.node].partial)
    }
  }

  private mutating func unlist(_ slab: Int) {
    let node = slabs[slab]!.node
    nodes[node].partial.removeAll { $0 == slab }
    nodes[node].full.removeAll { $0 == slab }
    nodes[node].free.removeAll { $0 == slab }
  }

  private mutating func take(_ slab: Int) -> Int {
    slabs[slab]!.free.removeLast()
  }

  private mutating func drop(_ slab: Int) {
    let node = slabs[slab]!.node
    unlist(slab)
    slabs[slab] = nil
    nodes[node].freeObjects -= objects
  }

  /// Puts objects of a node back to their slabs.
  private mutating func giveBack(_ all: [Int], _ node: Int) {
    for object in all {
      let slab = object / 1000
      unlist(slab)
      slabs[slab]!.free.append(object)
      nodes[node].freeObjects += 1
      let isFree = slabs[slab]!.free.count == objects
      list(slab, first: isFree)
      if isFree, !isNew, nodes[node].freeObjects > freeLimit { drop(slab) }
    }
    while isNew, nodes[node].freeObjects > freeLimit, let last = nodes[node].free.last {
      drop(last)
    }
  }

  // MARK: Allocation

  mutating func allocate(node: Int?, on cpu: Int) -> Int? {
    let own = nodeOf[cpu]
    guard node == nil || node == own else { return allocateNode(node!, cpu) }
    if let object = arrays[cpu].popLast() {
      touched[cpu] = true
      return object
    }
    return refill(cpu) ?? allocateNode(own, cpu)
  }

  private mutating func refill(_ cpu: Int) -> Int? {
    let own = nodeOf[cpu]
    var left = touched[cpu] ? batch : min(batch, 16)
    if !nodes[own].shared.isEmpty {
      let count = min(left, nodes[own].shared.count, limit)
      arrays[cpu] = nodes[own].shared.suffix(count)
      nodes[own].shared.removeLast(count)
    } else {
      while left > 0, let slab = nodes[own].partial.first ?? nodes[own].free.first {
        left -= fill(cpu, from: slab, left)
      }
    }
    if arrays[cpu].isEmpty {
      guard let slab = grow(own) else { return nil }
      nodes[own].freeObjects += objects
      list(slab, first: false)
      guard isNew else { return refill(cpu) }
      _ = fill(cpu, from: slab, left)
    }
    touched[cpu] = true
    return arrays[cpu].popLast()
  }

  /// Takes up to `most` objects of a slab on a list into an array. Returns: how many.
  private mutating func fill(_ cpu: Int, from slab: Int, _ most: Int) -> Int {
    unlist(slab)
    let count = min(most, slabs[slab]!.free.count)
    for _ in 0..<count { arrays[cpu].append(take(slab)) }
    nodes[slabs[slab]!.node].freeObjects -= count
    list(slab, first: true)
    return count
  }

  private mutating func takeOne(_ node: Int) -> Int? {
    guard let slab = nodes[node].partial.first ?? nodes[node].free.first else { return nil }
    unlist(slab)
    let object = take(slab)
    nodes[node].freeObjects -= 1
    list(slab, first: true)
    return object
  }

  private mutating func allocateNode(_ node: Int, _ cpu: Int) -> Int? {
    if let object = takeOne(node) { return object }
    if let slab = grow(node) {
      nodes[node].freeObjects += objects
      list(slab, first: false)
      return takeOne(node)
    }
    // No memory at all: whatever is free anywhere, nearest first.
    for other in nearest[nodeOf[cpu]] {
      if let object = takeOne(other) { return object }
    }
    return nil
  }

  // MARK: Freeing

  mutating func free(_ object: Int, on cpu: Int) {
    let (own, node) = (nodeOf[cpu], slabs[object / 1000]!.node)
    if node != own {
      if nodes[own].aliens[node].count == (limit > 1 ? 12 : limit) { drainAlien(node, at: own) }
      nodes[own].aliens[node].append(object)
      return
    }
    if arrays[cpu].count == limit {
      let room = sharedLimit - nodes[own].shared.count
      let count = room > 0 ? min(batch, room) : batch
      let oldest = Array(arrays[cpu].prefix(count))
      arrays[cpu].removeFirst(count)
      if room > 0 { nodes[own].shared += oldest } else { giveBack(oldest, own) }
    }
    arrays[cpu].append(object)
  }

  private mutating func drainAlien(_ node: Int, at own: Int) {
    var all = nodes[own].aliens[node]
    let count = min(all.count, sharedLimit - nodes[node].shared.count)
    nodes[node].shared += all.suffix(count)
    all.removeLast(count)
    giveBack(all, node)
    nodes[own].aliens[node] = []
  }

  // MARK: Rare

  mutating func shrink() {
    for cpu in arrays.indices {
      giveBack(arrays[cpu], nodeOf[cpu])
      arrays[cpu] = []
    }
    for own in nodes.indices { for node in nodes.indices { drainAlien(node, at: own) } }
    for node in nodes.indices {
      giveBack(nodes[node].shared, node)
      nodes[node].shared = []
      while let slab = nodes[node].free.last { drop(slab) }
    }
  }

  mutating func reap(_ cpu: Int) {
    guard !arrays[cpu].isEmpty else { return }
    guard !touched[cpu] else {
      touched[cpu] = false
      return
    }
    let fifth = (limit + 4) / 5
    let count = fifth > arrays[cpu].count ? (arrays[cpu].count + 1) / 2 : fifth
    giveBack(Array(arrays[cpu].prefix(count)), nodeOf[cpu])
    arrays[cpu].removeFirst(count)
  }

  var figures: ArrayFigures {
    ArrayFigures(
      cpus: arrays.map(\.count),
      nodes: nodes.map {
        ArrayFigures.Node(
          slabs: $0.partial.count + $0.full.count + $0.free.count, partial: $0.partial.count,
          full: $0.full.count, free: $0.free.count, freeObjects: $0.freeObjects,
          shared: $0.shared.count, aliens: $0.aliens.map(\.count))
      })
  }
}
