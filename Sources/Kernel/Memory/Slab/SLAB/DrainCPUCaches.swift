import Hardware
import Simulation

/// Empties this CPU's array of a cache; every CPU runs it in an interrupt.
///
/// Kernel: `do_drain()` (mm/slab.c, 6.1).
package enum DoDrain: Path {
  case start(cache: UInt16)
  case locked(cache: UInt16)
  case freed(cache: UInt16)
  case unlocked(chain: ID<Slab>)
  case done

  package static var name: PathName { .do_drain }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      return ask(.acquire(lock(cache, world, cpu)), then: .locked(cache: cache))
    case .locked(let cache):
      let array = world.array(CacheID(Int(cache)), on: cpu)
      let avail = world.slab.arrays.arrays[array].avail
      return ask(
        .call(.freeBlock(.start(array: Int32(array), count: avail))), then: .freed(cache: cache))
    case .freed(let cache):
      return ask(.release(lock(cache, world, cpu)), then: .unlocked(chain: reply.slab))
    case .unlocked(let chain):
      guard !chain.isNone else { return .return() }
      return ask(.call(.slabsDestroy(.start(chain))), then: .done)
    case .done: return .return()
    }
  }

  @inline(__always)
  private func lock(_ cache: UInt16, _ world: borrowing World, _ cpu: CPUID) -> LockID {
    world.listLock(CacheID(Int(cache)), world.memoryNode(of: cpu))
  }
}

/// Empties all arrays of a cache into its slabs, and gives back all that are free.
///
/// Returns: 1 if slabs are left, else 0. Kernel: `__kmem_cache_shrink()`, `drain_cpu_caches()`,
/// `drain_alien_cache()` (mm/slab.c, 6.1).
package enum ShrinkArrays: Path {
  case start(cache: UInt16)
  case aliens(cache: UInt16, place: UInt16)
  case alienLocked(cache: UInt16, place: UInt16, array: Int32)
  case alienDrained(cache: UInt16, place: UInt16, array: Int32)
  case alienUnlocked(cache: UInt16, place: UInt16, chain: ID<Slab>)
  case shared(cache: UInt16, node: UInt8)
  case sharedLocked(cache: UInt16, node: UInt8)
  case sharedFreed(cache: UInt16, node: UInt8)
  case sharedUnlocked(cache: UInt16, node: UInt8, chain: ID<Slab>)
  case slabs(cache: UInt16, node: UInt8)

  package static var name: PathName { .drain_cpu_caches }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      return ask(
        .call(.onEachCPU(.start(.drainArray(cache: cache)))), then: .aliens(cache: cache, place: 0))
    case .aliens, .alienLocked, .alienDrained, .alienUnlocked: return aliens(&world, reply)
    case .shared, .sharedLocked, .sharedFreed, .sharedUnlocked: return shared(&world, reply)
    case .slabs(let cache, let node): return slabs(cache, node, &world)
    }
  }

  private mutating func aliens(_ world: inout World, _ reply: Reply) -> Step {
    switch self {
    case .aliens(let cache, let first):
      let count = world.slab.nodeCount
      for place in Int(first)..<count * count {
        let array = world.slab.alien(
          CacheID(Int(cache)), of: NodeID(place % count), at: NodeID(place / count))
        guard array >= 0 else { continue }
        return ask(
          .acquire(world.slab.arrays.arrays[array].lock, irqs: .off),
          then: .alienLocked(cache: cache, place: UInt16(place), array: Int32(array)))
      }
      self = .shared(cache: cache, node: 0)
      return shared(&world, reply)
    case .alienLocked(let cache, let place, let array):
      return ask(
        .call(.drainAlien(.start(cache: cache, array: array))),
        then: .alienDrained(cache: cache, place: place, array: array))
    case .alienDrained(let cache, let place, let array):
      return ask(
        .release(world.slab.arrays.arrays[Int(array)].lock, irqs: .off),
        then: .alienUnlocked(cache: cache, place: place, chain: reply.slab))
    case .alienUnlocked(let cache, let place, let chain):
      let next = ShrinkArrays.aliens(cache: cache, place: place + 1)
      guard chain.isNone else { return ask(.call(.slabsDestroy(.start(chain))), then: next) }
      self = next
      return aliens(&world, reply)
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func shared(_ world: inout World, _ reply: Reply) -> Step {
    switch self {
    case .shared(let cache, let node):
      guard Int(node) < world.slab.nodeCount else { return slabs(cache, 0, &world) }
      let lock = world.listLock(CacheID(Int(cache)), NodeID(Int(node)))
      return ask(.acquire(lock, irqs: .off), then: .sharedLocked(cache: cache, node: node))
    case .sharedLocked(let cache, let node):
      let place = world.slab.node(CacheID(Int(cache)), NodeID(Int(node)))
      let array = world.slab.arrays.nodes[place].shared
      let avail = array < 0 ? 0 : world.slab.arrays.arrays[Int(array)].avail
      return ask(
        .call(.freeBlock(.start(array: array, count: avail))),
        then: .sharedFreed(cache: cache, node: node))
    case .sharedFreed(let cache, let node):
      let lock = world.listLock(CacheID(Int(cache)), NodeID(Int(node)))
      return ask(
        .release(lock, irqs: .off),
        then: .sharedUnlocked(cache: cache, node: node, chain: reply.slab))
    case .sharedUnlocked(let cache, let node, let chain):
      let next = ShrinkArrays.shared(cache: cache, node: node + 1)
      guard chain.isNone else { return ask(.call(.slabsDestroy(.start(chain))), then: next) }
      self = next
      return shared(&world, reply)
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func slabs(_ cache: UInt16, _ node: UInt8, _ world: inout World) -> Step {
    guard Int(node) < world.slab.nodeCount else {
      let left = (0..<world.slab.nodeCount).contains {
        let place = world.slab.node(CacheID(Int(cache)), NodeID($0))
        return world.slab.nodes[place].slabCount > 0
      }
      return .return(.number(left ? 1 : 0))
    }
    return ask(
      .call(.drainFreelist(.start(cache: cache, node: node, most: .max))),
      then: .slabs(cache: cache, node: node + 1))
  }
}
