@testable import Kernel

/// SLUB as a few counts and arrays, in the words of the project's SLUB page: what it does with
/// slabs, for one caller at a time. It shares no code with the emulator, and knows no link and no
/// address: an object is the slab that it came from.
struct NaiveSLUB {
  final class Slab {
    let node: Int
    /// Free objects on the slab's own freelist.
    var free: Int
    /// It is some CPU's, so that no list has it.
    var isCurrent = false
    var isOnNode = false
    var isOnCPU = false
    init(node: Int, free: Int) { (self.node, self.free) = (node, free) }
  }
  struct CPU {
    var current: Slab?
    /// Objects that only this CPU may take.
    var free = 0
    /// The slab pushed last first, and the objects free when each was pushed.
    var list: [(slab: Slab, free: Int)] = []
  }

  let rules: SlabRules
  let sizing: SlabSizing
  var cpus: [CPU]
  var nodes: [[Slab]]
  var counts: [SlabStat: Int] = [:]
  var slabs = 0

  init(_ rules: SlabRules, _ sizing: SlabSizing, cpus: Int, nodes: Int) {
    (self.rules, self.sizing) = (rules, sizing)
    self.cpus = [CPU](repeating: CPU(), count: cpus)
    self.nodes = [[Slab]](repeating: [], count: nodes)
  }

  private mutating func note(_ stat: SlabStat) { counts[stat, default: 0] += 1 }

  private func keepsNoMore(_ node: Int) -> Bool {
    let count = nodes[node].count
    return rules.emptySlabs == .aboveMinimum
      ? count > sizing.minPartial : count >= sizing.minPartial
  }

  // MARK: Allocation

  mutating func allocate(_ cpu: Int, node: Int?, local: Int) -> Slab {
    if let slab = cpus[cpu].current, cpus[cpu].free > 0, node == nil || node == slab.node {
      note(.alloc_fastpath)
      cpus[cpu].free -= 1
      return slab
    }
    note(.alloc_slowpath)
    if let slab = cpus[cpu].current {
      if let node, node != slab.node {
        note(.alloc_node_mismatch)
        let free = cpus[cpu].free
        give(up: cpu)
        deactivate(slab, free)
      } else if slab.free > 0 {
        note(.alloc_refill)
        return take(slab, cpu)
      } else {
        note(.deactivate_bypass)
        give(up: cpu)
      }
    }
    while !cpus[cpu].list.isEmpty {
      let slab = cpus[cpu].list.removeFirst().slab
      slab.isOnCPU = false
      let isWrong = node != nil && node != slab.node
      if rules.freezesPartials || !isWrong { note(.cpu_partial_alloc) }
      guard isWrong else {
        if rules.freezesPartials { note(.alloc_refill) }
        return take(slab, cpu)
      }
      if rules.freezesPartials {
        note(.alloc_node_mismatch)
        deactivate(slab, 0)
      } else {
        list(slab)
      }
    }
    let place = node ?? local
    if let slab = takePartial(place, cpu) { return take(slab, cpu) }
    note(.alloc_slab)
    slabs += 1
    return take(Slab(node: place, free: sizing.objects), cpu)
  }

  private mutating func give(up cpu: Int) {
    cpus[cpu].current?.isCurrent = false
    (cpus[cpu].current, cpus[cpu].free) = (nil, 0)
  }

  private mutating func take(_ slab: Slab, _ cpu: Int) -> Slab {
    slab.isCurrent = true
    (cpus[cpu].current, cpus[cpu].free) = (slab, slab.free - 1)
    slab.free = 0
    return slab
  }

  private mutating func takePartial(_ node: Int, _ cpu: Int) -> Slab? {
    var found: Slab?
    var (available, extra) = (0, 0)
    while !nodes[node].isEmpty {
      let slab = nodes[node].removeFirst()
      slab.isOnNode = false
      available += slab.free
      if found == nil {
        note(.alloc_from_partial)
        found = slab
      } else {
        note(.cpu_partial_node)
        push(slab, cpu)
        extra += 1
      }
      let isEnough =
        rules.cpuPartialUnit == .objects
        ? available > sizing.cpuPartial / 2 : extra > sizing.cpuPartialSlabs / 2
      if isEnough { break }
    }
    return found
  }

  private mutating func push(_ slab: Slab, _ cpu: Int) {
    slab.isOnCPU = true
    cpus[cpu].list.insert((slab, slab.free), at: 0)
  }

  // MARK: Free

  mutating func free(_ slab: Slab, _ cpu: Int) {
    if cpus[cpu].current === slab {
      note(.free_fastpath)
      cpus[cpu].free += 1
      return
    }
    note(.free_slowpath)
    let wasFull = slab.free == 0
    slab.free += 1
    if slab.isCurrent || slab.isOnCPU && rules.freezesPartials {
      note(.free_frozen)
    } else if wasFull {
      pushDraining(slab, cpu)
    } else if slab.free == sizing.objects, slab.isOnNode, keepsNoMore(slab.node) {
      nodes[slab.node].removeAll { $0 === slab }
      note(.free_remove_partial)
      note(.free_slab)
      slabs -= 1
    }
  }

  private mutating func pushDraining(_ slab: Slab, _ cpu: Int) {
    let isFull =
      rules.cpuPartialUnit == .objects
      ? cpus[cpu].list.reduce(0) { $0 + $1.free } > sizing.cpuPartial
      : cpus[cpu].list.count >= sizing.cpuPartialSlabs
    if isFull, !cpus[cpu].list.isEmpty {
      let old = cpus[cpu].list
      cpus[cpu].list = []
      note(.cpu_partial_drain)
      for entry in old {
        entry.slab.isOnCPU = false
        list(entry.slab)
      }
    }
    push(slab, cpu)
    note(.cpu_partial_free)
  }

  /// Moves a slab of a CPU's list to its node.
  private mutating func list(_ slab: Slab) {
    if slab.free == sizing.objects, keepsNoMore(slab.node) {
      note(.deactivate_empty)
      note(.free_slab)
      slabs -= 1
    } else {
      slab.isOnNode = true
      nodes[slab.node].append(slab)
      note(.free_add_partial)
    }
  }

  private mutating func deactivate(_ slab: Slab, _ free: Int) {
    let hasRemoteFrees = slab.free > 0
    if hasRemoteFrees { note(.deactivate_remote_frees) }
    slab.free += free
    if slab.free == sizing.objects, keepsNoMore(slab.node) {
      note(.deactivate_empty)
      note(.free_slab)
      slabs -= 1
    } else if slab.free == 0 {
      note(.deactivate_full)
    } else {
      slab.isOnNode = true
      nodes[slab.node].insert(slab, at: hasRemoteFrees ? nodes[slab.node].count : 0)
      note(hasRemoteFrees ? .deactivate_to_tail : .deactivate_to_head)
    }
  }
}
