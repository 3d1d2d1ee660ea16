import Hardware
import Simulation

/// What each CPU does every two seconds so that idle caches do not keep their memory: of each cache
/// it sends one alien array home, gives back a fifth of its own array and of the shared one where
/// they were not used since, and a fifth of the free slabs that the node may keep.
///
/// It is a thread of the CPU that sleeps in between. Two CPUs never do it at a time: who finds the
/// mutex taken leaves it for two seconds.
///
/// Kernel: `cache_reap()`, `start_cpu_timer()` (mm/slab.c; 2.6.24 and 6.1 compared). Not modelled: a
/// deferrable timer, which an idle CPU's reaper waits for; waking a CPU for it costs here.
package enum CacheReap: Path {
  case start
  case woken
  case tried
  case cache(UInt16)
  case alienTried(UInt16, array: Int32)
  case alienDrained(UInt16, array: Int32)
  case alienUnlocked(UInt16, chain: ID<Slab>)
  case own(UInt16)
  case ownDrained(UInt16)
  case shared(UInt16)
  case sharedDrained(UInt16)
  case freelistDrained(UInt16)
  case rested(UInt16)
  case unlocked

  /// Kernel: `REAPTIMEOUT_AC`, `REAPTIMEOUT_NODE`. Unit: seconds.
  static let cpuSeconds: Int32 = 2
  static let nodeSeconds: Int32 = 4
  static let second = Duration(picoseconds: 1_000_000_000) * 1000

  package static var name: PathName { .cache_reap }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return ask(.work(.workQueueOp), then: .woken)
    case .woken: return ask(.tryAcquire(world.slab.mutex), then: .tried)
    case .tried: return reply.bool ? next(0, &world, cpu) : pause(&world, cpu)
    case .cache, .alienTried, .alienDrained, .alienUnlocked:
      return alien(&world, cpu, reply)
    case .own(let cache): return own(cache, &world, cpu)
    case .ownDrained(let cache), .shared(let cache): return shared(cache, &world, cpu)
    case .sharedDrained(let cache): return freelist(cache, &world, cpu)
    case .freelistDrained(let cache):
      return ask(.condResched, then: .rested(cache))
    case .rested(let cache): return next(cache + 1, &world, cpu)
    case .unlocked: return pause(&world, cpu)
    }
  }

  /// Sleeps until the next turn of this CPU. Kernel: `round_jiffies_relative()`: whole seconds, each
  /// CPU 3 ticks before the one before.
  private mutating func pause(_ world: inout World, _ cpu: CPUID) -> Step {
    let now = world.now
    let next = CacheReap.turn(near: now + CacheReap.second * 2, of: cpu)
    return ask(.sleep(next - now), then: .start)
  }

  /// The whole second of a CPU next to `time`: before it by less than a quarter, else behind it.
  ///
  /// Kernel: `round_jiffies_common()` (kernel/time/timer.c, 6.1), with 250 ticks a second.
  static func turn(near time: Instant, of cpu: CPUID) -> Instant {
    let second = CacheReap.second.picoseconds
    let skew = UInt64(cpu.index) * 3 * (second / 250)
    let (from, rest) = (time.picoseconds + skew).quotientAndRemainder(dividingBy: second)
    let whole = (rest < second / 4 ? from : from + 1) * second
    return Instant(picoseconds: whole - skew)
  }

  /// The next cache that was ever used, or the end.
  private mutating func next(_ first: UInt16, _ world: inout World, _ cpu: CPUID) -> Step {
    for cache in Int(first)..<world.slab.names.count where world.slab.layouts[cache].cpus >= 0 {
      return ask(.work(.slabReapCache), then: .cache(UInt16(cache)))
    }
    let node = Int(world.slab.arrays.reapNodes[cpu.index]) + 1
    world.slab.arrays.reapNodes[cpu.index] = UInt8(node == world.slab.nodeCount ? 0 : node)
    return ask(.release(world.slab.mutex), then: .unlocked)
  }

  /// Kernel: `reap_alien()`.
  private mutating func alien(_ world: inout World, _ cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .cache(let cache):
      let node = NodeID(Int(world.slab.arrays.reapNodes[cpu.index]))
      let array = world.slab.alien(
        CacheID(Int(cache)), of: node, at: world.memoryNode(of: cpu))
      guard array >= 0, world.slab.arrays.arrays[array].avail > 0 else {
        return own(cache, &world, cpu)
      }
      return ask(
        .tryAcquire(world.slab.arrays.arrays[array].lock, irqs: .off),
        then: .alienTried(cache, array: Int32(array)))
    case .alienTried(let cache, let array):
      guard reply.bool else { return own(cache, &world, cpu) }
      return ask(
        .call(.drainAlien(.start(cache: cache, array: array))),
        then: .alienDrained(cache, array: array))
    case .alienDrained(let cache, let array):
      let lock = world.slab.arrays.arrays[Int(array)].lock
      return ask(
        .release(lock, irqs: .off), then: .alienUnlocked(cache, chain: reply.slab))
    case .alienUnlocked(let cache, let chain):
      guard !chain.isNone else { return own(cache, &world, cpu) }
      return ask(.call(.slabsDestroy(.start(chain))), then: .own(cache))
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func own(_ cache: UInt16, _ world: inout World, _ cpu: CPUID) -> Step {
    let array = Int32(world.array(CacheID(Int(cache)), on: cpu))
    return ask(.call(.drainArray(.start(array: array, cache: cache))), then: .ownDrained(cache))
  }

  private mutating func shared(_ cache: UInt16, _ world: inout World, _ cpu: CPUID) -> Step {
    let place = world.slab.node(CacheID(Int(cache)), world.memoryNode(of: cpu))
    guard world.slab.arrays.nodes[place].nextReap <= world.now else {
      return ask(.condResched, then: .rested(cache))
    }
    world.slab.arrays.nodes[place].nextReap = world.now + CacheReap.second * CacheReap.nodeSeconds
    let shared = world.slab.arrays.nodes[place].shared
    guard shared >= 0 else { return freelist(cache, &world, cpu) }
    return ask(
      .call(.drainArray(.start(array: shared, cache: cache))), then: .sharedDrained(cache))
  }

  private mutating func freelist(_ cache: UInt16, _ world: inout World, _ cpu: CPUID) -> Step {
    let node = world.memoryNode(of: cpu)
    let place = world.slab.node(CacheID(Int(cache)), node)
    guard !world.slab.arrays.nodes[place].freeTouched else {
      world.slab.arrays.nodes[place].freeTouched = false
      return ask(.condResched, then: .rested(cache))
    }
    let objects = Int32(world.slab.arrays.sizings[Int(cache)].objects)
    let limit = world.slab.arrays.nodes[place].freeLimit
    let most = (limit + 5 * objects - 1) / (5 * objects)
    return ask(
      .call(.drainFreelist(.start(cache: cache, node: UInt8(node.raw), most: most))),
      then: .freelistDrained(cache))
  }
}

/// Gives back part of an array that was not used since the last time: of a CPU's own or of its
/// node's shared one. A fifth of what it may hold, or half of what it has where that is less.
///
/// Kernel: `drain_array()` (mm/slab.c, 6.1).
package enum DrainArray: Path {
  case start(array: Int32, cache: UInt16)
  case locked(array: Int32, cache: UInt16)
  case freed(cache: UInt16)
  case unlocked(chain: ID<Slab>)
  case done

  package static var name: PathName { .drain_array }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let array, let cache):
      if world.isAhead { return ask(.sync, then: .start(array: array, cache: cache)) }
      let record = world.slab.arrays.arrays[Int(array)]
      guard record.avail > 0 else { return .return() }
      guard !record.touched else {
        world.slab.arrays.arrays[Int(array)].touched = false
        return .return()
      }
      let lock = world.listLock(CacheID(Int(cache)), world.memoryNode(of: cpu))
      return ask(.acquire(lock, irqs: .off), then: .locked(array: array, cache: cache))
    case .locked(let array, let cache):
      let record = world.slab.arrays.arrays[Int(array)]
      let count = DrainArray.count(avail: Int(record.avail), limit: Int(record.limit))
      return ask(
        .call(.freeBlock(.start(array: array, count: UInt16(count)))), then: .freed(cache: cache))
    case .freed(let cache):
      let lock = world.listLock(CacheID(Int(cache)), world.memoryNode(of: cpu))
      return ask(.release(lock, irqs: .off), then: .unlocked(chain: reply.slab))
    case .unlocked(let chain):
      guard !chain.isNone else { return .return() }
      return ask(.call(.slabsDestroy(.start(chain))), then: .done)
    case .done: return .return()
    }
  }

  /// Kernel: `drain_array_locked()`.
  static func count(avail: Int, limit: Int) -> Int {
    let fifth = (limit + 4) / 5
    return fifth > avail ? (avail + 1) / 2 : fifth
  }
}

/// Gives back up to `most` free slabs of a node, one at a time.
///
/// Kernel: `drain_freelist()` (mm/slab.c, 6.1).
package enum DrainFreelist: Path {
  case start(cache: UInt16, node: UInt8, most: Int32)
  case locked(cache: UInt16, node: UInt8, left: Int32)
  case unlocked(cache: UInt16, node: UInt8, left: Int32, ID<Slab>)
  case destroyed(cache: UInt16, node: UInt8, left: Int32)

  package static var name: PathName { .drain_freelist }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache, let node, let left), .destroyed(let cache, let node, let left):
      if world.isAhead { return ask(.sync, then: self) }
      let id = CacheID(Int(cache))
      let place = world.slab.node(id, NodeID(Int(node)))
      let list = world.slab.arrays.lists[ArrayCaches.list(.free, of: place)]
      guard left > 0, list.count > 0 else { return .return() }
      let lock = world.listLock(id, NodeID(Int(node)))
      return ask(
        .acquire(lock, irqs: .off), then: .locked(cache: cache, node: node, left: left))
    case .locked(let cache, let node, let left):
      let id = CacheID(Int(cache))
      let slab = world.slab.takeFreeSlab(world.slab.node(id, NodeID(Int(node))))
      if !slab.isNone { world.traceSlabs(of: id) }
      return ask(
        .release(world.listLock(id, NodeID(Int(node))), irqs: .off),
        then: .unlocked(cache: cache, node: node, left: left, slab))
    case .unlocked(let cache, let node, let left, let slab):
      guard !slab.isNone else { return .return() }
      return ask(
        .call(.slabsDestroy(.start(slab))),
        then: .destroyed(cache: cache, node: node, left: left - 1))
    }
  }
}
